import { defineActivity, NonRetriableError } from "../../src/core/index.ts";
import { filesOf } from "../environment.ts";
import type { Manifest, PublishedFile } from "./model.ts";

/** A file of an upload. */
interface FileOfUpload {
  readonly uploadId: string;
  readonly path: string;
}

/** Trying again brings no deleted upload back. */
function gone(uploadId: string): NonRetriableError {
  return new NonRetriableError(`the files of upload ${uploadId} are gone: upload them again`);
}

/** Claims the upload for the publication. Its first attempt fails on purpose, so that there is a retry to be seen. */
export const reserve = defineActivity("reserve", async (ctx, uploadId: string): Promise<void> => {
  if (!(await filesOf(uploadId).claim())) throw gone(uploadId);
  if (ctx.attempt === 1) throw new Error("this first attempt fails on purpose, to show a retry");
});

/** Hashes a file and stores its compressed form beside it. */
export const processFile = defineActivity(
  "processFile",
  async (_ctx, { uploadId, path }: FileOfUpload): Promise<PublishedFile> => {
    const upload = filesOf(uploadId);
    const content = await upload.read(path);
    if (content === undefined) throw gone(uploadId);
    const [digest, gzip] = await Promise.all([crypto.subtle.digest("SHA-256", content), compress(content)]);
    const sha256 = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (!(await upload.pack(path, { gzip, sha256 }))) throw gone(uploadId);
    return { path, bytes: content.length, gzipBytes: gzip.length, sha256 };
  },
);

/** Stores the manifest: from then on the files are served. */
export const storeManifest = defineActivity(
  "storeManifest",
  async (_ctx, { uploadId, manifest }: { uploadId: string; manifest: Manifest }): Promise<void> => {
    if (!(await filesOf(uploadId).putManifest(JSON.stringify(manifest)))) throw gone(uploadId);
  },
);

/** Deletes the files of a publication that was not approved. */
export const discardFiles = defineActivity("discardFiles", async (_ctx, uploadId: string): Promise<void> => {
  await filesOf(uploadId).discard();
});

async function compress(content: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([content]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
