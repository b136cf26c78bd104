import { create, equals, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { HistoryDecodeError, InvalidArgumentError } from "../../../src/core/errors.ts";
import { executionStarted, orchestratorStarted, taskFailed } from "../../../src/core/protocol/events.ts";
import { MAX_FAILURE_DEPTH } from "../../../src/core/protocol/failure-depth.ts";
import {
  Dialect,
  HistoryEventSchema,
  OrchestrationStatus,
  Runner,
  TaskFailureDetailsSchema,
} from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import {
  EnvelopeSchema,
  InstanceKind,
  InstanceRecordSchema,
  TimerOriginKind,
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
import { timestampFromMs } from "../../../src/core/protocol/timestamp.ts";
import { NOW, sampleEvents } from "./samples.ts";

const record = create(InstanceRecordSchema, {
  formatVersion: 1,
  kind: InstanceKind.ENTITY,
  instanceId: "i",
  executionId: "x",
  incarnation: "x0",
  generation: 3,
  name: "Order",
  version: "2",
  tags: { a: "b" },
  status: OrchestrationStatus.SUSPENDED,
  createdAtMs: NOW + 0.25,
  lastUpdatedAtMs: NOW + 1,
  startedAtMs: 0,
  parent: { taskScheduledId: 1, orchestrationInstance: { instanceId: "p" }, generation: 1 },
  customStatus: "",
  runner: Runner.IN_PROCESS,
  dialect: Dialect.DAPR,
  historyLength: 12,
  segmentCount: 2,
  nextEventId: 4,
  historyBytes: 2 ** 40,
  tasks: [{ id: 0, name: "A", segment: 1, scheduledAtMs: NOW, attempt: 1, taskExecutionId: "t", timeoutMs: 5 }],
  timers: [{ id: 1, fireAt: timestampFromMs(NOW), origin: TimerOriginKind.CHILD_RETRY, originRef: "c", attempt: 2 }],
  children: [{ id: 2, instanceId: "c", name: "C", createdAtMs: NOW }],
  eventWaits: [{ name: "go", sinceMs: NOW, deadlineMs: NOW + 1, count: 2 }],
  parked: { code: "not_registered", message: "m", sinceMs: NOW, attempts: 1 },
  deaths: 1,
  suspended: true,
  receipts: [{ source: "p", sourceExecutionId: "e", seq: 2 ** 40, atMs: NOW }],
  nextEnvelopeSeq: 7,
  eventKeys: ["k"],
  startKey: "s",
  engineFlags: [1, 2],
  indexVersion: 9,
  indexedVersion: 8,
  turnCount: 5,
  lastTurnAtMs: NOW,
  purgedAtMs: NOW,
  suspendReason: "why",
  movedAtMs: NOW,
});

const envelope = create(EnvelopeSchema, {
  sourceInstanceId: "a",
  sourceExecutionId: "x",
  seq: 3,
  targetInstanceId: "b",
  generation: 0,
  event: orchestratorStarted(NOW),
  idempotencyKey: "k",
  visibleAtMs: NOW,
  createdAtMs: NOW,
  targetHub: "h",
  targetApp: "app",
});

/** A field of a number that no schema has: 5000, a string of two bytes. */
const UNKNOWN_FIELD = [0xc2, 0xb8, 0x02, 0x02, 0x68, 0x69];

describe("stored bytes", () => {
  it("give back a segment's events, in order", () => {
    const events = sampleEvents();
    const again = unmarshalSegment(marshalSegment(events));
    expect(again).toHaveLength(events.length);
    again.forEach((event, index) => {
      expect(equals(HistoryEventSchema, event, events[index] as typeof event)).toBe(true);
    });
    expect(unmarshalSegment(new Uint8Array())).toEqual([]);
  });

  it("of two segments, joined, are the joined segment", () => {
    const [head, tail] = [sampleEvents().slice(0, 3), sampleEvents().slice(3)];
    const joined = new Uint8Array([...marshalSegment(head), ...marshalSegment(tail)]);
    expect(joined).toEqual(marshalSegment([...head, ...tail]));
  });

  it("give back an instance record and an envelope unchanged", () => {
    expect(equals(InstanceRecordSchema, unmarshalRecord(marshalRecord(record)), record)).toBe(true);
    expect(equals(EnvelopeSchema, unmarshalEnvelope(marshalEnvelope(envelope)), envelope)).toBe(true);
  });

  it("tell generation 0 from any generation", () => {
    expect(unmarshalEnvelope(marshalEnvelope(envelope)).generation).toBe(0);
    expect(unmarshalEnvelope(marshalEnvelope(create(EnvelopeSchema, { seq: 1 }))).generation).toBeUndefined();
  });
});

describe("fields that this version does not know", () => {
  it("survive reading and writing an event, inside and beside its payload", () => {
    // executionSuspended (21) of length 6 that holds only the unknown field, and the same field beside it
    const bytes = new Uint8Array([0x08, 0x05, 0xaa, 0x01, 0x06, ...UNKNOWN_FIELD, ...UNKNOWN_FIELD]);
    const event = unmarshalHistoryEvent(bytes);
    expect(event.eventType.case).toBe("executionSuspended");
    expect(marshalHistoryEvent(event)).toEqual(bytes);
  });

  it("survive in a segment, a record and an envelope", () => {
    const event = unmarshalHistoryEvent(
      new Uint8Array([...marshalHistoryEvent(orchestratorStarted(NOW)), ...UNKNOWN_FIELD]),
    );
    const segment = marshalSegment([event]);
    expect(marshalSegment(unmarshalSegment(segment))).toEqual(segment);
    const recordBytes = new Uint8Array([...marshalRecord(record), ...UNKNOWN_FIELD]);
    expect(marshalRecord(unmarshalRecord(recordBytes))).toEqual(recordBytes);
    const envelopeBytes = new Uint8Array([...marshalEnvelope(envelope), ...UNKNOWN_FIELD]);
    expect(marshalEnvelope(unmarshalEnvelope(envelopeBytes))).toEqual(envelopeBytes);
  });

  it("make an event of an unknown kind decode with no kind and keep its bytes", () => {
    const bytes = new Uint8Array([0x08, 0x07, ...UNKNOWN_FIELD]);
    const event = unmarshalHistoryEvent(bytes);
    expect([event.eventId, event.eventType.case]).toEqual([7, undefined]);
    expect(marshalHistoryEvent(event)).toEqual(bytes);
  });

  it("keep the number of an enum value from a newer version", () => {
    // executionCompleted (4) { orchestrationStatus 99 }
    const bytes = new Uint8Array([0x22, 0x02, 0x08, 0x63]);
    const event = unmarshalHistoryEvent(bytes);
    expect(event.eventType.value).toMatchObject({ orchestrationStatus: 99 });
    expect(marshalHistoryEvent(event)).toEqual(bytes);
  });
});

describe("damaged bytes", () => {
  /** Decodes; whatever is thrown must be the typed error. */
  function attempt(decode: () => unknown): "decoded" | "refused" {
    try {
      decode();
      return "decoded";
    } catch (error) {
      expect(error).toBeInstanceOf(HistoryDecodeError);
      expect((error as Error).cause).toBeDefined();
      return "refused";
    }
  }

  it("cut off anywhere, decode to a shorter message or give HistoryDecodeError", () => {
    const outcomes = new Set<string>();
    for (const bytes of [marshalSegment(sampleEvents()), marshalRecord(record), marshalEnvelope(envelope)]) {
      for (let length = 0; length < bytes.length; length++) {
        const cut = bytes.subarray(0, length);
        for (const decode of [unmarshalSegment, unmarshalRecord, unmarshalEnvelope, unmarshalHistoryEvent]) {
          outcomes.add(attempt(() => decode(cut)));
        }
      }
    }
    expect(outcomes).toEqual(new Set(["decoded", "refused"]));
  });

  it("with any bit flipped, decode to some message or give HistoryDecodeError", () => {
    const outcomes = new Set<string>();
    for (const event of sampleEvents()) {
      const bytes = marshalHistoryEvent(event);
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = bytes.slice();
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
        outcomes.add(attempt(() => unmarshalHistoryEvent(flipped)));
      }
    }
    expect(outcomes).toEqual(new Set(["decoded", "refused"]));
  });

  it("nested without end give HistoryDecodeError, not a crash", () => {
    // taskFailed (8) { failureDetails (2) { innerFailure (4) { innerFailure (4) { ... } } } }, written from the inside
    const parts: number[][] = [];
    let length = 0;
    const wrap = (tag: number) => {
      const part = [tag];
      for (let rest = length; ; rest >>>= 7) {
        if (rest < 0x80) {
          part.push(rest);
          break;
        }
        part.push((rest & 0x7f) | 0x80);
      }
      parts.push(part);
      length += part.length;
    };
    for (let level = 0; level < 200_000; level++) wrap(0x22);
    wrap(0x12);
    wrap(0x42);
    const bytes = new Uint8Array(parts.reverse().flat());
    expect(attempt(() => unmarshalHistoryEvent(bytes))).toBe("refused");
  });

  it("say what they were to be and how long they are", () => {
    expect(() => unmarshalRecord(new Uint8Array([0xff]))).toThrow(/instance record .* 1 bytes/);
  });
});

describe("whatever can be written", () => {
  function chain(levels: number): MessageInitShape<typeof TaskFailureDetailsSchema> {
    let failure: MessageInitShape<typeof TaskFailureDetailsSchema> = { errorMessage: `${levels}` };
    for (let level = levels - 1; level >= 1; level--) failure = { errorMessage: `${level}`, innerFailure: failure };
    return failure;
  }

  it.each([1, 64, 65, 100_000])("can be read again: a failure with %d causes within each other", (levels) => {
    const event = unmarshalHistoryEvent(marshalHistoryEvent(taskFailed(0, { failureDetails: chain(levels) }, NOW)));
    if (event.eventType.case !== "taskFailed") throw new Error("unexpected kind");
    const messages: string[] = [];
    for (let level = event.eventType.value.failureDetails; level !== undefined; level = level.innerFailure) {
      messages.push(level.errorMessage);
    }
    expect(messages).toHaveLength(Math.min(levels, MAX_FAILURE_DEPTH));
    expect(messages[0]).toBe("1");
  });

  it("can be read again: the deepest failure that the wire lets in, some levels deeper in the store", () => {
    const failureDetails = create(TaskFailureDetailsSchema, chain(99));
    const event = create(HistoryEventSchema, { eventType: { case: "taskFailed", value: { failureDetails } } });
    expect(unmarshalEnvelope(marshalEnvelope(create(EnvelopeSchema, { event }))).event).toEqual(event);
  });
});

describe("values that do not fit", () => {
  it("give InvalidArgumentError when they are written", () => {
    expect(() => marshalHistoryEvent(taskFailed(2 ** 40, { failureDetails: {} }, NOW))).toThrow(InvalidArgumentError);
  });

  it("do not reach the prototype of a tag map", () => {
    const tags = JSON.parse('{"__proto__":"x","constructor":"y"}') as { [name: string]: string };
    const event = unmarshalHistoryEvent(
      marshalHistoryEvent(executionStarted({ name: "A", instanceId: "i", tags }, NOW)),
    );
    if (event.eventType.case !== "executionStarted") throw new Error("unexpected kind");
    expect(Object.keys(event.eventType.value.tags).sort()).toEqual(["__proto__", "constructor"]);
    expect(({} as { x?: string }).x).toBeUndefined();
  });
});
