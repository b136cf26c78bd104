import { describe, expect, it } from "vitest";
import { EventNotRerunnableError, InvalidArgumentError } from "../../../src/core/errors.ts";
import { childIdsOf, forkForRerun, forkForRewind } from "../../../src/core/history/fork.ts";
import type { RerunRequest } from "../../../src/core/hub/backend.ts";
import {
  detachedCreated,
  eventRaised,
  executionCompleted,
  orchestratorStarted,
  subOrchestrationCompleted,
  subOrchestrationCreated,
  subOrchestrationFailed,
  taskCompleted,
  taskFailed,
  taskScheduled,
  timerCreated,
  timerFired,
} from "../../../src/core/protocol/events.ts";
import { type HistoryEvent, OrchestrationStatus } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { kinds, payload, start, T0 } from "./states.ts";

const failureDetails = { errorType: "E", errorMessage: "m" };
const turn = () => orchestratorStarted(T0);
const task = (id: number, input?: string) =>
  taskScheduled(id, { name: `a${id}`, taskExecutionId: `t${id}`, input }, T0);
const child = (id: number, instanceId = `abc:${id}`) => subOrchestrationCreated(id, { name: "c", instanceId }, T0);
const completed = (id: number, status: OrchestrationStatus = OrchestrationStatus.COMPLETED) =>
  executionCompleted(id, { status }, T0);

/** A chain of three activities. */
const chain: HistoryEvent[] = [
  turn(),
  start(),
  task(0, "zero"),
  turn(),
  taskCompleted(0, {}, T0),
  task(1, "one"),
  turn(),
  taskCompleted(1, {}, T0),
  task(2, "two"),
  turn(),
  taskCompleted(2, {}, T0),
  completed(3),
];

const rerun = (events: HistoryEvent[], eventId: number, more: Partial<RerunRequest> = {}) =>
  forkForRerun(events, { sourceInstanceId: "abc", eventId, ...more }, "new");

describe("a rerun", () => {
  it("keeps what came before the event's turn, and runs what that turn scheduled anew", () => {
    const fork = rerun(chain, 1);
    expect(kinds(fork.history)).toEqual(kinds(chain.slice(0, 6)));
    expect(fork.tasks.map(({ eventId }) => eventId)).toEqual([1]);
    expect([fork.inbound, fork.children]).toEqual([[], []]);
  });

  it("leaves the source's events as they are", () => {
    const fork = rerun(chain, 1, { overwriteInput: true, input: "other" });
    expect(payload(fork.history[5], "taskScheduled").input).toBe("other");
    expect(payload(chain[5], "taskScheduled").input).toBe("one");
  });

  it("clears the event's input when none is given to overwrite it with", () => {
    const fork = rerun(chain, 0, { overwriteInput: true });
    expect(payload(fork.history[2], "taskScheduled").input).toBeUndefined();
  });

  it("from a timer re-arms it, and takes no input", () => {
    const events = [
      turn(),
      start(),
      timerCreated(0, { fireAt: T0 }, T0),
      turn(),
      timerFired({ timerId: 0, fireAt: T0 }, T0),
      completed(1),
    ];
    expect(kinds(rerun(events, 0).history)).toEqual(["orchestratorStarted", "executionStarted", "timerCreated"]);
    expect(() => rerun(events, 0, { overwriteInput: true })).toThrow("cannot write input to timer event '0'");
    expect(() => rerun(events, 0, { newChildInstanceId: "x" })).toThrow(InvalidArgumentError);
  });

  it("starts unanswered children anew under ids of the new run, the event's own under a given one", () => {
    const events = [
      turn(),
      start(),
      child(0),
      child(1),
      turn(),
      subOrchestrationCompleted(0, {}, T0),
      subOrchestrationCompleted(1, {}, T0),
      completed(2),
    ];
    const ids = (fork: { readonly children: readonly HistoryEvent[] }) =>
      fork.children.map((event) => payload(event, "subOrchestrationInstanceCreated").instanceId);
    expect(ids(rerun(events, 1))).toEqual(["new:0000", "new:0001"]);
    expect(ids(rerun(events, 1, { newChildInstanceId: "given" }))).toEqual(["new:0000", "given"]);
  });

  it("keeps raised events that came before", () => {
    const events = [
      turn(),
      start(),
      task(0),
      turn(),
      eventRaised({ name: "e" }, T0),
      taskCompleted(0, {}, T0),
      task(1),
      turn(),
      taskCompleted(1, {}, T0),
      completed(2),
    ];
    expect(kinds(rerun(events, 1).history)).toContain("eventRaised");
  });

  it("refuses events that are not there, or from which nothing can begin", () => {
    expect(() => rerun(chain, 9)).toThrow(/does not have history event with ID '9'/);
    expect(() => rerun(chain, -1)).toThrow(EventNotRerunnableError);
    expect(() => rerun(chain, 3)).toThrow(/is not an event that can be rerun/);
    expect(() => rerun(chain, 0, { newChildInstanceId: "x" })).toThrow(/on activity event '0'/);
    const detached = [turn(), start(), detachedCreated(0, { instanceId: "d" }, T0), completed(1)];
    expect(() => rerun(detached, 0)).toThrow(InvalidArgumentError);
  });
});

describe("a rewind", () => {
  it("drops the turn that failed: its failed activity runs again, other results are delivered again", () => {
    const events = [
      turn(),
      start(),
      task(0),
      task(1),
      turn(),
      taskCompleted(0, {}, T0),
      taskFailed(1, { failureDetails }, T0),
      completed(2, OrchestrationStatus.FAILED),
    ];
    const fork = forkForRewind(events);
    expect(kinds(fork.history)).toEqual(["orchestratorStarted", "executionStarted", "taskScheduled", "taskScheduled"]);
    expect(kinds(fork.inbound)).toEqual(["taskCompleted"]);
    expect(fork.tasks.map(({ eventId }) => eventId)).toEqual([1]);
    expect(fork.failedChildren).toEqual([]);
  });

  it("names the children that failed", () => {
    const events = [
      turn(),
      start(),
      child(0),
      turn(),
      subOrchestrationFailed(0, { failureDetails }, T0),
      completed(1, OrchestrationStatus.FAILED),
    ];
    const fork = forkForRewind(events);
    expect([fork.failedChildren, fork.inbound]).toEqual([[0], []]);
  });

  it("of a failure in the first turn begins with the start", () => {
    const fork = forkForRewind([turn(), start(), completed(0, OrchestrationStatus.FAILED)]);
    expect([fork.history, kinds(fork.inbound)]).toEqual([[], ["executionStarted"]]);
  });

  it("delivers raised events of the failed turn again, and lets timers fire by themselves", () => {
    const events = [
      turn(),
      start(),
      timerCreated(0, { fireAt: T0 }, T0),
      turn(),
      eventRaised({ name: "e" }, T0),
      timerFired({ timerId: 0, fireAt: T0 }, T0),
      completed(1, OrchestrationStatus.FAILED),
    ];
    expect(kinds(forkForRewind(events).inbound)).toEqual(["eventRaised"]);
  });
});

describe("the children of a history", () => {
  it("are named once each", () => {
    expect(childIdsOf([child(0, "a"), child(1, "b"), child(2, "a")])).toEqual(["a", "b"]);
  });
});
