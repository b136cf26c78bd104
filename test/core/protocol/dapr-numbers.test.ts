import {
  type DescField,
  type DescMessage,
  fromBinary,
  type JsonValue,
  type Message,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { orchestratorStarted, taskScheduled } from "../../../src/core/protocol/events.ts";
import * as backend from "../../../src/core/protocol/gen/dapr/backend_service_pb.ts";
import * as dapr from "../../../src/core/protocol/gen/dapr/orchestrator_service_pb.ts";
import * as runtime from "../../../src/core/protocol/gen/dapr/runtime_state_pb.ts";
import * as model from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { NOW, sampleActions, sampleEvents } from "./samples.ts";

/** Numbers from here on are not Dapr's. */
const FIRST_FOREIGN_NUMBER = 1000;
const OPTIONS = { enumAsInteger: true };

/** The JSON of a message without the fields that Dapr does not have. */
function daprJson(desc: DescMessage, message: Message): JsonValue {
  return prune(desc, toJson(desc, message, OPTIONS));
}

function prune(desc: DescMessage, json: JsonValue | undefined): JsonValue {
  if (desc.typeName.startsWith("google.protobuf.") || json === undefined) return json ?? null;
  const result: { [name: string]: JsonValue } = {};
  const source = json as { [name: string]: JsonValue };
  for (const field of desc.fields) {
    const value = source[field.jsonName];
    if (value === undefined || field.number >= FIRST_FOREIGN_NUMBER) continue;
    if (field.fieldKind === "message") result[field.jsonName] = prune(field.message, value);
    else if (field.fieldKind === "list" && field.listKind === "message") {
      result[field.jsonName] = (value as JsonValue[]).map((item) => prune(field.message, item));
    } else result[field.jsonName] = value;
  }
  return result;
}

/** What of a field decides about its bytes. */
function wireShape(field: DescField): string {
  const of = "scalar" in field && field.scalar !== undefined ? `scalar ${field.scalar}` : "";
  const kind = field.fieldKind === "list" ? `list of ${field.listKind}` : field.fieldKind;
  const key = field.fieldKind === "map" ? `${field.mapKey}/${field.mapKind}` : "";
  const type = field.message?.typeName.split(".").at(-1) ?? field.enum?.name ?? "";
  return `${field.number} ${kind} ${of} ${key} ${type} ${field.oneof?.localName.toLowerCase() ?? ""}`;
}

/** Message types of the model that Dapr has under the same name, with those of Dapr. */
const shared: [DescMessage, DescMessage][] = [];
const theirs = new Map<string, DescMessage>(
  [...Object.values(dapr), ...Object.values(runtime), ...Object.values(backend)]
    .filter((value): value is typeof value & DescMessage => (value as { kind?: string }).kind === "message")
    .map((desc) => [desc.name, desc]),
);
for (const value of Object.values(model)) {
  const desc = value as unknown as DescMessage;
  if (desc.kind !== "message") continue;
  const other = theirs.get(desc.name);
  if (other !== undefined) shared.push([desc, other]);
}

describe("the model's numbers", () => {
  it("cover the messages that both sides know", () => {
    expect(shared.length).toBeGreaterThan(60);
  });

  it.each(shared.map(([ours, other]) => [ours.name, ours, other] as const))(
    "give every Dapr field of %s its number, type and oneof",
    (_, ours, other) => {
      const mine = ours.fields.filter((field) => field.number < FIRST_FOREIGN_NUMBER).map(wireShape);
      expect(mine.sort()).toEqual(other.fields.map(wireShape).sort());
    },
  );

  it.each([
    ["OrchestrationStatus", model.OrchestrationStatusSchema, dapr.OrchestrationStatusSchema],
    ["StalledReason", model.StalledReasonSchema, dapr.StalledReasonSchema],
    ["HistoryPropagationScope", model.HistoryPropagationScopeSchema, dapr.HistoryPropagationScopeSchema],
    ["CreateOrchestrationAction", model.CreateOrchestrationActionSchema, dapr.CreateOrchestrationActionSchema],
  ] as const)("give the values of %s Dapr's numbers", (_, ours, other) => {
    const pairs = (desc: typeof ours | typeof other) => desc.values.map((v) => [v.localName, v.number]);
    expect(pairs(ours)).toEqual(pairs(other));
  });
});

describe("a Dapr decoder", () => {
  it.each(sampleEvents().map((event) => [event.eventType.case, event] as const))(
    "reads our %s to the same values",
    (kind, event) => {
      const read = fromBinary(dapr.HistoryEventSchema, toBinary(model.HistoryEventSchema, event));
      expect(toJson(dapr.HistoryEventSchema, read, OPTIONS)).toEqual(daprJson(model.HistoryEventSchema, event));
      expect(read.eventType.case).toBe(kind === "executionRewound" ? undefined : kind);
    },
  );

  it.each(sampleActions().map((action) => [action.orchestratorActionType.case, action] as const))(
    "reads our %s to the same values",
    (kind, action) => {
      const read = fromBinary(dapr.OrchestratorActionSchema, toBinary(model.OrchestratorActionSchema, action));
      expect(toJson(dapr.OrchestratorActionSchema, read, OPTIONS)).toEqual(
        daprJson(model.OrchestratorActionSchema, action),
      );
      expect(read.orchestratorActionType.case).toBe(kind === "rewindOrchestration" ? undefined : kind);
    },
  );

  it("reads a task and its start exactly as they are written down here", () => {
    const event = taskScheduled(
      5,
      { name: "Charge", input: "1", taskExecutionId: "t", timeoutMs: 9, attempt: 1, tags: { a: "b" } },
      NOW,
    );
    const read = fromBinary(dapr.HistoryEventSchema, toBinary(model.HistoryEventSchema, event));
    expect(toJson(dapr.HistoryEventSchema, read)).toEqual({
      eventId: 5,
      timestamp: "2023-11-14T22:13:20.123Z",
      taskScheduled: { name: "Charge", input: "1", taskExecutionId: "t" },
    });
  });

  it("loses nothing of ours when it writes what it read", () => {
    for (const event of sampleEvents()) {
      const bytes = toBinary(model.HistoryEventSchema, event);
      const relayed = toBinary(dapr.HistoryEventSchema, fromBinary(dapr.HistoryEventSchema, bytes));
      const back = fromBinary(model.HistoryEventSchema, relayed);
      expect(toJson(model.HistoryEventSchema, back)).toEqual(toJson(model.HistoryEventSchema, event));
    }
  });
});

describe("the model", () => {
  it("reads Dapr's events to the same values", () => {
    for (const event of sampleEvents()) {
      const sent = fromBinary(dapr.HistoryEventSchema, toBinary(model.HistoryEventSchema, event), {
        readUnknownFields: false,
      });
      const read = fromBinary(model.HistoryEventSchema, toBinary(dapr.HistoryEventSchema, sent));
      expect(toJson(model.HistoryEventSchema, read, OPTIONS)).toEqual(toJson(dapr.HistoryEventSchema, sent, OPTIONS));
    }
  });

  it("reads Dapr's actions to the same values", () => {
    for (const action of sampleActions()) {
      const sent = fromBinary(dapr.OrchestratorActionSchema, toBinary(model.OrchestratorActionSchema, action), {
        readUnknownFields: false,
      });
      const read = fromBinary(model.OrchestratorActionSchema, toBinary(dapr.OrchestratorActionSchema, sent));
      expect(toJson(model.OrchestratorActionSchema, read, OPTIONS)).toEqual(
        toJson(dapr.OrchestratorActionSchema, sent, OPTIONS),
      );
    }
  });

  it("reads the bytes that a Dapr peer would send, written out by hand", () => {
    // eventId -1, timestamp { seconds 1 }, orchestratorStarted { version { patches "p" } }
    const minusOne = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    const bytes = new Uint8Array([...minusOne, 0x12, 0x02, 0x08, 0x01, 0x72, 0x05, 0x0a, 0x03, 0x0a, 0x01, 0x70]);
    const expected = orchestratorStarted(1000, { version: { patches: ["p"] } });
    expect(toJson(model.HistoryEventSchema, fromBinary(model.HistoryEventSchema, bytes))).toEqual(
      toJson(model.HistoryEventSchema, expected),
    );
    expect(toBinary(model.HistoryEventSchema, expected)).toEqual(bytes);
  });
});
