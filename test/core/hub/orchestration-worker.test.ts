import { describe, expect, it } from "vitest";
import { InvalidArgumentError } from "../../../src/core/errors.ts";
import type { Backend } from "../../../src/core/hub/backend.ts";
import { silentLogger } from "../../../src/core/hub/logger.ts";
import { MAX_CONTINUE_AS_NEW_PER_TURN, newOrchestrationWorker } from "../../../src/core/hub/orchestration-worker.ts";
import type { TaskProcessor } from "../../../src/core/hub/task-worker.ts";
import type { OrchestrationWorkItem } from "../../../src/core/hub/work-item.ts";
import { completeOrchestrationAction, scheduleTaskAction } from "../../../src/core/protocol/actions.ts";
import {
  eventRaised,
  executionCompleted,
  executionTerminated,
  orchestratorStarted,
  subOrchestrationCreated,
  taskCompleted,
  taskScheduled,
} from "../../../src/core/protocol/events.ts";
import { OrchestrationStatus } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { kinds, payload } from "../history/states.ts";
import { partialBackend, ScriptedExecutor, start, stateOf, T0, turnItem } from "./fakes.ts";

const { COMPLETED, CONTINUED_AS_NEW, RUNNING, TERMINATED } = OrchestrationStatus;
const done = completeOrchestrationAction(1, { status: COMPLETED, result: "42" });
const again = completeOrchestrationAction(1, { status: CONTINUED_AS_NEW, result: "x" });
const terminated = (recurse = false) => executionTerminated({ input: "stop", recurse }, T0);

function processorOf(
  executor: ScriptedExecutor,
  methods: Partial<Backend> = {},
  options: { readonly now?: () => number; readonly maxPayloadBytes?: number } = {},
): TaskProcessor<OrchestrationWorkItem> {
  const backend = partialBackend({ getOrchestrationRuntimeState: async () => stateOf(), ...methods });
  return newOrchestrationWorker(backend, executor, silentLogger(), { now: () => T0 + 1000, ...options }).processor;
}

describe("a turn", () => {
  it("loads the state, adds a turn's beginning and the events, and asks the executor", async () => {
    const executor = new ScriptedExecutor({});
    const item = turnItem(start);
    await processorOf(executor).processWorkItem(item);
    expect(kinds(item.state?.newEvents ?? [])).toEqual(["orchestratorStarted", "executionStarted"]);
    expect([executor.turns.length, executor.turns[0]?.oldEvents.length]).toEqual([1, 0]);
    expect(payload(item.state?.newEvents[0], "orchestratorStarted").engine?.formatVersion).toBe(1);
  });

  it("that completes has the completion as its last event", async () => {
    const executor = new ScriptedExecutor({ actions: [done] });
    const item = turnItem(start);
    await processorOf(executor).processWorkItem(item);
    expect(kinds(item.state?.newEvents ?? [])).toEqual([
      "orchestratorStarted",
      "executionStarted",
      "executionCompleted",
    ]);
    expect([item.state?.runtimeStatus, executor.turns.length]).toEqual([COMPLETED, 1]);
  });

  it("can be processed again after a failure, and drops the repeated start", async () => {
    const executor = new ScriptedExecutor(new Error("dummy"), {});
    const item = turnItem(start);
    const processor = processorOf(executor);
    await expect(processor.processWorkItem(item)).rejects.toThrow("dummy");
    await processor.processWorkItem(item);
    expect(kinds(item.state?.newEvents ?? [])).toEqual([
      "orchestratorStarted",
      "executionStarted",
      "orchestratorStarted",
    ]);
  });

  it("drops a repeated result, with a word in the log", async () => {
    const executor = new ScriptedExecutor({});
    const history = [start, taskScheduled(0, { name: "a", taskExecutionId: "t" }, T0)];
    const item = turnItem(taskCompleted(0, {}, T0), taskCompleted(0, {}, T0));
    await processorOf(executor, { getOrchestrationRuntimeState: async () => stateOf(history) }).processWorkItem(item);
    expect(kinds(item.state?.newEvents ?? [])).toEqual(["orchestratorStarted", "taskCompleted"]);
  });

  it("of an ended or invalid instance runs no code and records nothing", async () => {
    const executor = new ScriptedExecutor();
    const ended = [start, executionCompleted(0, { status: COMPLETED }, T0)];
    const item = turnItem(eventRaised({ name: "e" }, T0));
    await processorOf(executor, { getOrchestrationRuntimeState: async () => stateOf(ended) }).processWorkItem(item);
    const startless = turnItem(eventRaised({ name: "e" }, T0));
    await processorOf(executor).processWorkItem(startless);
    expect([executor.turns.length, item.state?.newEvents, startless.state?.newEvents]).toEqual([0, [], []]);
  });

  it("has a time that never goes back, whatever the clock does", async () => {
    const executor = new ScriptedExecutor({});
    const history = [orchestratorStarted(T0 + 5000), start, orchestratorStarted(T0 + 9000)];
    const item = turnItem(eventRaised({ name: "e" }, T0));
    await processorOf(executor, { getOrchestrationRuntimeState: async () => stateOf(history) }).processWorkItem(item);
    expect(item.state?.newEvents[0]?.timestamp).toEqual(orchestratorStarted(T0 + 9000).timestamp);
  });

  it("that is abandoned makes the executor forget what it kept", async () => {
    const executor = new ScriptedExecutor();
    const processor = processorOf(executor, { abandonOrchestrationWorkItem: async () => undefined });
    await processor.abandonWorkItem(turnItem(start), new Error("x"));
    expect(executor.released).toEqual(["abc"]);
  });

  it("that ended lets go of the live orchestrator", async () => {
    const executor = new ScriptedExecutor({ actions: [done] });
    const processor = processorOf(executor, { completeOrchestrationWorkItem: async () => undefined });
    const item = turnItem(start);
    await processor.processWorkItem(item);
    await processor.completeWorkItem(item);
    expect(executor.released).toContain("abc");
  });
});

describe("continue as new", () => {
  it("goes on in the same turn, with the new generation's events", async () => {
    const executor = new ScriptedExecutor({ actions: [again] }, { actions: [done] });
    const item = turnItem(start);
    await processorOf(executor).processWorkItem(item);
    expect(executor.turns.map(({ oldEvents }) => oldEvents.length)).toEqual([0, 0]);
    expect([item.state?.generation, item.state?.runtimeStatus]).toEqual([1, COMPLETED]);
  });

  it("commits at the limit and leaves the rest to the next turn, rather than fail", async () => {
    const executor = new ScriptedExecutor(...Array.from({ length: 100 }, () => ({ actions: [again] })));
    const item = turnItem(start);
    await processorOf(executor).processWorkItem(item);
    expect(executor.turns.length).toBe(MAX_CONTINUE_AS_NEW_PER_TURN + 1);
    expect([item.state?.startPending, item.state?.generation]).toEqual([true, MAX_CONTINUE_AS_NEW_PER_TURN + 1]);
  });

  it("twenty times and then something else is one turn", async () => {
    const many = Array.from({ length: MAX_CONTINUE_AS_NEW_PER_TURN }, () => ({ actions: [again] }));
    const item = turnItem(start);
    await processorOf(new ScriptedExecutor(...many, { actions: [done] })).processWorkItem(item);
    expect([item.state?.runtimeStatus, item.state?.startPending]).toEqual([COMPLETED, false]);
  });
});

describe("a termination", () => {
  it("is forced when the executor does not heed it", async () => {
    const executor = new ScriptedExecutor({ actions: [scheduleTaskAction(0, { name: "a" })] });
    const item = turnItem(start, terminated());
    await processorOf(executor).processWorkItem(item);
    expect([item.state?.runtimeStatus, item.state?.output]).toEqual([TERMINATED, "stop"]);
    expect([item.state?.pendingTasks, item.state?.pendingMessages]).toEqual([[], []]);
  });

  it("beats a continue-as-new of the same turn", async () => {
    const executor = new ScriptedExecutor({ actions: [again] });
    const item = turnItem(start, terminated());
    await processorOf(executor).processWorkItem(item);
    expect([item.state?.runtimeStatus, executor.turns.length, item.state?.generation]).toEqual([TERMINATED, 1, 0]);
  });

  it("does not undo a completion of the same turn", async () => {
    const executor = new ScriptedExecutor({ actions: [done] });
    const item = turnItem(start, terminated());
    await processorOf(executor).processWorkItem(item);
    expect([item.state?.runtimeStatus, item.state?.output]).toEqual([COMPLETED, "42"]);
  });

  const child = (id: number, instanceId: string) => subOrchestrationCreated(id, { name: "c", instanceId }, T0);
  const withChildren = [start, child(0, "kid"), child(1, "kid 2"), child(2, "kid")];

  it("that recurses is sent on to every child once, with the same commit", async () => {
    const item = turnItem(terminated(true));
    const processor = processorOf(new ScriptedExecutor({}), {
      getOrchestrationRuntimeState: async () => stateOf(withChildren),
    });
    await processor.processWorkItem(item);
    expect(item.state?.pendingMessages.map(({ targetInstanceId }) => targetInstanceId)).toEqual(["kid", "kid 2"]);
    expect(payload(item.state?.pendingMessages[0]?.event, "executionTerminated")).toMatchObject({
      input: "stop",
      recurse: true,
    });
  });

  it("that recurses reaches the children of what has ended", async () => {
    const ended = [...withChildren, executionCompleted(3, { status: COMPLETED }, T0)];
    const item = turnItem(terminated(true));
    await processorOf(new ScriptedExecutor(), {
      getOrchestrationRuntimeState: async () => stateOf(ended),
    }).processWorkItem(item);
    expect(item.state?.pendingMessages.length).toBe(2);
    expect(item.state?.newEvents).toEqual([]);
  });

  it("that does not recurse is sent to nobody", async () => {
    const item = turnItem(terminated(false));
    const processor = processorOf(new ScriptedExecutor({}), {
      getOrchestrationRuntimeState: async () => stateOf(withChildren),
    });
    await processor.processWorkItem(item);
    expect([item.state?.pendingMessages, item.state?.runtimeStatus]).toEqual([[], TERMINATED]);
  });
});

describe("what an answer may not do", () => {
  it("a payload above the limit ends the instance as failed, whoever ran it", async () => {
    const executor = new ScriptedExecutor({ actions: [scheduleTaskAction(0, { name: "a", input: "x".repeat(100) })] });
    const item = turnItem(start);
    await processorOf(executor, {}, { maxPayloadBytes: 50 }).processWorkItem(item);
    expect(item.state?.failureDetails.errorType).toBe("PayloadTooLargeError");
    expect(item.state?.pendingTasks).toEqual([]);
  });

  it("a parked turn records nothing and says why", async () => {
    const parked = { code: "not_registered", message: "no code" };
    const item = turnItem(start);
    await processorOf(new ScriptedExecutor({ parked })).processWorkItem(item);
    expect([item.state?.parked, item.state?.newEvents]).toEqual([parked, []]);
  });

  it("a parked turn that brings a termination ends the instance", async () => {
    const parked = { code: "not_registered", message: "no code" };
    const item = turnItem(start, terminated());
    await processorOf(new ScriptedExecutor({ parked })).processWorkItem(item);
    expect([item.state?.parked, item.state?.runtimeStatus]).toEqual([undefined, TERMINATED]);
  });

  it("an unknown kind of action fails the turn, not the instance", async () => {
    const action = scheduleTaskAction(0, { name: "a" });
    action.orchestratorActionType = { case: undefined };
    const item = turnItem(start);
    await expect(processorOf(new ScriptedExecutor({ actions: [action] })).processWorkItem(item)).rejects.toThrow(
      InvalidArgumentError,
    );
    expect(item.state?.runtimeStatus).toBe(RUNNING);
  });
});
