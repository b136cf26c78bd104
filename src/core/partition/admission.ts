/**
 * What may enter an instance's inbox, and what becomes of it otherwise. Pure rules over the instance's row: a store runs
 * them inside its transaction, so that any client can append without being the owner.
 */
import { clone, create } from "@bufbuild/protobuf";
import {
  HistoryDecodeError,
  InstanceCompletedError,
  InstanceExistsError,
  InstanceMovedError,
  InstanceNotFoundError,
} from "../errors.ts";
import { type ResultKey, resultKeyOf, resultKeyText } from "../history/dedup.ts";
import { REFUSED_CHILD } from "../history/fork.ts";
import type { CreateInstanceOptions } from "../hub/backend.ts";
import { executionRewound, subOrchestrationFailed } from "../protocol/events.ts";
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
import { isMeantFor } from "./turn-selection.ts";

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
  return (row) => told(envelope, admit(envelope, row, nowMs), nowMs);
}

function admit(envelope: Envelope, row: InstanceRow | undefined, nowMs: number): Admission<DeliveryOutcome> {
  const { event } = envelope;
  if (event === undefined) return dropped("the envelope holds no event");
  if (event.eventType.case === "executionStarted") return admitChild(envelope, event, row, nowMs);
  const current = existing(row);
  if (current === undefined) return dropped("no such instance exists");
  if (isMoved(current)) return dropped("the instance has moved");
  const result = resultKeyOf(event);
  if (result !== undefined) return admitResult(envelope, result, current);
  if (isEnded(current) && !reachesEnded(event, current)) return dropped("the instance has ended");
  if (hasReceipt(current, envelope)) return accepted(undefined, "");
  return accepted(envelope, `from:${envelope.sourceExecutionId}:${envelope.seq}:${envelope.sourceInstanceId}`);
}

function admitResult(envelope: Envelope, result: ResultKey, current: InstanceRecord): Admission<DeliveryOutcome> {
  if (isEnded(current)) return dropped("the instance has ended");
  if (!isMeantFor(envelope, current)) return dropped("the instance has begun anew since");
  const isAwaited = current.children.some(
    ({ id, instanceId }) => id === result.id && instanceId === envelope.sourceInstanceId,
  );
  if (result.kind === "child" && !isAwaited) return dropped("nothing waits for that result");
  return accepted(envelope, `result:${envelope.generation ?? current.generation}:${resultKeyText(result)}`);
}

/** The parent that waits for the child that an envelope starts. */
export function waitingParentOf({ event }: Envelope): ParentInstanceInfo | undefined {
  return event?.eventType.case === "executionStarted" ? event.eventType.value.parentInstance : undefined;
}

/** A parent is told of a child that could not be started, whatever the reason: else it would wait for ever. */
function told(envelope: Envelope, admission: Admission<DeliveryOutcome>, nowMs: number): Admission<DeliveryOutcome> {
  const parent = waitingParentOf(envelope);
  const { status, reason = "the sub-orchestration could not be started" } = admission.answer;
  if (status === "accepted" || parent === undefined) return admission;
  return { answer: { status: "refused", reason }, reply: refusalReply(envelope, parent, reason, nowMs) };
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
export function sparingDamaged(envelope: Envelope, nowMs: number): Decide<DeliveryOutcome> {
  const decide = admitEnvelope(envelope, nowMs);
  return (row) => {
    try {
      return decide(row);
    } catch (error) {
      if (!(error instanceof HistoryDecodeError)) throw error;
      return told(envelope, dropped(error.message), nowMs);
    }
  };
}

/** As {@link sparingDamaged}, whatever is wrong: within a sender's commit, nothing of a target may make it fail. */
export function neverThrowing(envelope: Envelope, nowMs: number): Decide<DeliveryOutcome> {
  const decide = admitEnvelope(envelope, nowMs);
  return (row) => {
    try {
      return decide(row);
    } catch (error) {
      return told(envelope, dropped((error as Error).message), nowMs);
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
  const { parentInstance: parent } = payload;
  const stored = row === undefined ? undefined : readRecord(row);
  const isRepeat =
    stored !== undefined &&
    (parent === undefined
      ? stored.incarnation === (payload.orchestrationInstance?.executionId ?? "")
      : sameParent(stored.parent, parent));
  const creates = { ...creation(start, row, nowMs, { envelope }), answer: { status: "accepted" as const } };
  if (stored === undefined) return creates;
  // It has begun a run before, which another one may have replaced since.
  if (hasReceipt(stored, envelope)) return accepted(undefined, "");
  if (isPurged(stored)) return isRepeat && !envelope.again ? dropped("the instance was purged") : creates;
  if (isMoved(stored)) return dropped("the instance has moved");
  if (isRepeat) return envelope.again ? (startedAgain(envelope, stored, nowMs) ?? creates) : accepted(undefined, "");
  if (isEnded(stored) || isOrphan(stored, parent)) return creates;
  return dropped(`orchestration instance already exists: '${stored.instanceId}' is ${statusName(stored.status)}`);
}

/**
 * The failure of a child is undone, and it is there: a failed one is rewound, a completed one (it was rewound by itself) tells
 * its result once more, and one that runs will tell. `undefined`: it was terminated, and begins anew.
 */
function startedAgain(
  envelope: Envelope,
  child: InstanceRecord,
  nowMs: number,
): Admission<DeliveryOutcome> | undefined {
  if (!isEnded(child)) return accepted(undefined, "");
  if (child.status !== OrchestrationStatus.FAILED && child.status !== OrchestrationStatus.COMPLETED) return undefined;
  const rewound = clone(EnvelopeSchema, envelope);
  rewound.event = executionRewound({ reason: "its parent was rewound" }, nowMs);
  return accepted(rewound, "rewind");
}

/**
 * A child of a former run of the same parent, which another one has replaced: nobody waits for it, and its id is needed.
 * Children of an earlier generation of the same run are no orphans.
 */
function isOrphan(child: InstanceRecord, parent: ParentInstanceInfo | undefined): boolean {
  return (
    parent !== undefined &&
    child.parent !== undefined &&
    child.parent.orchestrationInstance?.instanceId === parent.orchestrationInstance?.instanceId &&
    child.parent.orchestrationInstance?.executionId !== parent.orchestrationInstance?.executionId &&
    child.parent.generation === parent.generation
  );
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
  const executionId = parent.orchestrationInstance?.executionId;
  if (executionId !== undefined) answer.targetExecutionId = executionId;
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
