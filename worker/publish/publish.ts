import { defineEvent, defineOrchestrator } from "../../src/core/index.ts";
import { discardFiles, processFile, reserve } from "./activities.ts";
import type { Decision, Manifest, Progress, PublishedFile, PublishRequest, Refusal, UploadedFile } from "./model.ts";
import { writeManifest } from "./write-manifest.ts";

/** Approves or rejects a publication. */
export const approval = defineEvent<Decision>("approval");

const retry = { maxAttempts: 5, firstDelay: "1s", backoff: 2 };

/** Publishes the files of an upload, once somebody approves of it. */
export const publish = defineOrchestrator(
  "publish",
  async (ctx, { uploadId, files, approvalTimeoutMs }: PublishRequest): Promise<Manifest | Refusal> => {
    const publication = ctx.instanceId;
    let done = 0;
    const report = (phase: Progress["phase"]): void => {
      ctx.setCustomStatus({ phase, done, total: files.length } satisfies Progress);
    };

    report("reserving");
    await ctx.callActivity(reserve, uploadId, { retry });

    report("processing");
    const processOne = async ({ path }: UploadedFile): Promise<PublishedFile> => {
      const file = await ctx.callActivity(processFile, { uploadId, path }, { retry, timeout: "2m" });
      done += 1;
      report("processing");
      return file;
    };
    const processed = await Promise.all(files.map(processOne));

    report("awaiting approval");
    const answer = await ctx.waitForExternalEvent(approval, { timeout: approvalTimeoutMs });
    if (answer.timedOut || !answer.value.approved) {
      report("discarding");
      await ctx.callActivity(discardFiles, uploadId, { retry });
      const status = answer.timedOut ? "expired" : "rejected";
      report(status);
      if (answer.timedOut) return { status, publication };
      const { by, reason } = answer.value;
      return { status, publication, rejectedBy: by, ...(reason === undefined ? {} : { reason }) };
    }

    report("writing manifest");
    const approvedBy = answer.value.by;
    const manifest = await ctx.callSubOrchestrator(writeManifest, {
      uploadId,
      publication,
      approvedBy,
      files: processed,
    });
    report("published");
    return manifest;
  },
);
