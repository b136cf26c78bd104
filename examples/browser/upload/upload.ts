import {
  defineEvent,
  defineOrchestrator,
  type EventReference,
  type OrchestrationContext,
  type OrchestratorReference,
  type Task,
  TaskRegistry,
} from "perdura";
import type { Declaration, Progress, UploadRequest, UploadResult } from "./model.ts";
import { declarationOf, type UploadSteps } from "./steps.ts";

/** A person agrees: the upload is finished. It may come before anything asks for it. */
export const confirm: EventReference<void> = defineEvent("confirm");

/** A person changed their mind: what was sent is deleted, and so is the kept file. */
export const cancel: EventReference<void> = defineEvent("cancel");

/** The orchestrator's name. */
export const UPLOAD = "upload";

/** How many chunks are on their way at once. */
const WIDTH = 3;

/** How often the Worker may lose what it was sent before that counts as a failure. */
const MAX_PASSES = 3;

class Cancelled extends Error {}

/** Sends a kept file to the Worker, waits for a person to confirm, and has it finished. The instance's id is the file's. */
function uploadOrchestrator(steps: UploadSteps): OrchestratorReference<UploadRequest, UploadResult> {
  return defineOrchestrator(UPLOAD, async (ctx, file: UploadRequest): Promise<UploadResult> => {
    const run = new UploadRun(ctx, steps);
    try {
      return await run.upload(file);
    } catch (error) {
      if (!(error instanceof Cancelled)) throw error;
      return await run.compensate();
    }
  });
}

/** One run of the orchestrator. */
class UploadRun {
  readonly #ctx: OrchestrationContext;
  readonly #steps: UploadSteps;
  readonly #cancelled: Task<void>;
  #progress: Progress = { phase: "hashing", sent: 0, chunks: 0 };

  constructor(ctx: OrchestrationContext, steps: UploadSteps) {
    this.#ctx = ctx;
    this.#steps = steps;
    this.#cancelled = ctx.waitForExternalEvent(cancel);
  }

  async upload({ name, bytes }: UploadRequest): Promise<UploadResult> {
    const { instanceId } = this.#ctx;
    this.#report({ phase: "hashing" });
    const sha256 = await this.#unlessCancelled(this.#ctx.callActivity(this.#steps.hash, instanceId));
    this.#report({ sha256 });
    let confirmed: Task<void> | undefined;
    for (let pass = 1; pass <= MAX_PASSES; pass++) {
      if (!(await this.#sendAll(declarationOf(name, bytes, sha256)))) continue;
      this.#report({ phase: "awaiting confirmation" });
      confirmed ??= this.#ctx.waitForExternalEvent(confirm);
      await this.#unlessCancelled(confirmed);
      this.#report({ phase: "finishing" });
      if (!(await this.#unlessCancelled(this.#ctx.callActivity(this.#steps.finish, instanceId)))) continue;
      await this.#ctx.callActivity(this.#steps.forget, instanceId);
      this.#report({ phase: "stored" });
      return { status: "stored", bytes, sha256 };
    }
    throw new Error(`the Worker lost the file ${MAX_PASSES} times: try again later`);
  }

  /** Undoes what was done, and says so. */
  async compensate(): Promise<UploadResult> {
    this.#report({ phase: "cancelling" });
    await this.#ctx.callActivity(this.#steps.discard, this.#ctx.instanceId);
    await this.#ctx.callActivity(this.#steps.forget, this.#ctx.instanceId);
    this.#report({ phase: "cancelled" });
    return { status: "cancelled" };
  }

  /** Sends what the Worker does not have, a few chunks at once. False: it lost the transfer meanwhile. */
  async #sendAll(declaration: Declaration): Promise<boolean> {
    const { instanceId: id } = this.#ctx;
    const { chunkBytes } = declaration;
    this.#report({ phase: "declaring" });
    const transfer = await this.#unlessCancelled(this.#ctx.callActivity(this.#steps.declare, { id, ...declaration }));
    const { chunks, missing } = transfer;
    let sent = chunks - missing.length;
    this.#report({ phase: "sending", sent, chunks });
    const queue = [...missing];
    let underway: Task<boolean>[] = [];
    try {
      while (queue.length + underway.length > 0) {
        for (const index of queue.splice(0, WIDTH - underway.length)) {
          underway.push(this.#ctx.callActivity(this.#steps.send, { id, index, chunkBytes }));
        }
        await this.#unlessCancelled(this.#ctx.whenAny(underway));
        const ended = underway.filter(({ isComplete }) => isComplete);
        underway = underway.filter(({ isComplete }) => !isComplete);
        if (ended.some(({ result }) => !result)) return false;
        sent += ended.length;
        this.#report({ sent });
      }
      return true;
    } finally {
      for (const task of underway) task.cancel();
    }
  }

  async #unlessCancelled<T>(task: Task<T>): Promise<T> {
    await this.#ctx.whenAny([this.#cancelled, task]);
    if (!this.#cancelled.isComplete) return task.result;
    task.cancel();
    throw new Cancelled();
  }

  #report(news: Partial<Progress>): void {
    this.#progress = { ...this.#progress, ...news };
    this.#ctx.setCustomStatus(this.#progress);
  }
}

/** All code that the hub runs. */
export function uploadRegistry(steps: UploadSteps): TaskRegistry {
  return new TaskRegistry().add(uploadOrchestrator(steps), ...Object.values(steps));
}
