import { isPerduraError } from "perdura";
import { connectTaskHub, openTaskHub, type TaskHub } from "perdura/indexeddb";
import { HUB } from "../names.ts";
import { uploadSteps } from "../upload/steps.ts";
import { TransferClient } from "../upload/transfer-client.ts";
import { uploadRegistry } from "../upload/upload.ts";

/** The hub as this page has it. */
export interface PageHub {
  readonly hub: TaskHub;
  /** Whether this tab runs the uploads, itself or in its worker. */
  isRunner(): boolean;
}

/** Opens the hub with the engine in a worker; where the browser stores nothing, in the page, over memory. */
export async function openPageHub(): Promise<PageHub> {
  const worker = new Worker(new URL("../engine.ts", import.meta.url), { type: "module" });
  let role = "follower";
  worker.addEventListener("message", ({ data }: MessageEvent<{ readonly role: string }>) => {
    role = data.role;
  });
  try {
    const hub = await connectTaskHub(worker, { name: HUB });
    return { hub, isRunner: () => role === "runner" };
  } catch (error) {
    worker.terminate();
    if (!isPerduraError(error) || error.code !== "storage_unavailable") throw error;
    const registry = uploadRegistry(uploadSteps(async () => (await opening).blobs, new TransferClient()));
    const opening: Promise<TaskHub> = openTaskHub({ name: HUB, registry });
    const hub = await opening;
    return { hub, isRunner: () => hub.status.role === "runner" };
  }
}
