import { describe, expect, it } from "vitest";
import {
  describeWaiting,
  type OrchestrationMetadata,
  orchestrationMetadataIsComplete,
  orchestrationMetadataIsRunning,
  type WaitingOn,
} from "../../../src/core/hub/metadata.ts";

const at = new Date("2026-01-01T00:00:00.000Z");
const nothing: WaitingOn = { activities: [], timers: [], events: [], children: [] };
const activity = { id: 0, name: "charge", attempt: 1, scheduledAt: at, taskExecutionId: "t" };

function metadata(more: Partial<OrchestrationMetadata>): OrchestrationMetadata {
  return {
    instanceId: "abc",
    executionId: "e",
    generation: 0,
    name: "main",
    runtimeStatus: "RUNNING",
    createdAt: at,
    lastUpdatedAt: at,
    tags: {},
    waitingOn: nothing,
    ...more,
  };
}

const describing = (waitingOn: Partial<WaitingOn>, more: Partial<OrchestrationMetadata> = {}): string =>
  describeWaiting(metadata({ waitingOn: { ...nothing, ...waitingOn }, ...more }));

describe("the sentence that says what an instance waits for", () => {
  it("names events with their deadline, activities with count and attempt, timers and children", () => {
    expect(describing({ events: [{ name: "ok", since: at, deadline: at, count: 1 }] })).toBe(
      "waiting for event 'ok' until 2026-01-01T00:00:00.000Z",
    );
    expect(describing({ activities: [activity, { ...activity, id: 1, attempt: 2 }] })).toBe(
      "waiting for activity 'charge' x 2, attempt 2",
    );
    const retry = { id: 1, name: "charge-retry", fireAt: at, purpose: "activity-retry", nextAttempt: 2 } as const;
    expect(describing({ timers: [retry] })).toContain("retry (attempt 2) 'charge-retry' at 2026");
    expect(describing({ children: [{ id: 0, instanceId: "abc:0000", name: "c", since: at }] })).toContain("'abc:0000'");
  });

  it("does not name a time limit twice", () => {
    const timers = [{ id: 0, fireAt: at, purpose: "event-timeout" } as const];
    expect(describing({ timers, events: [{ name: "ok", since: at, count: 1 }] })).toBe("waiting for event 'ok'");
  });

  it("says why it is parked, that it is suspended, or that a turn is due", () => {
    const parked = { code: "not_registered", message: "no code for 'main'", since: at };
    expect(describing({ parked }, { runtimeStatus: "STALLED" })).toBe("parked: no code for 'main'");
    expect(describing({}, { runtimeStatus: "SUSPENDED" })).toBe("suspended");
    expect(describing({})).toBe("waiting for its next turn");
    expect(describing({}, { runtimeStatus: "PENDING" })).toBe("waiting for its first turn");
  });

  it("says how an ended one ended", () => {
    expect(describing({}, { runtimeStatus: "COMPLETED" })).toBe("completed");
    const failureDetails = { errorType: "E", errorMessage: "boom", isNonRetriable: false };
    expect(describing({}, { runtimeStatus: "FAILED", failureDetails })).toBe("failed: boom");
  });
});

describe("complete and running", () => {
  it("are opposites; what is pending, suspended or stalled runs", () => {
    for (const runtimeStatus of ["COMPLETED", "FAILED", "TERMINATED", "CANCELED"] as const) {
      expect(orchestrationMetadataIsComplete(metadata({ runtimeStatus }))).toBe(true);
    }
    for (const runtimeStatus of ["PENDING", "RUNNING", "SUSPENDED", "STALLED", "CONTINUED_AS_NEW"] as const) {
      expect(orchestrationMetadataIsRunning(metadata({ runtimeStatus }))).toBe(true);
    }
  });
});
