import { describe, expect, it, vi } from "vitest";
import {
  AbortedError,
  InstanceNotCompletedError,
  NotRegisteredError,
  PayloadNotSerializableError,
  WaitTimedOutError,
} from "../../../src/core/errors.ts";
import type { CreateInstanceOptions } from "../../../src/core/hub/backend.ts";
import type { OrchestrationMetadata } from "../../../src/core/hub/metadata.ts";
import { newTaskHubClient } from "../../../src/core/hub/task-hub-client.ts";
import { TaskRegistry } from "../../../src/core/orchestration/registry.ts";
import { TaskFailedError } from "../../../src/core/orchestration/task-failed-error.ts";
import type { HistoryEvent } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { payload } from "../history/states.ts";
import { partialBackend, T0 } from "./fakes.ts";

/** A hub that notes what it is sent, and whose instances never end. */
function recorded() {
  const starts: { start: HistoryEvent; options: CreateInstanceOptions | undefined }[] = [];
  const events: HistoryEvent[] = [];
  const hub = partialBackend({
    createOrchestrationInstance: async (start, options) => {
      starts.push({ start, options });
    },
    addNewOrchestrationEvent: async (_id, event) => {
      events.push(event);
    },
    watchOrchestrationRuntimeStatus: (_id, _condition, options) =>
      new Promise((_, reject) => {
        options?.signal?.addEventListener("abort", () => reject(new AbortedError()), { once: true });
      }),
  });
  const client = newTaskHubClient(hub, { now: () => T0, newUuid: () => "AAAA-BBBB" });
  return { client, hub, starts, events };
}

describe("a task hub client", () => {
  it("starts with a random id, the given one, or the idempotency key", async () => {
    const { client, starts } = recorded();
    expect(await client.scheduleNewOrchestration("main", { a: 1 })).toBe("AAAA-BBBB");
    expect(await client.scheduleNewOrchestration("main", 1, { instanceId: "mine", idempotencyKey: "k" })).toBe("mine");
    expect(await client.scheduleNewOrchestration("main", 1, { idempotencyKey: "k" })).toBe("k");
    const first = payload(starts[0]?.start, "executionStarted");
    expect([first.name, first.input, first.orchestrationInstance?.executionId]).toEqual([
      "main",
      '{"a":1}',
      "aaaabbbb",
    ]);
    expect(starts[2]?.options).toEqual({ idempotencyKey: "k" });
  });

  it("refuses a name that its registry does not know, at once", async () => {
    const { hub, starts } = recorded();
    const client = newTaskHubClient(hub, { registry: new TaskRegistry() });
    await expect(client.scheduleNewOrchestration("main")).rejects.toThrow(NotRegisteredError);
    expect(starts).toEqual([]);
  });

  it("refuses payloads that cannot be converted, everywhere alike", async () => {
    const { client, events } = recorded();
    for (const bad of [1n, () => 1]) {
      await expect(client.scheduleNewOrchestration("main", bad)).rejects.toThrow(PayloadNotSerializableError);
      await expect(client.raiseEvent("abc", "e", bad)).rejects.toThrow(PayloadNotSerializableError);
      await expect(client.terminateOrchestration("abc", { output: bad })).rejects.toThrow(PayloadNotSerializableError);
    }
    expect(events).toEqual([]);
  });

  it("terminates recursively unless told otherwise, and sends no empty reason", async () => {
    const { client, events } = recorded();
    await client.terminateOrchestration("abc", { output: 1 });
    await client.terminateOrchestration("abc", { recursive: false });
    await client.suspendOrchestration("abc", "");
    expect(events.slice(0, 2).map((event) => payload(event, "executionTerminated").recurse)).toEqual([true, false]);
    expect(payload(events[2], "executionSuspended").input).toBeUndefined();
  });

  it("gives a wait up after its time limit, or when its signal aborts", async () => {
    vi.useFakeTimers();
    try {
      const { client } = recorded();
      const timedOut = expect(client.waitForOrchestrationCompletion("abc", { timeout: "2s" })).rejects.toThrow(
        WaitTimedOutError,
      );
      await vi.advanceTimersByTimeAsync(2000);
      await timedOut;
      const controller = new AbortController();
      const wait = client.waitForOrchestrationStart("abc", { timeout: "2s", signal: controller.signal });
      const aborted = expect(wait).rejects.toThrow(AbortedError);
      controller.abort();
      await aborted;
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it("waits as long as it is told, also longer than a host's timer can", async () => {
    vi.useFakeTimers();
    try {
      const { client } = recorded();
      let isOver = false;
      const wait = client.waitForOrchestrationCompletion("abc", { timeout: "30d" }).catch(() => {
        isOver = true;
      });
      await vi.advanceTimersByTimeAsync(29 * 86_400_000);
      expect(isOver).toBe(false);
      await vi.advanceTimersByTimeAsync(86_400_000);
      await wait;
    } finally {
      vi.useRealTimers();
    }
  });

  it("answers an output as a value, and a failure as an error", () => {
    const { client } = recorded();
    const at = new Date(T0);
    const metadata = (more: Partial<OrchestrationMetadata>): OrchestrationMetadata =>
      ({ instanceId: "abc", name: "main", createdAt: at, lastUpdatedAt: at, ...more }) as OrchestrationMetadata;
    expect(client.outputOf(metadata({ runtimeStatus: "COMPLETED", output: '{"a":1}' }))).toEqual({ a: 1 });
    expect(() => client.outputOf(metadata({ runtimeStatus: "RUNNING" }))).toThrow(InstanceNotCompletedError);
    expect(() => client.outputOf(metadata({ runtimeStatus: "TERMINATED" }))).toThrow(TaskFailedError);
    expect(() => client.outputOf(metadata({ runtimeStatus: "COMPLETED", output: "{" }))).toThrow(
      PayloadNotSerializableError,
    );
  });
});
