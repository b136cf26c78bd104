import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { HistoryDecodeError, InvalidArgumentError } from "../errors.ts";
import { type HistoryEvent, HistoryEventSchema } from "./gen/perdura/model/v1/history_pb.ts";
import {
  type Envelope,
  EnvelopeSchema,
  HistorySegmentSchema,
  type InstanceRecord,
  InstanceRecordSchema,
} from "./gen/perdura/model/v1/store_pb.ts";

/**
 * How deep stored messages may nest. It is above what decoders of the wire allow (100), so that whatever came in over
 * the wire can be read again from the store, where it lies some levels deeper.
 */
const RECURSION_LIMIT = 1000;

/**
 * The stored bytes of an event. Fields that this version does not know are written back as they were read.
 *
 * @throws InvalidArgumentError when a value does not fit its field.
 */
export function marshalHistoryEvent(event: HistoryEvent): Uint8Array<ArrayBuffer> {
  return encode(HistoryEventSchema, event, "history event");
}

/**
 * The event that the bytes hold. An event of a kind that this version does not know decodes to one whose
 * `eventType.case` is undefined, and keeps its bytes.
 *
 * @throws HistoryDecodeError when the bytes are damaged.
 */
export function unmarshalHistoryEvent(bytes: Uint8Array): HistoryEvent {
  return decode(HistoryEventSchema, bytes, "history event");
}

/**
 * The stored bytes of a run of events. The bytes of two runs, one after the other, are the bytes of the joined run.
 *
 * @throws InvalidArgumentError when a value does not fit its field.
 */
export function marshalSegment(events: readonly HistoryEvent[]): Uint8Array<ArrayBuffer> {
  return encode(HistorySegmentSchema, create(HistorySegmentSchema, { events: events as HistoryEvent[] }), "segment");
}

/**
 * The events that the bytes of a segment hold, in order. Empty bytes hold none.
 *
 * @throws HistoryDecodeError when the bytes are damaged.
 */
export function unmarshalSegment(bytes: Uint8Array): HistoryEvent[] {
  return decode(HistorySegmentSchema, bytes, "history segment").events;
}

/**
 * The stored bytes of an instance record.
 *
 * @throws InvalidArgumentError when a value does not fit its field.
 */
export function marshalRecord(record: InstanceRecord): Uint8Array<ArrayBuffer> {
  return encode(InstanceRecordSchema, record, "instance record");
}

/**
 * The instance record that the bytes hold. Its format version is for the caller to check.
 *
 * @throws HistoryDecodeError when the bytes are damaged.
 */
export function unmarshalRecord(bytes: Uint8Array): InstanceRecord {
  return decode(InstanceRecordSchema, bytes, "instance record");
}

/**
 * The stored bytes of an envelope.
 *
 * @throws InvalidArgumentError when a value does not fit its field.
 */
export function marshalEnvelope(envelope: Envelope): Uint8Array<ArrayBuffer> {
  return encode(EnvelopeSchema, envelope, "envelope");
}

/**
 * The envelope that the bytes hold.
 *
 * @throws HistoryDecodeError when the bytes are damaged.
 */
export function unmarshalEnvelope(bytes: Uint8Array): Envelope {
  return decode(EnvelopeSchema, bytes, "envelope");
}

function encode<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  what: string,
): Uint8Array<ArrayBuffer> {
  try {
    return toBinary(schema, message);
  } catch (cause) {
    throw new InvalidArgumentError(`the ${what} cannot be encoded: ${reason(cause)}`, { cause });
  }
}

function decode<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array, what: string): MessageShape<Desc> {
  try {
    return fromBinary(schema, bytes, { recursionLimit: RECURSION_LIMIT });
  } catch (cause) {
    throw new HistoryDecodeError(
      `the ${what} cannot be decoded, its ${bytes.byteLength} bytes are damaged: ${reason(cause)}`,
      { cause },
    );
  }
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
