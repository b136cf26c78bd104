/** From a worked-on state to the one batch that makes it durable. Pure: nothing here touches the live instance. */
import { create } from "@bufbuild/protobuf";
import { resultKeyOf } from "../history/dedup.ts";
import type { OrchestrationRuntimeState, PendingMessage } from "../history/runtime-state.ts";
import { eventRaised } from "../protocol/events.ts";
import type { HistoryEvent, TimerCreatedEvent } from "../protocol/gen/perdura/model/v1/history_pb.ts";
import {
  type Envelope,
  EnvelopeSchema,
  EventWaitSchema,
  type InstanceRecord,
  PendingChildSchema,
  PendingTaskSchema,
  PendingTimerSchema,
  ReceiptSchema,
  TimerOriginKind,
} from "../protocol/gen/perdura/model/v1/store_pb.ts";
import { marshalSegment } from "../protocol/marshal.ts";
import { timestampToMs } from "../protocol/timestamp.ts";
import type { OpenTurn } from "./live-instance.ts";
import type { InstanceWrite } from "./ports.ts";
import { copyRecord, isEnded } from "./record.ts";

/** How many senders' receipts an instance keeps; the oldest go first. Duplicates of one sender arrive close together. */
const MAX_RECEIPTS = 1024;

/** How many idempotency keys of events an instance keeps; the oldest go first. */
const MAX_EVENT_KEYS = 256;

/** What a turn comes to. */
export interface TurnPlan {
  readonly record: InstanceRecord;
  readonly history: NonNullable<InstanceWrite["history"]>;
  /** The segment that the appended events got; new tasks are found in it. */
  readonly segment: number;
  /** Messages that the turn sends, with their places in the sender's sequence. */
  readonly messages: readonly Envelope[];
  /** Events of a new generation that is to begin in the next turn. */
  readonly carried: readonly Envelope[];
}

/** Plans a turn's commit. */
export function planTurn(
  committed: InstanceRecord,
  state: OrchestrationRuntimeState,
  turn: OpenTurn,
  nowMs: number,
): TurnPlan {
  const record = copyRecord(committed);
  if (state.continuedAsNew) beginGeneration(record, state.generation);
  // A generation that was begun and not executed (the tight-loop limit) waits in the inbox, not in history: history holds
  // only what code has seen.
  const isUnexecuted = state.continuedAsNew && state.startPending;
  const events = isUnexecuted ? [] : state.newEvents;
  const segment = record.segmentCount;
  for (const event of events) applyEvent(record, event, segment);
  let append: { readonly segment: number; readonly bytes: Uint8Array } | undefined;
  if (events.length > 0) {
    const bytes = marshalSegment(events);
    append = { segment, bytes };
    record.segmentCount++;
    record.historyLength += events.length;
    record.historyBytes += bytes.length;
  }
  if (isUnexecuted) adoptStart(record, state);
  dropCancelled(record, state);
  record.status = state.runtimeStatus;
  record.suspended = state.isSuspended;
  record.cascaded = state.hasCascaded;
  if (state.customStatus === undefined) delete record.customStatus;
  else record.customStatus = state.customStatus;
  noteEventWaits(record, state, nowMs);
  if (isEnded(record)) {
    record.tasks = [];
    record.timers = [];
    record.children = [];
    record.eventWaits = [];
  }
  noteReceipts(record, turn.consumed, nowMs);
  record.deaths = 0;
  delete record.parked;
  record.turnCount++;
  record.lastTurnAtMs = Math.max(record.lastTurnAtMs, state.lastTurnTimeMs);
  record.lastUpdatedAtMs = Math.max(record.lastUpdatedAtMs, nowMs, record.lastTurnAtMs);
  const isListed = (one: InstanceRecord): unknown[] => [one.status, one.generation, one.customStatus];
  if (isListed(record).some((value, index) => value !== isListed(committed)[index])) {
    record.indexVersion = Math.max(nowMs, record.indexVersion + 1);
  }
  const messages = state.pendingMessages.map((message) => envelopeOf(record, message, nowMs));
  const carried = isUnexecuted ? state.newEvents.flatMap((event) => carriedEnvelope(record, event, nowMs)) : [];
  return {
    record,
    history: append === undefined ? { truncate: state.continuedAsNew } : { truncate: state.continuedAsNew, append },
    segment,
    messages,
    carried,
  };
}

function beginGeneration(record: InstanceRecord, generation: number): void {
  record.generation = generation;
  record.historyLength = 0;
  record.segmentCount = 0;
  record.historyBytes = 0;
  record.nextEventId = 0;
  record.tasks = [];
  record.timers = [];
  record.children = [];
  record.eventWaits = [];
  record.suspended = false;
}

/** Keeps the record's pending tables and counters in step with an event that goes to history. */
export function applyEvent(record: InstanceRecord, event: HistoryEvent, segment: number): void {
  const atMs = event.timestamp === undefined ? record.lastUpdatedAtMs : timestampToMs(event.timestamp);
  if (event.eventId >= record.nextEventId) record.nextEventId = event.eventId + 1;
  const { case: kind, value } = event.eventType;
  switch (kind) {
    case "orchestratorStarted":
      // The start event's own time is when it was asked for.
      record.startedAtMs ??= atMs;
      if (value.engine !== undefined) {
        record.runner = value.engine.runner;
        record.dialect = value.engine.dialect;
        record.engineFlags = [...value.engine.flags];
      }
      break;
    case "executionStarted":
      record.name = value.name;
      record.executionId = value.orchestrationInstance?.executionId ?? record.executionId;
      record.tags = { ...value.tags };
      if (value.version === undefined) delete record.version;
      else record.version = value.version;
      if (value.parentTraceContext === undefined) delete record.parentTraceContext;
      else record.parentTraceContext = value.parentTraceContext;
      break;
    case "executionCompleted":
      record.completedAtMs = atMs;
      break;
    case "taskScheduled":
      record.tasks.push(
        create(PendingTaskSchema, {
          id: event.eventId,
          name: value.name,
          segment,
          scheduledAtMs: atMs,
          attempt: Math.max(1, value.attempt),
          taskExecutionId: value.taskExecutionId,
          ...(value.timeoutMs === undefined ? {} : { timeoutMs: value.timeoutMs }),
        }),
      );
      break;
    case "taskCompleted":
    case "taskFailed":
      removeById(record.tasks, value.taskScheduledId);
      break;
    case "timerCreated":
      record.timers.push(
        create(PendingTimerSchema, {
          id: event.eventId,
          ...(value.fireAt === undefined ? {} : { fireAt: value.fireAt }),
          ...(value.name === undefined ? {} : { name: value.name }),
          attempt: value.attempt,
          ...originOf(value),
        }),
      );
      break;
    case "timerFired":
      removeById(record.timers, value.timerId);
      break;
    case "subOrchestrationInstanceCreated":
      record.children.push(
        create(PendingChildSchema, {
          id: event.eventId,
          instanceId: value.instanceId,
          name: value.name,
          createdAtMs: atMs,
        }),
      );
      break;
    case "subOrchestrationInstanceCompleted":
    case "subOrchestrationInstanceFailed":
      removeById(record.children, value.taskScheduledId);
      break;
    case "executionSuspended":
      if (value.input === undefined) delete record.suspendReason;
      else record.suspendReason = value.input;
      break;
    case "executionResumed":
      delete record.suspendReason;
      break;
    default:
  }
}

function removeById(list: { readonly id: number }[], id: number): void {
  const at = list.findIndex((entry) => entry.id === id);
  if (at >= 0) list.splice(at, 1);
}

function originOf({ origin }: TimerCreatedEvent): { origin: TimerOriginKind; originRef?: string } {
  switch (origin.case) {
    case "externalEvent":
      return { origin: TimerOriginKind.EXTERNAL_EVENT, originRef: origin.value.name };
    case "activityRetry":
      return { origin: TimerOriginKind.ACTIVITY_RETRY, originRef: origin.value.taskExecutionId };
    case "childWorkflowRetry":
      return { origin: TimerOriginKind.CHILD_RETRY, originRef: origin.value.instanceId };
    default:
      return { origin: TimerOriginKind.CREATE_TIMER };
  }
}

/** The identity of a generation whose start is still in the inbox. */
function adoptStart(record: InstanceRecord, state: OrchestrationRuntimeState): void {
  const start = state.startEvent;
  if (start === undefined) return;
  record.name = start.name;
  record.executionId = start.orchestrationInstance?.executionId ?? record.executionId;
}

function dropCancelled(record: InstanceRecord, state: OrchestrationRuntimeState): void {
  if (state.cancelledTimers.length > 0) {
    const gone = new Set(state.cancelledTimers);
    record.timers = record.timers.filter((timer) => !gone.has(timer.id));
  }
  if (state.cancelledTasks.length > 0) {
    const gone = new Set(state.cancelledTasks);
    record.tasks = record.tasks.filter((task) => !gone.has(task.id));
  }
}

function noteEventWaits(record: InstanceRecord, state: OrchestrationRuntimeState, nowMs: number): void {
  if (state.eventWaits === undefined) return;
  const since = new Map(record.eventWaits.map((wait) => [wait.name, wait.sinceMs]));
  record.eventWaits = state.eventWaits.map(({ name, count, deadlineMs }) =>
    create(EventWaitSchema, {
      name,
      count,
      sinceMs: since.get(name) ?? nowMs,
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    }),
  );
}

/** What was consumed is remembered, so that a repeated message has no second effect. */
export function noteReceipts(record: InstanceRecord, consumed: OpenTurn["consumed"], nowMs: number): void {
  for (const { envelope } of consumed) {
    if (envelope.idempotencyKey !== undefined) record.eventKeys.push(envelope.idempotencyKey);
    // Results need no receipt: the pending tables tell a repeated one.
    const isResult = envelope.event !== undefined && resultKeyOf(envelope.event) !== undefined;
    if (envelope.sourceExecutionId === "" || isResult) continue;
    const { sourceInstanceId: source, sourceExecutionId, seq } = envelope;
    const known = record.receipts.find((one) => one.source === source && one.sourceExecutionId === sourceExecutionId);
    if (known === undefined) {
      record.receipts.push(create(ReceiptSchema, { source, sourceExecutionId, seq, atMs: nowMs }));
    } else {
      const later = { ...known, seq: Math.max(known.seq, seq), atMs: nowMs };
      record.receipts = record.receipts.map((receipt) => (receipt === known ? later : receipt));
    }
  }
  if (record.receipts.length > MAX_RECEIPTS) {
    record.receipts = record.receipts.toSorted((one, other) => one.atMs - other.atMs).slice(-MAX_RECEIPTS);
  }
  if (record.eventKeys.length > MAX_EVENT_KEYS) record.eventKeys = record.eventKeys.slice(-MAX_EVENT_KEYS);
}

/** An event that an orchestration sends arrives as one that is raised. */
export function envelopeOf(record: InstanceRecord, message: PendingMessage, nowMs: number): Envelope {
  const { event } = message;
  const delivered =
    event.eventType.case === "eventSent"
      ? eventRaised(
          {
            name: event.eventType.value.name,
            input: event.eventType.value.input,
            senderInstanceId: record.instanceId,
          },
          nowMs,
        )
      : event;
  const envelope = create(EnvelopeSchema, {
    sourceInstanceId: record.instanceId,
    sourceExecutionId: record.incarnation,
    seq: record.nextEnvelopeSeq++,
    targetInstanceId: message.targetInstanceId,
    event: delivered,
    createdAtMs: nowMs,
  });
  if (message.generation !== undefined) envelope.generation = message.generation;
  if (message.executionId !== undefined) envelope.targetExecutionId = message.executionId;
  return envelope;
}

function carriedEnvelope(record: InstanceRecord, event: HistoryEvent, nowMs: number): Envelope[] {
  // Each turn brings its own OrchestratorStarted.
  if (event.eventType.case === "orchestratorStarted") return [];
  const { instanceId: targetInstanceId } = record;
  return [create(EnvelopeSchema, { targetInstanceId, event, createdAtMs: nowMs, carried: true })];
}
