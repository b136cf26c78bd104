import { describe, expect, it } from "vitest";
import {
  ActivityWorkItem,
  abandonDelayMs,
  getActivityExecutionKey,
  OrchestrationWorkItem,
} from "../../../src/core/hub/work-item.ts";
import { taskScheduled } from "../../../src/core/protocol/events.ts";
import { start, T0 } from "./fakes.ts";

describe("work items", () => {
  it("come again at once the first time, then a second later each time, and five minutes later past a hundred", () => {
    expect([-1, 0, 1, 2, 100, 101].map(abandonDelayMs)).toEqual([0, 0, 1000, 2000, 100_000, 300_000]);
  });

  it("say in short what they are", () => {
    const turn = new OrchestrationWorkItem({ instanceId: "abc", lockedBy: "me", newEvents: [start] });
    expect(turn.toString()).toBe("abc (1 event(s))");
    const newEvent = taskScheduled(7, { name: "charge", taskExecutionId: "t" }, T0);
    const activity = new ActivityWorkItem({
      instanceId: "abc",
      lockedBy: "me",
      newEvent,
      sequenceNumber: 1,
      retryCount: 3,
    });
    expect([activity.toString(), activity.abandonDelay]).toEqual(["abc/charge#7", 3000]);
  });

  it("of activities have a key by instance and task", () => {
    expect(getActivityExecutionKey("abc", 7)).toBe("abc/7");
  });
});
