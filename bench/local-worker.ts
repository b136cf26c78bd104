import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startWorker, type WorkerOptions } from "../test/e2e/support/miniflare.ts";

/** A Worker in a local workerd. */
export interface LocalWorker {
  /** Without a slash at the end. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a Worker. Its storage is new, on the folder that TMPDIR names: memory-backed ones repeat best. */
export async function startLocalWorker(options: Omit<WorkerOptions, "persist">): Promise<LocalWorker> {
  const persist = mkdtempSync(join(tmpdir(), "perdura-bench-"));
  const { url, stop } = await startWorker({ ...options, persist });
  return {
    url,
    async stop() {
      await stop();
      rmSync(persist, { recursive: true, force: true });
    },
  };
}
