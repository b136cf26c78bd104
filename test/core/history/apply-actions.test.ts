import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { InvalidArgumentError } from "../../../src/core/errors.ts";
import {
  completeOrchestrationAction,
  createDetachedWorkflowAction,
  createSubOrchestrationAction,
  createTimerAction,
  scheduleTaskAction,
  sendEntityMessageAction,
  sendEventAction,
  terminateOrchestrationAction,
} from "../../../src/core/protocol/actions.ts";
import { eventRaised, executionSuspended } from "../../../src/core/protocol/events.ts";
import {
  EngineInfoSchema,
  OrchestrationStatus,
  TraceContextSchema,
} from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { apply, kinds, payload, start, started, T0 } from "./states.ts";

const { COMPLETED, CONTINUED_AS_NEW, FAILED, RUNNING, TERMINATED } = OrchestrationStatus;
const parent = {
  taskScheduledId: 7,
  name: "parent",
  generation: 2,
  orchestrationInstance: { instanceId: "parent-id", executionId: "pe" },
};
const end = (status: OrchestrationStatus, more = {}) =>
  completeOrchestrationAction(3, { status, result: "42", ...more });

describe("a completion", () => {
  it("of an instance with a parent is one event and one message that answers the parent's task", () => {
    const state = started({ parent });
    apply(state, [end(COMPLETED)]);
    expect(kinds(state.newEvents)).toEqual(["orchestratorStarted", "executionStarted", "executionCompleted"]);
    expect(state.newEvents[2]?.eventId).toBe(3);
    const [message] = state.pendingMessages;
    expect([state.pendingMessages.length, message?.targetInstanceId, message?.generation]).toEqual([1, "parent-id", 2]);
    expect(message?.event.eventId).toBe(-1);
    expect(payload(message?.event, "subOrchestrationInstanceCompleted")).toMatchObject({
      taskScheduledId: 7,
      result: "42",
    });
  });

  it("of an instance without a parent sends nothing", () => {
    const state = started();
    apply(state, [end(COMPLETED)]);
    expect(state.pendingMessages).toEqual([]);
  });

  it("that is none of a success is a failure for the parent, with details also when it has none", () => {
    const failed = started({ parent });
    apply(failed, [end(FAILED, { failureDetails: { errorType: "E", errorMessage: "m" } })]);
    const failure = payload(failed.pendingMessages[0]?.event, "subOrchestrationInstanceFailed");
    expect(failure.failureDetails?.errorMessage).toBe("m");
    const terminated = started({ parent });
    apply(terminated, [end(TERMINATED)]);
    const details = payload(terminated.pendingMessages[0]?.event, "subOrchestrationInstanceFailed").failureDetails;
    expect(details?.errorMessage).toContain("TERMINATED");
    expect(details?.isNonRetriable).toBe(true);
  });

  it("is the first one; a second neither overrides it nor tells the parent again", () => {
    const state = started({ parent });
    apply(state, [end(COMPLETED), end(FAILED)]);
    expect([state.runtimeStatus, state.pendingMessages.length]).toEqual([COMPLETED, 1]);
  });
});

describe("continue as new", () => {
  const carried = eventRaised({ name: "e", input: "p" }, T0);
  const again = completeOrchestrationAction(5, {
    status: CONTINUED_AS_NEW,
    result: "new input",
    carryoverEvents: [carried],
  });

  it("replaces the state: a fresh start with the new input, then the carried events", async () => {
    const state = started({ parent, version: "2", tags: { a: "b" } });
    const engine = create(EngineInfoSchema, { formatVersion: 1 });
    expect(apply(state, [again], { customStatus: "s" }, { engine })).toBe(true);
    expect(kinds(state.newEvents)).toEqual(["orchestratorStarted", "executionStarted", "eventRaised"]);
    expect(payload(state.newEvents[0], "orchestratorStarted").engine?.formatVersion).toBe(1);
    const next = payload(state.newEvents[1], "executionStarted");
    expect(next).toMatchObject({ name: "main", version: "2", tags: { a: "b" }, input: "new input", generation: 1 });
    expect(next.orchestrationInstance).toMatchObject({ instanceId: "abc", executionId: "new-1" });
    expect(next.parentInstance?.taskScheduledId).toBe(7);
    expect([state.runtimeStatus, state.continuedAsNew, state.customStatus]).toEqual([RUNNING, true, "s"]);
    expect([state.pendingTasks, state.pendingTimers, state.pendingMessages]).toEqual([[], [], []]);
    expect([state.oldEvents.length, await state.input()]).toEqual([0, "new input"]);
  });

  it("drops tasks and timers of its turn and keeps messages that nobody answers", () => {
    const state = started();
    const task = scheduleTaskAction(0, { name: "a" });
    const timer = createTimerAction(1, { fireAt: T0 });
    const event = sendEventAction(2, { instanceId: "other", name: "e" });
    apply(state, [task, timer, event, again]);
    expect([state.pendingTasks, state.pendingTimers]).toEqual([[], []]);
    expect(state.pendingMessages.map(({ targetInstanceId }) => targetInstanceId)).toEqual(["other"]);
  });

  it("ends the turn: what comes after it is not applied", () => {
    const state = started();
    apply(state, [again, scheduleTaskAction(6, { name: "a" }), end(COMPLETED)]);
    expect([state.pendingTasks, state.isCompleted]).toEqual([[], false]);
  });

  it("lifts a suspension, and drops carried duplicates of the start", () => {
    const state = started();
    state.addEvent(executionSuspended({}, T0));
    apply(state, [completeOrchestrationAction(5, { status: CONTINUED_AS_NEW, carryoverEvents: [start(), carried] })]);
    expect(state.isSuspended).toBe(false);
    expect(kinds(state.newEvents)).toEqual(["orchestratorStarted", "executionStarted", "eventRaised"]);
  });

  it("begins a new trace, so that none grows without bound", () => {
    const state = started({ parentTraceContext: { traceParent: "00-aa-bb-01" } });
    apply(state, [again]);
    const { parentTraceContext } = payload(state.newEvents[1], "executionStarted");
    expect(parentTraceContext?.traceParent ?? "").not.toContain("00-aa");
  });
});

describe("timers", () => {
  it("are each an event and a pending firing, with name, time and id", () => {
    const state = started();
    apply(
      state,
      [0, 1, 2].map((id) => createTimerAction(id, { fireAt: T0 + id, name: `t${id}` })),
    );
    expect(kinds(state.newEvents).slice(2)).toEqual(["timerCreated", "timerCreated", "timerCreated"]);
    expect(payload(state.newEvents[3], "timerCreated").name).toBe("t1");
    expect(state.pendingTimers.map((event) => payload(event, "timerFired").timerId)).toEqual([0, 1, 2]);
    expect(payload(state.pendingTimers[2], "timerFired").fireAt).toEqual(
      payload(state.newEvents[4], "timerCreated").fireAt,
    );
  });

  it("keep what they are for", () => {
    const state = started();
    const origins = [
      { case: "externalEvent", value: { name: "e" } },
      { case: "activityRetry", value: { taskExecutionId: "t" } },
      { case: "childWorkflowRetry", value: { instanceId: "c" } },
    ] as const;
    apply(
      state,
      origins.map((origin, id) => createTimerAction(id, { fireAt: T0, origin, attempt: 2 })),
    );
    const created = state.newEvents.slice(2).map((event) => payload(event, "timerCreated"));
    expect(created.map(({ origin }) => origin.case)).toEqual(["externalEvent", "activityRetry", "childWorkflowRetry"]);
    expect(created[1]?.origin.value).toMatchObject({ taskExecutionId: "t" });
    expect(created[2]?.attempt).toBe(2);
  });

  it("without a time are refused", () => {
    const action = createTimerAction(0, { fireAt: T0 });
    if (action.orchestratorActionType.case === "createTimer") delete action.orchestratorActionType.value.fireAt;
    expect(() => apply(started(), [action])).toThrow(InvalidArgumentError);
  });
});

describe("a task", () => {
  it("is an event and the same event pending, with name, input, execution id and trace", () => {
    const state = started();
    const traceContext = create(TraceContextSchema, { traceParent: "00-aa-bb-01", traceState: "s" });
    const fields = { name: "a", input: "[1]", taskExecutionId: "tx", timeoutMs: 5, attempt: 2 };
    apply(state, [scheduleTaskAction(4, fields)], {}, { traceContext });
    expect(state.pendingTasks).toEqual([state.newEvents[2]]);
    expect(state.newEvents[2]?.eventId).toBe(4);
    expect(payload(state.newEvents[2], "taskScheduled")).toMatchObject({
      ...fields,
      parentTraceContext: { traceParent: "00-aa-bb-01" },
    });
  });
});

describe("a sub-orchestration", () => {
  it("is an event and a start for the child that names its parent, task and generation", () => {
    const state = started({ version: "9" });
    apply(state, [
      createSubOrchestrationAction(2, { name: "child", input: "i", instanceId: "kid", tags: { x: "y" }, version: "1" }),
    ]);
    expect(payload(state.newEvents[2], "subOrchestrationInstanceCreated")).toMatchObject({
      instanceId: "kid",
      name: "child",
    });
    const [message] = state.pendingMessages;
    expect([message?.targetInstanceId, message?.event.eventId]).toEqual(["kid", -1]);
    const child = payload(message?.event, "executionStarted");
    expect(child).toMatchObject({ name: "child", input: "i", version: "1", tags: { x: "y" } });
    expect(child.orchestrationInstance).toMatchObject({ instanceId: "kid", executionId: "new-1" });
    expect(child.parentInstance).toMatchObject({ taskScheduledId: 2, name: "main", version: "9", generation: 0 });
    expect(child.parentInstance?.orchestrationInstance).toMatchObject({ instanceId: "abc", executionId: "e1" });
  });

  it("without an id gets one of its parent's id and the action's, of any size", () => {
    const state = started();
    apply(
      state,
      [10, 0x12345].map((id) => createSubOrchestrationAction(id, { name: "child" })),
    );
    expect(state.pendingMessages.map(({ targetInstanceId }) => targetInstanceId)).toEqual(["abc:000a", "abc:12345"]);
  });

  it("of a later generation has another id, since the old child may still run", () => {
    const state = started({ generation: 0 });
    apply(state, [completeOrchestrationAction(0, { status: CONTINUED_AS_NEW })]);
    apply(state, [createSubOrchestrationAction(0, { name: "child" })]);
    expect(state.pendingMessages[0]?.targetInstanceId).toBe("abc:1:0000");
  });
});

describe("messages", () => {
  it("an event that is sent is in history and on its way", () => {
    const state = started();
    apply(state, [sendEventAction(1, { instanceId: "other", name: "e", data: "d" })]);
    const sent = payload(state.newEvents[2], "eventSent");
    expect([sent.instanceId, sent.name, sent.input, state.newEvents[2]?.eventId]).toEqual(["other", "e", "d", 1]);
    expect(state.pendingMessages).toEqual([{ targetInstanceId: "other", event: state.newEvents[2] }]);
  });

  it("a termination of another instance is a message and no event of history", () => {
    const state = started();
    apply(state, [terminateOrchestrationAction(1, { instanceId: "other", reason: "r", recurse: true })]);
    expect(state.newEvents.length).toBe(2);
    expect(payload(state.pendingMessages[0]?.event, "executionTerminated")).toMatchObject({
      input: "r",
      recurse: true,
    });
  });

  it("a detached orchestration is an event and a start without a parent, found by its instance id", () => {
    const state = started();
    const action = createDetachedWorkflowAction(1, {
      instanceId: "free",
      name: "n",
      input: "i",
      tags: { a: "b" },
      scheduledStart: T0,
    });
    apply(state, [action]);
    expect(payload(state.newEvents[2], "detachedWorkflowInstanceCreated").instanceId).toBe("free");
    const detached = payload(state.pendingMessages[0]?.event, "executionStarted");
    expect(detached).toMatchObject({ name: "n", input: "i", tags: { a: "b" } });
    expect(detached.parentInstance).toBeUndefined();
    expect(detached.orchestrationInstance).toMatchObject({ instanceId: "free", executionId: "new-1" });
    expect(detached.scheduledStartTimestamp).toBeDefined();
    expect(state.pendingMessages[0]?.event.router).toBeUndefined();
  });

  it("a detached orchestration needs an id and mints an execution id only where none is given", () => {
    expect(() => apply(started(), [createDetachedWorkflowAction(1, { instanceId: "", name: "n" })])).toThrow(
      "CreateDetachedWorkflowAction requires an instance ID",
    );
    const state = started();
    apply(state, [createDetachedWorkflowAction(1, { instanceId: "free", name: "n", executionId: "given" })]);
    const detached = payload(state.pendingMessages[0]?.event, "executionStarted");
    expect(detached.orchestrationInstance?.executionId).toBe("given");
  });

  it("an action that orchestrations cannot use is refused by name", () => {
    const action = sendEntityMessageAction(0, {
      case: "entityOperationSignaled",
      value: { requestId: "r", operation: "o" },
    });
    expect(() => apply(started(), [action])).toThrow(/unknown action type: sendEntityMessage/);
  });
});

describe("what a turn says beside its actions", () => {
  it("custom status is overwritten, also by nothing", () => {
    const state = started();
    apply(state, [], { customStatus: "s" });
    expect(state.customStatus).toBe("s");
    apply(state, []);
    expect(state.customStatus).toBeUndefined();
  });

  it("patches are kept with the turn that applied them first", () => {
    const state = started();
    apply(state, [], { patches: ["p1"] });
    apply(state, [], { patches: ["p2"] });
    expect(payload(state.newEvents[0], "orchestratorStarted").version?.patches).toEqual(["p1", "p2"]);
  });

  it("cancelled timers and tasks, and open event waits, are handed on", () => {
    const state = started();
    apply(state, [], { cancelledTimers: [1], cancelledTasks: [2], eventWaits: [{ name: "e", count: 1 }] });
    expect([state.cancelledTimers, state.cancelledTasks, state.eventWaits]).toEqual([
      [1],
      [2],
      [{ name: "e", count: 1 }],
    ]);
  });

  it("a dropped turn leaves nothing pending", () => {
    const state = started();
    apply(state, [scheduleTaskAction(0, { name: "a" }), createTimerAction(1, { fireAt: T0 })], {
      cancelledTimers: [9],
    });
    state.cancelPending();
    expect([state.newEvents, state.pendingTasks, state.pendingTimers, state.cancelledTimers]).toEqual([[], [], [], []]);
  });
});
