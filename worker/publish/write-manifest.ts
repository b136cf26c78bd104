import { defineOrchestrator } from "../../src/core/index.ts";
import { storeManifest } from "./activities.ts";
import type { Manifest, PublishedFile } from "./model.ts";

/** What a manifest is made of. */
export interface ManifestRequest {
  readonly uploadId: string;
  readonly publication: string;
  readonly approvedBy: string;
  readonly files: readonly PublishedFile[];
}

/** Makes and stores the manifest of a publication: a sub-orchestration, in an object of its own. */
export const writeManifest = defineOrchestrator(
  "writeManifest",
  async (ctx, { uploadId, publication, approvedBy, files }: ManifestRequest): Promise<Manifest> => {
    const sum = (field: "bytes" | "gzipBytes"): number => files.reduce((total, file) => total + file[field], 0);
    const manifest: Manifest = {
      status: "published",
      publication,
      publishedAt: ctx.currentTime.toISOString(),
      approvedBy,
      totals: { files: files.length, bytes: sum("bytes"), gzipBytes: sum("gzipBytes") },
      files,
    };
    const retry = { maxAttempts: 5, firstDelay: "1s", backoff: 2 };
    await ctx.callActivity(storeManifest, { uploadId, manifest }, { retry });
    return manifest;
  },
);
