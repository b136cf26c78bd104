import { equals } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  eventRaised,
  executionStarted,
  orchestratorStarted,
  taskCompleted,
  taskScheduled,
  timerCreated,
} from "../../../src/core/protocol/events.ts";
import { HistoryEventSchema } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { marshalHistoryEvent, unmarshalHistoryEvent } from "../../../src/core/protocol/marshal.ts";
import { timestampToMs } from "../../../src/core/protocol/timestamp.ts";
import { NOW, sampleEvents } from "./samples.ts";

describe("history event constructors", () => {
  it("exist for every kind of the model", () => {
    const kinds = HistoryEventSchema.oneofs.find((o) => o.localName === "eventType")?.fields.map((f) => f.localName);
    const made = new Set(sampleEvents().map((e) => e.eventType.case as string));
    expect(kinds?.filter((kind) => !made.has(kind))).toEqual([]);
  });

  it.each(sampleEvents().map((event) => [event.eventType.case, event] as const))(
    "make a %s that survives its bytes unchanged",
    (_, event) => {
      expect(equals(HistoryEventSchema, unmarshalHistoryEvent(marshalHistoryEvent(event)), event)).toBe(true);
    },
  );

  it("give -1 to events that record no action, and the action's id to the others", () => {
    expect(executionStarted({ name: "A", instanceId: "i" }, NOW).eventId).toBe(-1);
    expect(taskCompleted(4, {}, NOW).eventId).toBe(-1);
    expect(eventRaised({ name: "e" }, NOW).eventId).toBe(-1);
    expect(taskScheduled(4, { name: "a", taskExecutionId: "t" }, NOW).eventId).toBe(4);
    expect(timerCreated(0, { fireAt: NOW }, NOW).eventId).toBe(0);
  });

  it("stamp the event with the time they are given", () => {
    for (const event of sampleEvents()) {
      expect(event.timestamp === undefined ? 0 : timestampToMs(event.timestamp)).toBeGreaterThanOrEqual(NOW);
    }
  });

  it("leave optional fields unset when they are undefined", () => {
    const input: string | undefined = undefined;
    const event = executionStarted({ name: "A", instanceId: "i", input, tags: undefined, generation: undefined }, NOW);
    const bare = executionStarted({ name: "A", instanceId: "i" }, NOW);
    expect(marshalHistoryEvent(event)).toEqual(marshalHistoryEvent(bare));
    if (event.eventType.case !== "executionStarted") throw new Error("unexpected kind");
    expect(event.eventType.value.input).toBeUndefined();
    expect(event.eventType.value.tags).toEqual({});
  });

  it("tell an empty input from none", () => {
    const empty = unmarshalHistoryEvent(marshalHistoryEvent(eventRaised({ name: "e", input: "" }, NOW)));
    const none = unmarshalHistoryEvent(marshalHistoryEvent(eventRaised({ name: "e" }, NOW)));
    expect(empty.eventType.value).toMatchObject({ input: "" });
    expect(none.eventType.case === "eventRaised" && none.eventType.value.input).toBeUndefined();
  });

  it("refuse a time that no timestamp can hold", () => {
    expect(() => orchestratorStarted(Number.NaN)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
    expect(() => timerCreated(0, { fireAt: Number.POSITIVE_INFINITY }, NOW)).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  });
});
