/**
 * What may enter an instance's inbox, and what becomes of it otherwise. Pure rules over the instance's row: a store runs
 * them inside its transaction, so that any client can append without being the owner.
 */
import { create } from "@bufbuild/protobuf";
import {
  HistoryDecodeError,
  InstanceCompletedError,
  InstanceExistsError,
  InstanceMovedError,
  InstanceNotFoundError,
} from "../errors.ts";
import { resultKeyOf, resultKeyText } from "../history/dedup.ts";
import { REFUSED_CHILD } from "../history/fork.ts";
import type { CreateInstanceOptions } from "../hub/backend.ts";
import { subOrchestrationFailed } from "../protocol/events.ts";
import {
  CreateOrchestrationAction,
  type ExecutionStartedEvent,
  type HistoryEvent,
  OrchestrationStatus,
  type ParentInstanceInfo,
  TaskFailureDetailsSchema,
} from "../protocol/gen/perdura/model/v1/history_pb.ts";
import { type Envelope, EnvelopeSchema, type InstanceRecord } from "../protocol/gen/perdura/model/v1/store_pb.ts";
import { marshalEnvelope } from "../protocol/marshal.ts";
import { statusName } from "../protocol/status.ts";
import { timestampToMs } from "../protocol/timestamp.ts";
import type { Admission, Decide, DeliveryOutcome, InstanceRow } from "./ports.ts";
import { isEnded, isMoved, isPurged, newRecord, readRecord, rowOf } from "./record.ts";
import { noteReceipts } from "./turn-plan.ts";

/** A start or an event as a client sends it. */
export function clientEnvelope(
  instanceId: string,
  event: HistoryEvent,
  nowMs: number,
  idempotencyKey?: string,
): Envelope {
  const envelope = create(EnvelopeSchema, { targetInstanceId: instanceId, event, createdAtMs: nowMs });
  if (idempotencyKey !== undefined) envelope.idempotencyKey = idempotencyKey;
  return envelope;
}

/** Decides on a client's start. */
export function admitStart(
  start: HistoryEvent,
  options: CreateInstanceOptions,
  nowMs: number,
): Decide<"created" | "kept"> {
  return (row) => {
    const current = existing(row);
    const payload = startOf(start);
    const instanceId = payload.orchestrationInstance?.instanceId ?? "";
    const { idempotencyKey, reusePolicy } = options;
    if (current !== undefined) {
      if (idempotencyKey !== undefined && current.startKey === idempotencyKey) return { answer: "kept" };
      const listed = reusePolicy?.operationStatus.includes(current.status) ?? false;
      const action = listed ? reusePolicy?.action : CreateOrchestrationAction.ERROR;
      if (action === CreateOrchestrationAction.IGNORE) return { answer: "kept" };
      if (action !== CreateOrchestrationAction.TERMINATE) throw new InstanceExistsError(instanceId);
    }
    return { ...creation(start, row, nowMs, { idempotencyKey }), answer: "created" };
  };
}

/** Decides on a client's event. */
export function admitEvent(
  instanceId: string,
  event: HistoryEvent,
  nowMs: number,
  idempotencyKey: string | undefined,
): Decide<"added" | "kept"> {
  return (row) => {
    const current = existing(row);
    if (current === undefined) throw new InstanceNotFoundError(instanceId);
    if (isMoved(current)) throw new InstanceMovedError(instanceId);
    // Before anything else: who asks again, not knowing that it was taken, may find the instance ended by it.
    if (idempotencyKey !== undefined && current.eventKeys.includes(idempotencyKey)) return { answer: "kept" };
    if (isEnded(current)) {
      const { case: kind, value } = event.eventType;
      // Terminating what has ended is a success without effect; it only matters to children that may still run.
      if (kind === "executionTerminated" && !value.recurse) return { answer: "kept" };
      if (kind !== "executionTerminated") throw new InstanceCompletedError(instanceId, statusName(current.status));
    }
    const envelope = clientEnvelope(instanceId, event, nowMs, idempotencyKey);
    const key = idempotencyKey === undefined ? undefined : `client:${idempotencyKey}`;
    return { item: { key, bytes: marshalEnvelope(envelope), visibleAt: undefined }, answer: "added" };
  };
}

/** Decides on a message from another instance. */
export function admitEnvelope(envelope: Envelope, nowMs: number): Decide<DeliveryOutcome> {
  return (row) => {
    const { event } = envelope;
    if (event === undefined) return dropped("the envelope holds no event");
    if (event.eventType.case === "executionStarted") return admitChild(envelope, event, row, nowMs);
    const current = existing(row);
    if (current === undefined) return dropped("no such instance exists");
    if (isMoved(current)) return dropped("the instance has moved");
    const result = resultKeyOf(event);
    if (result !== undefined) {
      if (isEnded(current)) return dropped("the instance has ended");
      if (envelope.generation !== undefined && envelope.generation !== current.generation) {
        return dropped("the instance has continued as new since");
      }
      if (result.kind === "child" && !current.children.some((child) => child.id === result.id)) {
        return dropped("nothing waits for that result");
      }
      const key = `result:${envelope.generation ?? current.generation}:${resultKeyText(result)}`;
      return accepted(envelope, key);
    }
    if (isEnded(current) && !reachesEnded(event, current)) return dropped("the instance has ended");
    if (hasReceipt(current, envelope)) return accepted(undefined, "");
    return accepted(envelope, `from:${envelope.sourceExecutionId}:${envelope.seq}:${envelope.sourceInstanceId}`);
  };
}

/** Messages of one sender come in order: one that is not above the last receipt has been here before. */
function hasReceipt(record: InstanceRecord, envelope: Envelope): boolean {
  const receipt = record.receipts.find(
    ({ source, sourceExecutionId }) =>
      source === envelope.sourceInstanceId && sourceExecutionId === envelope.sourceExecutionId,
  );
  return receipt !== undefined && receipt.seq >= envelope.seq;
}

/** What an ended instance still takes: a termination that goes on to its children, and the rewind of its failure. */
function reachesEnded({ eventType }: HistoryEvent, { status }: InstanceRecord): boolean {
  if (eventType.case === "executionTerminated") return eventType.value.recurse;
  return eventType.case === "executionRewound" && status === OrchestrationStatus.FAILED;
}

/** A target whose stored row is damaged must not keep its senders waiting: what it is sent is dropped, with the reason. */
export function sparingDamaged(decide: Decide<DeliveryOutcome>): Decide<DeliveryOutcome> {
  return (row) => {
    try {
      return decide(row);
    } catch (error) {
      if (!(error instanceof HistoryDecodeError)) throw error;
      return dropped(error.message);
    }
  };
}

/** As {@link sparingDamaged}, whatever is wrong: within a sender's commit, nothing of a target may make it fail. */
export function neverThrowing(decide: Decide<DeliveryOutcome>): Decide<DeliveryOutcome> {
  return (row) => {
    try {
      return decide(row);
    } catch (error) {
      return dropped((error as Error).message);
    }
  };
}

/**
 * A start that an orchestration sends: of its sub-orchestration, or of a detached one. On an ended instance it begins a new
 * run (a retried child keeps its id); on a running one it is refused, and its parent's task fails.
 */
function admitChild(
  envelope: Envelope,
  start: HistoryEvent,
  row: InstanceRow | undefined,
  nowMs: number,
): Admission<DeliveryOutcome> {
  const payload = startOf(start);
  const current = existing(row);
  const tombstone = row === undefined ? undefined : readRecord(row);
  const isRepeat = (record: InstanceRecord): boolean =>
    payload.parentInstance === undefined
      ? record.incarnation === (payload.orchestrationInstance?.executionId ?? "")
      : sameParent(record.parent, payload.parentInstance);
  if (tombstone !== undefined && isPurged(tombstone) && isRepeat(tombstone)) return dropped("the instance was purged");
  // It has begun a run before, which another one has replaced since.
  if (tombstone !== undefined && hasReceipt(tombstone, envelope)) return accepted(undefined, "");
  if (current !== undefined) {
    if (isRepeat(current)) return accepted(undefined, "");
    if (!isEnded(current)) {
      const reason = `orchestration instance already exists: '${current.instanceId}' is ${statusName(current.status)}`;
      const { parentInstance } = payload;
      if (parentInstance === undefined) return dropped(reason);
      return { answer: { status: "refused", reason }, reply: refusalReply(envelope, parentInstance, reason, nowMs) };
    }
  }
  return { ...creation(start, row, nowMs, { envelope }), answer: { status: "accepted" } };
}

/** The event that tells a parent that its child could not be started. */
export function refusal(taskScheduledId: number, reason: string, nowMs: number): HistoryEvent {
  const failureDetails = create(TaskFailureDetailsSchema, {
    errorType: REFUSED_CHILD,
    errorMessage: reason,
    isNonRetriable: true,
  });
  return subOrchestrationFailed(taskScheduledId, { failureDetails }, nowMs);
}

/** The inbox item of {@link refusal}, for the sender of a refused start. */
export function refusalReply(
  envelope: Envelope,
  parent: ParentInstanceInfo,
  reason: string,
  nowMs: number,
): { readonly instanceId: string; readonly key: string; readonly bytes: Uint8Array } {
  const { taskScheduledId, generation } = parent;
  const answer = create(EnvelopeSchema, {
    sourceInstanceId: envelope.targetInstanceId,
    targetInstanceId: envelope.sourceInstanceId,
    generation,
    event: refusal(taskScheduledId, reason, nowMs),
    createdAtMs: nowMs,
  });
  return {
    instanceId: envelope.sourceInstanceId,
    key: `result:${generation}:child:${taskScheduledId}`,
    bytes: marshalEnvelope(answer),
  };
}

function existing(row: InstanceRow | undefined): InstanceRecord | undefined {
  if (row === undefined) return undefined;
  const record = readRecord(row);
  return isPurged(record) ? undefined : record;
}

function startOf(event: HistoryEvent): ExecutionStartedEvent {
  if (event.eventType.case !== "executionStarted") throw new TypeError("a start is an ExecutionStarted event");
  return event.eventType.value;
}

function creation(
  start: HistoryEvent,
  replaced: InstanceRow | undefined,
  nowMs: number,
  by: { readonly envelope?: Envelope; readonly idempotencyKey?: string | undefined },
): Omit<Admission<never>, "answer"> {
  const payload = startOf(start);
  // A sender whose clock is ahead does not create in the future: what is timed by the record would wait for that.
  const createdAtMs = start.timestamp === undefined ? nowMs : Math.min(timestampToMs(start.timestamp), nowMs);
  const record = newRecord(payload, createdAtMs, replaced === undefined ? undefined : readRecord(replaced));
  if (by.idempotencyKey !== undefined) record.startKey = by.idempotencyKey;
  if (by.envelope !== undefined) noteReceipts(record, [{ seq: 0, envelope: by.envelope }], nowMs);
  const envelope = clientEnvelope(record.instanceId, start, nowMs);
  // A scheduled start in the past means now.
  const due = record.scheduledStartAtMs !== undefined && record.scheduledStartAtMs > nowMs;
  const visibleAt = due ? record.scheduledStartAtMs : undefined;
  if (visibleAt !== undefined) envelope.visibleAtMs = visibleAt;
  return {
    row: { ...rowOf(record, { unfinished: visibleAt === undefined, wakeAt: visibleAt }), wipe: replaced !== undefined },
    item: { key: "start", bytes: marshalEnvelope(envelope), visibleAt },
  };
}

function sameParent(one: ParentInstanceInfo | undefined, other: ParentInstanceInfo): boolean {
  return (
    one !== undefined &&
    one.taskScheduledId === other.taskScheduledId &&
    one.orchestrationInstance?.instanceId === other.orchestrationInstance?.instanceId &&
    one.orchestrationInstance?.executionId === other.orchestrationInstance?.executionId
  );
}

function dropped(reason: string): Admission<DeliveryOutcome> {
  return { answer: { status: "dropped", reason } };
}

function accepted(envelope: Envelope | undefined, key: string): Admission<DeliveryOutcome> {
  const answer: DeliveryOutcome = { status: "accepted" };
  if (envelope === undefined) return { answer };
  return { item: { key, bytes: marshalEnvelope(envelope), visibleAt: envelope.visibleAtMs }, answer };
}
