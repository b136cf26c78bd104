import { equals, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  HistoryEventSchema,
  OrchestratorActionSchema,
} from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import {
  EnvelopeSchema,
  IndexEntrySchema,
  InstanceRecordSchema,
} from "../../../src/core/protocol/gen/perdura/model/v1/store_pb.ts";
import {
  marshalEnvelope,
  marshalHistoryEvent,
  marshalRecord,
  marshalSegment,
  unmarshalEnvelope,
  unmarshalHistoryEvent,
  unmarshalRecord,
  unmarshalSegment,
} from "../../../src/core/protocol/marshal.ts";
import { fuzzing } from "./fuzzing.ts";
import { casesOf, messages } from "./messages.ts";

const RUNS = fuzzing(60);

describe("what is stored comes back as it was", () => {
  it.each(casesOf(HistoryEventSchema, "eventType"))("every %s event", (kind) => {
    fc.assert(
      fc.property(messages(HistoryEventSchema, { eventType: kind }), (event) => {
        expect(event.eventType.case).toBe(kind);
        expect(equals(HistoryEventSchema, unmarshalHistoryEvent(marshalHistoryEvent(event)), event)).toBe(true);
      }),
      RUNS,
    );
  });

  it.each(casesOf(OrchestratorActionSchema, "orchestratorActionType"))("every %s action", (kind) => {
    fc.assert(
      fc.property(messages(OrchestratorActionSchema, { orchestratorActionType: kind }), (action) => {
        const back = fromBinary(OrchestratorActionSchema, toBinary(OrchestratorActionSchema, action));
        expect(back.orchestratorActionType.case).toBe(kind);
        expect(equals(OrchestratorActionSchema, back, action)).toBe(true);
      }),
      RUNS,
    );
  });

  it("every record, envelope and index entry", () => {
    fc.assert(
      fc.property(
        messages(InstanceRecordSchema),
        messages(EnvelopeSchema),
        messages(IndexEntrySchema),
        (record, envelope, entry) => {
          expect(equals(InstanceRecordSchema, unmarshalRecord(marshalRecord(record)), record)).toBe(true);
          expect(equals(EnvelopeSchema, unmarshalEnvelope(marshalEnvelope(envelope)), envelope)).toBe(true);
          const back = fromBinary(IndexEntrySchema, toBinary(IndexEntrySchema, entry));
          expect(equals(IndexEntrySchema, back, entry)).toBe(true);
        },
      ),
      RUNS,
    );
  });

  it("the bytes of two segments, one after the other, are those of the joined one", () => {
    const runs = fc.array(messages(HistoryEventSchema), { maxLength: 4 });
    fc.assert(
      fc.property(runs, runs, (one, other) => {
        const joined = unmarshalSegment(new Uint8Array([...marshalSegment(one), ...marshalSegment(other)]));
        expect(joined).toHaveLength(one.length + other.length);
        expect(
          joined.every((event, index) => equals(HistoryEventSchema, event, [...one, ...other][index] as never)),
        ).toBe(true);
      }),
      RUNS,
    );
  });
});
