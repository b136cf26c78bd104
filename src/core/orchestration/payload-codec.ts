import { clone, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { PayloadNotSerializableError } from "../errors.ts";
import { type HistoryView, historyOf } from "../history/history-view.ts";
import type { OrchestratorAnswer } from "../history/orchestrator-answer.ts";
import {
  type HistoryEvent,
  HistoryEventSchema,
  type OrchestratorAction,
  OrchestratorActionSchema,
} from "../protocol/gen/perdura/model/v1/history_pb.ts";

/**
 * A second stage for payloads, beyond the {@link DataConverter}: what is stored is the encoded text. Encrypt, or compress. It is
 * asynchronous; the engine runs it before events are fed to code and after code has answered, before the commit, and never
 * inside a transaction. Two encodings of one text may differ: encoded texts are never compared.
 *
 * Inputs, outputs, event payloads and custom statuses pass it. Names, ids, tags, reasons and error messages do not.
 */
export interface PayloadCodec {
  /** The text to store. */
  encode(text: string): Promise<string>;
  /** The text that was encoded. Rejects when it cannot tell: a wrong key, a damaged text. */
  decode(text: string): Promise<string>;
}

type Way = (text: string) => Promise<string>;

/** @throws {@link PayloadNotSerializableError} when the codec fails. */
export async function decodeText(codec: PayloadCodec, text: string | undefined): Promise<string | undefined> {
  return text === undefined ? undefined : wayOf(codec, "decode")(text);
}

/** @throws {@link PayloadNotSerializableError} when the codec fails. */
export async function encodeText(codec: PayloadCodec, text: string | undefined): Promise<string | undefined> {
  return text === undefined ? undefined : wayOf(codec, "encode")(text);
}

/** Copies of events with their payloads as code sees them. Those without payloads are not copied. */
export function decodeEvents(codec: PayloadCodec, events: readonly HistoryEvent[]): Promise<HistoryEvent[]> {
  return Promise.all(events.map((event) => mapEvent(event, wayOf(codec, "decode"))));
}

/** A copy of an event with its payload as it is stored. */
export function encodeEvent(codec: PayloadCodec, event: HistoryEvent): Promise<HistoryEvent> {
  return mapEvent(event, wayOf(codec, "encode"));
}

/** A history as code sees it, decoded when it is read. */
export function decodedHistory(codec: PayloadCodec, history: HistoryView): HistoryView {
  if (history.length === 0) return historyOf([]);
  return { length: history.length, read: async () => decodeEvents(codec, await history.read()) };
}

/** A turn's answer as it is to be stored. */
export async function encodeAnswer(codec: PayloadCodec, answer: OrchestratorAnswer): Promise<OrchestratorAnswer> {
  const way = wayOf(codec, "encode");
  const [customStatus, ...actions] = await Promise.all([
    encodeText(codec, answer.customStatus),
    ...answer.actions.map((action) => mapAction(action, way)),
  ]);
  return { ...answer, actions, customStatus };
}

function wayOf(codec: PayloadCodec, way: "encode" | "decode"): Way {
  return async (text) => {
    try {
      return await codec[way](text);
    } catch (cause) {
      throw new PayloadNotSerializableError(`a payload that the codec was to ${way}`, { cause });
    }
  };
}

/** The fields that hold payloads, whatever the event or action. */
const FIELDS = ["input", "result", "data"] as const;

function mapEvent(event: HistoryEvent, way: Way): Promise<HistoryEvent> {
  const { case: kind } = event.eventType;
  // Their text is a reason for people, not a payload.
  if (kind === "executionSuspended" || kind === "executionResumed") return Promise.resolve(event);
  return mapFields(HistoryEventSchema, event, (copy) => copy.eventType.value, way);
}

async function mapAction(action: OrchestratorAction, way: Way): Promise<OrchestratorAction> {
  const mapped = await mapFields(OrchestratorActionSchema, action, (copy) => copy.orchestratorActionType.value, way);
  const { orchestratorActionType } = mapped;
  if (orchestratorActionType.case !== "completeOrchestration") return mapped;
  const { carryoverEvents } = orchestratorActionType.value;
  if (carryoverEvents.length === 0) return mapped;
  const copy = clone(OrchestratorActionSchema, mapped);
  if (copy.orchestratorActionType.case === "completeOrchestration") {
    copy.orchestratorActionType.value.carryoverEvents = await Promise.all(
      carryoverEvents.map((event) => mapEvent(event, way)),
    );
  }
  return copy;
}

async function mapFields<T extends DescMessage>(
  schema: T,
  message: MessageShape<T>,
  heldBy: (copy: MessageShape<T>) => object | undefined,
  way: Way,
): Promise<MessageShape<T>> {
  const held = FIELDS.filter((field) => typeof fieldsOf(heldBy(message))[field] === "string");
  if (held.length === 0) return message;
  const copy = clone(schema, message);
  const fields = fieldsOf(heldBy(copy));
  for (const field of held) fields[field] = await way(String(fields[field]));
  return copy;
}

function fieldsOf(value: object | undefined): Record<string, unknown> {
  return (value ?? {}) as Record<string, unknown>;
}
