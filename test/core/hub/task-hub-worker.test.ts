import { describe, expect, it } from "vitest";
import { TaskHubExistsError } from "../../../src/core/errors.ts";
import type { Backend } from "../../../src/core/hub/backend.ts";
import { silentLogger } from "../../../src/core/hub/logger.ts";
import { newTaskHubWorker, type TaskHubWorker } from "../../../src/core/hub/task-hub-worker.ts";
import type { TaskWorker } from "../../../src/core/hub/task-worker.ts";
import type { ActivityWorkItem, OrchestrationWorkItem } from "../../../src/core/hub/work-item.ts";
import { partialBackend } from "./fakes.ts";

function recorded(methods: Partial<Backend> = {}): { readonly worker: TaskHubWorker; readonly calls: string[] } {
  const calls: string[] = [];
  const note = (call: string) => async (): Promise<void> => {
    calls.push(call);
  };
  const backend = partialBackend({
    createTaskHub: note("create"),
    start: note("start"),
    stop: note("stop"),
    ...methods,
  });
  const taskWorker = <T extends OrchestrationWorkItem | ActivityWorkItem>(name: string): TaskWorker<T> =>
    ({ start: () => calls.push(`${name} starts`), stopAndDrain: note(`${name} drains`) }) as unknown as TaskWorker<T>;
  const worker = newTaskHubWorker(
    backend,
    taskWorker<OrchestrationWorkItem>("orchestrations"),
    taskWorker<ActivityWorkItem>("activities"),
    silentLogger(),
  );
  return { worker, calls };
}

describe("a task hub worker", () => {
  it("creates the hub, starts the backend, then both workers, once each", async () => {
    const { worker, calls } = recorded();
    await worker.start();
    expect(calls).toEqual(["create", "start", "orchestrations starts", "activities starts"]);
  });

  it("goes on when the hub is there already", async () => {
    const { worker, calls } = recorded({ createTaskHub: () => Promise.reject(new TaskHubExistsError()) });
    await worker.start();
    expect(calls).toEqual(["start", "orchestrations starts", "activities starts"]);
  });

  it("throws what creation or start throws, and starts no worker then", async () => {
    const failure = new Error("no store");
    const { worker, calls } = recorded({ start: () => Promise.reject(failure) });
    await expect(worker.start()).rejects.toBe(failure);
    expect(calls).toEqual(["create"]);
  });

  it("stops the backend first, then drains both workers", async () => {
    const { worker, calls } = recorded();
    await worker.shutdown();
    expect(calls).toEqual(["stop", "orchestrations drains", "activities drains"]);
  });
});
