import { InvalidArgumentError, PayloadTooLargeError } from "./errors.ts";
import type { HistoryEvent } from "./protocol/gen/perdura/model/v1/history_pb.ts";

/** Default of the limit on one payload (input, output, event, custom status), in UTF-8 bytes: 4 MiB, as gRPC's usual limit. */
export const DEFAULT_MAX_PAYLOAD_BYTES: number = 4 * 1024 * 1024;

/** Longest instance id, in UTF-8 bytes. Children's ids grow by five bytes a level. */
export const MAX_INSTANCE_ID_BYTES = 512;

/** Longest orchestrator, activity or event name, in UTF-8 bytes. */
export const MAX_NAME_BYTES = 512;

/** Longest idempotency key, in UTF-8 bytes. */
export const MAX_IDEMPOTENCY_KEY_BYTES = 128;

const encoder = new TextEncoder();

/** Length of a text in UTF-8 bytes. Cheap for short texts; long ones are encoded. */
function utf8Length(text: string): number {
  return encoder.encode(text).length;
}

/** @throws {@link InvalidArgumentError} for an empty, over-long or ill-formed id. */
export function checkInstanceId(instanceId: string): void {
  checkText("instance id", instanceId, MAX_INSTANCE_ID_BYTES);
}

/** @throws {@link InvalidArgumentError} for an empty, over-long or ill-formed name. */
export function checkName(what: string, name: string): void {
  checkText(what, name, MAX_NAME_BYTES);
}

/** @throws {@link InvalidArgumentError} for tags or a version that are no texts, as plain JavaScript may pass them. */
export function checkLabels(labels: {
  readonly version?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
}): void {
  const { version, tags = {} } = labels;
  if (version !== undefined) checkText("version", version, MAX_NAME_BYTES);
  for (const [key, value] of Object.entries(tags)) {
    checkText("name of a tag", key, MAX_NAME_BYTES);
    if (typeof value !== "string") throw new InvalidArgumentError(`the tag '${key}' is no text: tags are texts`);
  }
}

/** @throws {@link InvalidArgumentError} for an empty or over-long key; `undefined` is fine. */
export function checkIdempotencyKey(key: string | undefined): void {
  if (key !== undefined) checkText("idempotency key", key, MAX_IDEMPOTENCY_KEY_BYTES);
}

function checkText(what: string, text: string, limit: number): void {
  if (typeof text !== "string" || text === "") {
    throw new InvalidArgumentError(`the ${what} is empty: give a text of 1 to ${limit} bytes`);
  }
  // A lone surrogate has no UTF-8 form: two such ids would become one in a store.
  if (/\p{Surrogate}/u.test(text))
    throw new InvalidArgumentError(`the ${what} is not well-formed text: it has a lone surrogate`);
  const bytes = text.length > limit ? text.length : utf8Length(text);
  if (bytes > limit) {
    throw new InvalidArgumentError(`the ${what} is ${bytes} bytes long: give a text of 1 to ${limit} bytes`);
  }
}

/** @throws {@link PayloadTooLargeError} when the payload is above the limit. */
export function checkPayload(what: string, payload: string | undefined, limit: number): void {
  if (payload === undefined || payload.length * 3 <= limit) return;
  const bytes = utf8Length(payload);
  if (bytes > limit) throw new PayloadTooLargeError(what, bytes, limit);
}

/** Checks the payload that a client's event carries. @throws {@link PayloadTooLargeError}. */
export function checkEventPayload(event: HistoryEvent, limit: number): void {
  const { case: kind, value } = event.eventType;
  switch (kind) {
    case "executionStarted":
      checkPayload(`the input of '${value.name}'`, value.input, limit);
      break;
    case "eventRaised":
      checkPayload(`the payload of event '${value.name}'`, value.input, limit);
      break;
    case "executionTerminated":
      checkPayload("the output of the termination", value.input, limit);
      break;
    case "executionSuspended":
    case "executionResumed":
      checkPayload("the reason", value.input, limit);
      break;
    case "taskCompleted":
      checkPayload("the result of the activity", value.result, limit);
      break;
    default:
  }
}
