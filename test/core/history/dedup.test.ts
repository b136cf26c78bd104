import { describe, expect, it } from "vitest";
import { ResolvedResults, resultKeyOf, resultKeyText } from "../../../src/core/history/dedup.ts";
import {
  eventRaised,
  subOrchestrationCompleted,
  subOrchestrationFailed,
  taskCompleted,
  taskFailed,
  timerFired,
} from "../../../src/core/protocol/events.ts";
import { T0 } from "./states.ts";

const failureDetails = { errorType: "E", errorMessage: "m" };

describe("the key of a result", () => {
  it("is the kind of work and the id of its action, whether it succeeded or failed", () => {
    expect(resultKeyOf(taskCompleted(1, {}, T0))).toEqual({ kind: "task", id: 1 });
    expect(resultKeyOf(taskFailed(1, { failureDetails }, T0))).toEqual({ kind: "task", id: 1 });
    expect(resultKeyOf(timerFired({ timerId: 2, fireAt: T0 }, T0))).toEqual({ kind: "timer", id: 2 });
    expect(resultKeyOf(subOrchestrationCompleted(3, {}, T0))).toEqual({ kind: "child", id: 3 });
    expect(resultKeyOf(subOrchestrationFailed(3, { failureDetails }, T0))).toEqual({ kind: "child", id: 3 });
  });

  it("is absent for events that resolve nothing", () => {
    expect(resultKeyOf(eventRaised({ name: "e" }, T0))).toBeUndefined();
  });

  it("differs between kinds of the same id", () => {
    const texts = (["task", "timer", "child"] as const).map((kind) => resultKeyText({ kind, id: 5 }));
    expect(new Set(texts).size).toBe(3);
  });
});

describe("resolved results", () => {
  it("take a key once", () => {
    const resolved = ResolvedResults.empty();
    expect([resolved.add({ kind: "task", id: 0 }), resolved.add({ kind: "task", id: 0 })]).toEqual([true, false]);
    expect(resolved.add({ kind: "timer", id: 0 })).toBe(true);
  });

  it("made from what is pending count every other id handed out as resolved", () => {
    const resolved = ResolvedResults.fromPending(10, [{ kind: "task", id: 4 }]);
    expect(resolved.add({ kind: "task", id: 3 })).toBe(false);
    expect(resolved.add({ kind: "timer", id: 4 })).toBe(false);
    expect([resolved.add({ kind: "task", id: 4 }), resolved.add({ kind: "task", id: 4 })]).toEqual([true, false]);
  });

  it("made from what is pending take results of ids that the turn itself hands out", () => {
    const resolved = ResolvedResults.fromPending(10, []);
    expect([resolved.add({ kind: "task", id: 10 }), resolved.add({ kind: "task", id: 10 })]).toEqual([true, false]);
  });
});
