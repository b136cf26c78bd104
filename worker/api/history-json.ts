import type { HistoryEvent } from "../../src/core/index.ts";
import { payloadValue } from "./instance-json.ts";

/** Fields that are for programs, or for the log. */
const LEFT_OUT = new Set(["$typeName", "$unknown", "stackTrace", "parentTraceContext", "engine"]);

/** Fields that hold the text of a payload. */
const PAYLOADS = new Set(["input", "result"]);

/** A history event as clients see it: its kind, its time in ISO 8601, and its fields, payloads as values. */
export function historyEventJson({ eventId, timestamp, eventType }: HistoryEvent): Readonly<Record<string, unknown>> {
  return {
    eventId,
    timestamp: timestamp === undefined ? undefined : plain(timestamp),
    type: eventType.case ?? "unknown",
    ...(eventType.value === undefined ? {} : (plain(eventType.value) as object)),
  };
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  if (isTimestamp(value)) return new Date(Number(value.seconds) * 1000 + value.nanos / 1e6).toISOString();
  // A protobuf oneof: which one, and its value.
  if ("case" in value && typeof value.case === "string" && "value" in value)
    return { [value.case]: plain(value.value) };
  return Object.fromEntries(
    Object.entries(value)
      .filter(([field, each]) => !LEFT_OUT.has(field) && !isEmpty(each))
      .map(([field, each]) => [
        field,
        PAYLOADS.has(field) && typeof each === "string" ? payloadValue(each) : plain(each),
      ]),
  );
}

function isTimestamp(value: object): value is { readonly seconds: bigint; readonly nanos: number } {
  return "$typeName" in value && value.$typeName === "google.protobuf.Timestamp";
}

/** What protobuf has for "not set". Zero may mean something: an id. */
function isEmpty(value: unknown): boolean {
  if (value === undefined || value === "") return true;
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
