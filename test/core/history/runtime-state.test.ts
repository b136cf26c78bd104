import { describe, expect, it } from "vitest";
import {
  DuplicateEventError,
  InstanceNotCompletedError,
  NoFailureDetailsError,
  NotStartedError,
} from "../../../src/core/errors.ts";
import { OrchestrationRuntimeState } from "../../../src/core/history/runtime-state.ts";
import {
  eventRaised,
  executionCompleted,
  executionResumed,
  executionStalled,
  executionSuspended,
  executionTerminated,
  subOrchestrationFailed,
  taskCompleted,
  taskFailed,
  timerFired,
} from "../../../src/core/protocol/events.ts";
import { OrchestrationStatus, StalledReason } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { kinds, start, started, T0 } from "./states.ts";

const { COMPLETED, FAILED, PENDING, RUNNING, STALLED, SUSPENDED } = OrchestrationStatus;
const failureDetails = { errorType: "E", errorMessage: "m" };
const completed = () => executionCompleted(0, { status: COMPLETED, result: "done" }, T0 + 5000);
const stalled = (description = "why") =>
  executionStalled({ reason: StalledReason.VERSION_NOT_AVAILABLE, description }, T0);

describe("a runtime state", () => {
  it("of a new orchestration runs, and knows its name, input and time", async () => {
    const state = OrchestrationRuntimeState.fromHistory("abc", [start()]);
    expect([state.instanceId, state.name, await state.input(), state.createdTimeMs]).toEqual(["abc", "main", "1", T0]);
    expect(state.runtimeStatus).toBe(RUNNING);
    expect(() => state.completedTime).toThrow(InstanceNotCompletedError);
    expect(() => state.output).toThrow(InstanceNotCompletedError);
    expect([state.oldEvents.length, state.newEvents.length]).toEqual([1, 0]);
    expect(state.toString()).toBe("abc:RUNNING");
  });

  it("of an ended orchestration has its times, its output, and its events in order", async () => {
    const state = OrchestrationRuntimeState.fromHistory("abc", [start(), completed()]);
    expect([state.createdTimeMs, state.completedTime, state.lastUpdatedTimeMs]).toEqual([T0, T0 + 5000, T0 + 5000]);
    expect([state.runtimeStatus, state.output]).toEqual([COMPLETED, "done"]);
    expect(kinds(await state.oldEvents.read())).toEqual(["executionStarted", "executionCompleted"]);
    expect(() => state.failureDetails).toThrow(NoFailureDetailsError);
  });

  it("that has not started is pending, and answers nothing else", async () => {
    const state = OrchestrationRuntimeState.fromHistory("abc", []);
    expect(state.runtimeStatus).toBe(PENDING);
    expect(() => state.name).toThrow(NotStartedError);
    await expect(state.input()).rejects.toThrow(NotStartedError);
  });

  it("is valid when it is empty or has a start, and not otherwise", () => {
    expect(OrchestrationRuntimeState.fromHistory("abc", []).isValid).toBe(true);
    expect(OrchestrationRuntimeState.fromHistory("abc", [start()]).isValid).toBe(true);
    expect(OrchestrationRuntimeState.fromHistory("abc", [taskCompleted(1, {}, T0)]).isValid).toBe(false);
  });

  it("shows the end also when it was suspended at the time", () => {
    const state = OrchestrationRuntimeState.fromHistory("abc", [start(), executionSuspended({}, T0)]);
    expect(state.runtimeStatus).toBe(SUSPENDED);
    state.addEvent(executionCompleted(0, { status: FAILED, failureDetails }, T0));
    expect(state.runtimeStatus).toBe(FAILED);
    expect(state.failureDetails.errorMessage).toBe("m");
  });

  it("takes suspend and resume any number of times, and terminate as a mere event", () => {
    const state = started();
    state.addEvents([executionSuspended({}, T0), executionSuspended({}, T0), executionResumed({}, T0)]);
    expect(state.isSuspended).toBe(false);
    state.addEvent(executionTerminated({ recurse: false }, T0));
    expect(state.runtimeStatus).toBe(RUNNING);
  });
});

describe("duplicates", () => {
  it("a second start and a second completion are refused and change nothing", () => {
    const state = started();
    const before = state.lastUpdatedTimeMs;
    expect(() => state.addEvent(start({ name: "other" }))).toThrow(DuplicateEventError);
    state.addEvent(completed());
    const second = executionCompleted(1, { status: FAILED }, T0 + 9000);
    expect(() => state.addEvent(second)).toThrow(/duplicate event/);
    expect([state.name, state.output, state.newEvents.length, before]).toEqual(["main", "done", 3, T0]);
    expect(state.lastUpdatedTimeMs).toBe(T0 + 5000);
  });

  it("the first result of some work wins, whatever the second one is", () => {
    const state = started();
    state.addEvent(taskCompleted(3, {}, T0));
    expect(() => state.addEvent(taskCompleted(3, {}, T0))).toThrow(DuplicateEventError);
    expect(() => state.addEvent(taskFailed(3, { failureDetails }, T0))).toThrow(DuplicateEventError);
    state.addEvent(timerFired({ timerId: 3, fireAt: T0 }, T0));
    expect(() => state.addEvent(timerFired({ timerId: 3, fireAt: T0 }, T0))).toThrow(DuplicateEventError);
    state.addEvent(subOrchestrationFailed(3, { failureDetails }, T0));
    state.addEvent(taskCompleted(4, {}, T0));
  });

  it("results are compared with history, and history drops its own duplicates silently", () => {
    const history = [start(), taskCompleted(0, {}, T0), taskFailed(0, { failureDetails }, T0), start()];
    const state = OrchestrationRuntimeState.fromHistory("abc", history);
    expect(state.oldEvents.length).toBe(2);
    expect(() => state.addEvent(taskCompleted(0, {}, T0))).toThrow(DuplicateEventError);
  });

  it("many events are added with one error for each that was refused", () => {
    const state = started();
    const errors = state.addEvents([
      taskCompleted(0, {}, T0),
      taskCompleted(0, {}, T0),
      eventRaised({ name: "e" }, T0),
    ]);
    expect(errors.map((error) => error?.code)).toEqual([undefined, "duplicate_event", undefined]);
    expect(kinds(state.newEvents).slice(2)).toEqual(["taskCompleted", "eventRaised"]);
  });
});

describe("a stall", () => {
  it("shows with its reason, from new events and from old ones", () => {
    const state = OrchestrationRuntimeState.fromHistory("abc", [start(), stalled()]);
    expect(state.runtimeStatus).toBe(STALLED);
    expect(state.stalled).toEqual({ reason: StalledReason.VERSION_NOT_AVAILABLE, description: "why" });
    expect(OrchestrationRuntimeState.fromHistory("abc", [stalled()]).runtimeStatus).toBe(STALLED);
  });

  it("is over as soon as anything else happens, in history too", () => {
    const state = started();
    state.addEvent(stalled());
    state.addEvent(eventRaised({ name: "e" }, T0));
    expect(state.stalled).toBeUndefined();
    const history = [start(), stalled(), eventRaised({ name: "e" }, T0)];
    expect(OrchestrationRuntimeState.fromHistory("abc", history).stalled).toBeUndefined();
  });

  it("is replaced by a later one, and kept when a duplicate is refused", () => {
    const state = started();
    state.addEvent(taskCompleted(0, {}, T0));
    state.addEvent(stalled("first"));
    state.addEvent(stalled("second"));
    expect(() => state.addEvent(taskCompleted(0, {}, T0))).toThrow(DuplicateEventError);
    expect(() => state.addEvent(start())).toThrow(DuplicateEventError);
    expect(state.stalled?.description).toBe("second");
  });

  it("gives way to the end", () => {
    const state = OrchestrationRuntimeState.fromHistory("abc", [start(), completed(), stalled()]);
    expect(state.runtimeStatus).toBe(COMPLETED);
  });
});
