/**
 * Constructors for every kind of history event.
 *
 * `eventId` is the id of the action that the event records; events that record none have the id -1. `timestampMs` is
 * the time of the event in milliseconds since the Unix epoch. Optional fields that are undefined stay unset. Nested
 * messages, maps and lists are taken over, not copied; failures are cut to their outer levels (see `failure-depth.ts`).
 * All constructors throw InvalidArgumentError for a time that is not finite or outside the years 1 to 9999, and nothing
 * else.
 */

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { defined } from "./defined.ts";
import { type FailureDetailsInit, limitFailureDepth } from "./failure-depth.ts";
import {
  type ActivityCompletionAttestationSchema,
  type ChildCompletionAttestationSchema,
  type EngineInfoSchema,
  type HistoryEvent,
  HistoryEventSchema,
  type HistoryPropagationScope,
  type OrchestrationStateSchema,
  type OrchestrationStatus,
  type OrchestrationVersionSchema,
  type ParentInstanceInfoSchema,
  type RerunParentInstanceInfoSchema,
  type RetryParentInstanceInfoSchema,
  type StalledReason,
  type TaskRouterSchema,
  type TimerCreatedEventSchema,
  type TraceContextSchema,
} from "./gen/perdura/model/v1/history_pb.ts";
import { type Moment, timestampFromMs, timestampOf } from "./timestamp.ts";

/** The id of an event that records no action. */
const NO_EVENT_ID = -1;

/** Who waits for an instance: a message, or the fields of one. */
export type ParentInstanceInit = MessageInitShape<typeof ParentInstanceInfoSchema>;
/** A trace context: a message, or the fields of one. */
export type TraceContextInit = MessageInitShape<typeof TraceContextSchema>;
/** A router: a message, or the fields of one. */
export type RouterInit = MessageInitShape<typeof TaskRouterSchema>;
/** The engine behaviour that a generation is pinned to: a message, or the fields of one. */
export type EngineInfoInit = MessageInitShape<typeof EngineInfoSchema>;
/** Patches and named version of a turn: a message, or the fields of one. */
export type VersionInit = MessageInitShape<typeof OrchestrationVersionSchema>;
/** What a timer is for: one of `createTimer`, `externalEvent`, `activityRetry` and `childWorkflowRetry`. */
export type TimerOriginInit = MessageInitShape<typeof TimerCreatedEventSchema>["origin"];
/** Tags by name. */
export type Tags = { [name: string]: string };

/** Fields of {@link executionStarted}. */
export interface ExecutionStartedFields {
  readonly name: string;
  readonly version?: string | undefined;
  readonly input?: string | undefined;
  readonly instanceId: string;
  readonly executionId?: string | undefined;
  readonly parent?: ParentInstanceInit | undefined;
  /** Not to start before this time. */
  readonly scheduledStart?: Moment | undefined;
  readonly tags?: Tags | undefined;
  readonly parentTraceContext?: TraceContextInit | undefined;
  readonly orchestrationSpanID?: string | undefined;
  /** Counts continue-as-new; 0 (the default) is the first. */
  readonly generation?: number | undefined;
  readonly router?: RouterInit | undefined;
}

/** A generation of an instance begins. */
export function executionStarted(fields: ExecutionStartedFields, timestampMs: number): HistoryEvent {
  const value = defined({
    name: fields.name,
    version: fields.version,
    input: fields.input,
    orchestrationInstance: defined({ instanceId: fields.instanceId, executionId: fields.executionId }),
    parentInstance: fields.parent,
    scheduledStartTimestamp: optionalTime(fields.scheduledStart),
    parentTraceContext: fields.parentTraceContext,
    orchestrationSpanID: fields.orchestrationSpanID,
    tags: fields.tags,
    generation: fields.generation,
  });
  return event(NO_EVENT_ID, timestampMs, { case: "executionStarted", value }, fields.router);
}

/** Fields of {@link executionCompleted}. */
export interface ExecutionCompletedFields {
  readonly status: OrchestrationStatus;
  readonly result?: string | undefined;
  readonly failureDetails?: FailureDetailsInit | undefined;
}

/** The instance ends, or continues as new. */
export function executionCompleted(
  eventId: number,
  fields: ExecutionCompletedFields,
  timestampMs: number,
): HistoryEvent {
  const value = defined({
    orchestrationStatus: fields.status,
    result: fields.result,
    failureDetails: limitFailureDepth(fields.failureDetails),
  });
  return event(eventId, timestampMs, { case: "executionCompleted", value });
}

/** Fields of {@link executionTerminated}. */
export interface ExecutionTerminatedFields {
  /** The output that the terminated instance gets. */
  readonly input?: string | undefined;
  /** Whether the children are terminated too. */
  readonly recurse: boolean;
}

/** Somebody asked to end the instance from outside. */
export function executionTerminated(fields: ExecutionTerminatedFields, timestampMs: number): HistoryEvent {
  const value = defined({ input: fields.input, recurse: fields.recurse });
  return event(NO_EVENT_ID, timestampMs, { case: "executionTerminated", value });
}

/** Fields of {@link taskScheduled}. */
export interface TaskScheduledFields {
  readonly name: string;
  readonly version?: string | undefined;
  readonly input?: string | undefined;
  readonly parentTraceContext?: TraceContextInit | undefined;
  /** The same for every attempt of one activity call. */
  readonly taskExecutionId: string;
  readonly rerunParentInstanceInfo?: MessageInitShape<typeof RerunParentInstanceInfoSchema> | undefined;
  readonly historyPropagationScope?: HistoryPropagationScope | undefined;
  readonly tags?: Tags | undefined;
  /** How long one attempt may take, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  /** 1 is the first attempt. */
  readonly attempt?: number | undefined;
  readonly router?: RouterInit | undefined;
}

/** An activity was scheduled. */
export function taskScheduled(eventId: number, fields: TaskScheduledFields, timestampMs: number): HistoryEvent {
  const { router, ...rest } = fields;
  return event(eventId, timestampMs, { case: "taskScheduled", value: defined(rest) }, router);
}

/** Fields of {@link taskCompleted}. */
export interface TaskCompletedFields {
  readonly result?: string | undefined;
  readonly taskExecutionId?: string | undefined;
  readonly attestation?: MessageInitShape<typeof ActivityCompletionAttestationSchema> | undefined;
  readonly signerCertificate?: Uint8Array<ArrayBuffer> | undefined;
  readonly router?: RouterInit | undefined;
}

/** The activity that the event `taskScheduledId` scheduled returned. */
export function taskCompleted(taskScheduledId: number, fields: TaskCompletedFields, timestampMs: number): HistoryEvent {
  const { router, ...rest } = fields;
  return event(
    NO_EVENT_ID,
    timestampMs,
    { case: "taskCompleted", value: defined({ ...rest, taskScheduledId }) },
    router,
  );
}

/** Fields of {@link taskFailed}. */
export interface TaskFailedFields {
  readonly failureDetails: FailureDetailsInit;
  readonly taskExecutionId?: string | undefined;
  readonly attestation?: MessageInitShape<typeof ActivityCompletionAttestationSchema> | undefined;
  readonly signerCertificate?: Uint8Array<ArrayBuffer> | undefined;
  readonly router?: RouterInit | undefined;
}

/** The activity that the event `taskScheduledId` scheduled failed. */
export function taskFailed(taskScheduledId: number, fields: TaskFailedFields, timestampMs: number): HistoryEvent {
  const { router, ...rest } = fields;
  const failureDetails = limitFailureDepth(fields.failureDetails);
  const value = defined({ ...rest, failureDetails, taskScheduledId });
  return event(NO_EVENT_ID, timestampMs, { case: "taskFailed", value }, router);
}

/** Fields of {@link subOrchestrationCreated}. */
export interface SubOrchestrationCreatedFields {
  readonly instanceId: string;
  readonly name: string;
  readonly version?: string | undefined;
  readonly input?: string | undefined;
  readonly parentTraceContext?: TraceContextInit | undefined;
  readonly rerunParentInstanceInfo?: MessageInitShape<typeof RerunParentInstanceInfoSchema> | undefined;
  readonly historyPropagationScope?: HistoryPropagationScope | undefined;
  readonly retryParentInstanceInfo?: MessageInitShape<typeof RetryParentInstanceInfoSchema> | undefined;
  readonly tags?: Tags | undefined;
  readonly router?: RouterInit | undefined;
}

/** A child was started. */
export function subOrchestrationCreated(
  eventId: number,
  fields: SubOrchestrationCreatedFields,
  timestampMs: number,
): HistoryEvent {
  const { router, ...rest } = fields;
  return event(eventId, timestampMs, { case: "subOrchestrationInstanceCreated", value: defined(rest) }, router);
}

/** Fields of {@link subOrchestrationCompleted}. */
export interface SubOrchestrationCompletedFields {
  readonly result?: string | undefined;
  readonly attestation?: MessageInitShape<typeof ChildCompletionAttestationSchema> | undefined;
  readonly signerCertificate?: Uint8Array<ArrayBuffer> | undefined;
  readonly router?: RouterInit | undefined;
}

/** The child that the event `taskScheduledId` started completed. */
export function subOrchestrationCompleted(
  taskScheduledId: number,
  fields: SubOrchestrationCompletedFields,
  timestampMs: number,
): HistoryEvent {
  const { router, ...rest } = fields;
  const value = defined({ ...rest, taskScheduledId });
  return event(NO_EVENT_ID, timestampMs, { case: "subOrchestrationInstanceCompleted", value }, router);
}

/** Fields of {@link subOrchestrationFailed}. */
export interface SubOrchestrationFailedFields {
  readonly failureDetails: FailureDetailsInit;
  readonly attestation?: MessageInitShape<typeof ChildCompletionAttestationSchema> | undefined;
  readonly signerCertificate?: Uint8Array<ArrayBuffer> | undefined;
  readonly router?: RouterInit | undefined;
}

/** The child that the event `taskScheduledId` started failed, was terminated or could not be started. */
export function subOrchestrationFailed(
  taskScheduledId: number,
  fields: SubOrchestrationFailedFields,
  timestampMs: number,
): HistoryEvent {
  const { router, ...rest } = fields;
  const failureDetails = limitFailureDepth(fields.failureDetails);
  const value = defined({ ...rest, failureDetails, taskScheduledId });
  return event(NO_EVENT_ID, timestampMs, { case: "subOrchestrationInstanceFailed", value }, router);
}

/** Fields of {@link timerCreated}. */
export interface TimerCreatedFields {
  readonly fireAt: Moment;
  readonly name?: string | undefined;
  readonly origin?: TimerOriginInit | undefined;
  readonly rerunParentInstanceInfo?: MessageInitShape<typeof RerunParentInstanceInfoSchema> | undefined;
  /** The attempt that a retry timer leads to. */
  readonly attempt?: number | undefined;
  readonly router?: RouterInit | undefined;
}

/** A timer was set. */
export function timerCreated(eventId: number, fields: TimerCreatedFields, timestampMs: number): HistoryEvent {
  const { router, fireAt, ...rest } = fields;
  const value = defined({ ...rest, fireAt: timestampOf(fireAt) });
  return event(eventId, timestampMs, { case: "timerCreated", value }, router);
}

/** Fields of {@link timerFired}. */
export interface TimerFiredFields {
  /** The event id of the TimerCreated. */
  readonly timerId: number;
  readonly fireAt: Moment;
}

/** A timer is due. */
export function timerFired(fields: TimerFiredFields, timestampMs: number): HistoryEvent {
  const value = defined({ timerId: fields.timerId, fireAt: timestampOf(fields.fireAt) });
  return event(NO_EVENT_ID, timestampMs, { case: "timerFired", value });
}

/** Fields of {@link orchestratorStarted}. */
export interface OrchestratorStartedFields {
  readonly version?: VersionInit | undefined;
  /** To be given on the first turn of a generation. */
  readonly engine?: EngineInfoInit | undefined;
}

/** A turn begins; its time is the event's. */
export function orchestratorStarted(timestampMs: number, fields: OrchestratorStartedFields = {}): HistoryEvent {
  const value = defined({ version: fields.version, engine: fields.engine });
  return event(NO_EVENT_ID, timestampMs, { case: "orchestratorStarted", value });
}

/** A turn ends. */
export function orchestratorCompleted(timestampMs: number): HistoryEvent {
  return event(NO_EVENT_ID, timestampMs, { case: "orchestratorCompleted", value: {} });
}

/** Fields of {@link eventSent}. */
export interface EventSentFields {
  /** The instance that the event was sent to. */
  readonly instanceId: string;
  readonly name: string;
  readonly input?: string | undefined;
  readonly router?: RouterInit | undefined;
}

/** An event was sent to another instance. */
export function eventSent(eventId: number, fields: EventSentFields, timestampMs: number): HistoryEvent {
  const { router, ...rest } = fields;
  return event(eventId, timestampMs, { case: "eventSent", value: defined(rest) }, router);
}

/** Fields of {@link eventRaised}. */
export interface EventRaisedFields {
  readonly name: string;
  readonly input?: string | undefined;
  /** The orchestration that sent the event; absent for a client. */
  readonly senderInstanceId?: string | undefined;
  readonly router?: RouterInit | undefined;
}

/** An external event arrived. */
export function eventRaised(fields: EventRaisedFields, timestampMs: number): HistoryEvent {
  const { router, ...rest } = fields;
  return event(NO_EVENT_ID, timestampMs, { case: "eventRaised", value: defined(rest) }, router);
}

/** Free data that replay skips. */
export function genericEvent(fields: { readonly data?: string | undefined }, timestampMs: number): HistoryEvent {
  return event(NO_EVENT_ID, timestampMs, { case: "genericEvent", value: defined(fields) });
}

/** A snapshot of an instance's state. Accepted by replay, never written by the engine. */
export function historyState(
  orchestrationState: MessageInitShape<typeof OrchestrationStateSchema>,
  timestampMs: number,
): HistoryEvent {
  return event(NO_EVENT_ID, timestampMs, { case: "historyState", value: { orchestrationState } });
}

/** An input that is the only thing an event carries. */
export interface InputFields {
  readonly input?: string | undefined;
}

/** The old marker of a continue-as-new. Accepted by replay, never written by the engine. */
export function continueAsNewEvent(fields: InputFields, timestampMs: number): HistoryEvent {
  return event(NO_EVENT_ID, timestampMs, { case: "continueAsNew", value: defined(fields) });
}

/** The instance was suspended; the input is the reason. */
export function executionSuspended(fields: InputFields, timestampMs: number): HistoryEvent {
  return event(NO_EVENT_ID, timestampMs, { case: "executionSuspended", value: defined(fields) });
}

/** The instance was resumed; the input is the reason. */
export function executionResumed(fields: InputFields, timestampMs: number): HistoryEvent {
  return event(NO_EVENT_ID, timestampMs, { case: "executionResumed", value: defined(fields) });
}

/** Fields of {@link executionStalled}. */
export interface ExecutionStalledFields {
  readonly reason: StalledReason;
  readonly description?: string | undefined;
}

/** The instance cannot go on until something outside it changes. */
export function executionStalled(fields: ExecutionStalledFields, timestampMs: number): HistoryEvent {
  const value = defined({ reason: fields.reason, description: fields.description });
  return event(NO_EVENT_ID, timestampMs, { case: "executionStalled", value });
}

/** Fields of {@link executionRewound}. */
export interface ExecutionRewoundFields {
  readonly reason?: string | undefined;
  readonly parentExecutionId?: string | undefined;
  readonly instanceId?: string | undefined;
  readonly parentTraceContext?: TraceContextInit | undefined;
  readonly name?: string | undefined;
  readonly version?: string | undefined;
  readonly input?: string | undefined;
  readonly parentInstance?: ParentInstanceInit | undefined;
  readonly tags?: Tags | undefined;
}

/** The instance was taken back to the point before its failures. */
export function executionRewound(fields: ExecutionRewoundFields, timestampMs: number): HistoryEvent {
  return event(NO_EVENT_ID, timestampMs, { case: "executionRewound", value: defined(fields) });
}

/** Fields of {@link detachedCreated}. */
export interface DetachedCreatedFields {
  readonly instanceId: string;
  readonly router?: RouterInit | undefined;
}

/** An instance without a parent was started. */
export function detachedCreated(eventId: number, fields: DetachedCreatedFields, timestampMs: number): HistoryEvent {
  const value = defined({ instanceId: fields.instanceId });
  return event(eventId, timestampMs, { case: "detachedWorkflowInstanceCreated", value }, fields.router);
}

/** Fields of {@link entityOperationSignaled}. */
export interface EntityOperationSignaledFields {
  readonly requestId: string;
  readonly operation: string;
  readonly scheduledTime?: Moment | undefined;
  readonly input?: string | undefined;
  /** In histories only. */
  readonly targetInstanceId?: string | undefined;
}

/** An entity was sent an operation that nobody waits for. As a message it has the event id -1. */
export function entityOperationSignaled(
  eventId: number,
  fields: EntityOperationSignaledFields,
  timestampMs: number,
): HistoryEvent {
  const value = defined({ ...fields, scheduledTime: optionalTime(fields.scheduledTime) });
  return event(eventId, timestampMs, { case: "entityOperationSignaled", value });
}

/** Fields of {@link entityOperationCalled}. */
export interface EntityOperationCalledFields {
  readonly requestId: string;
  readonly operation: string;
  readonly scheduledTime?: Moment | undefined;
  readonly input?: string | undefined;
  /** In messages only. */
  readonly parentInstanceId?: string | undefined;
  /** In messages only. */
  readonly parentExecutionId?: string | undefined;
  /** In histories only. */
  readonly targetInstanceId?: string | undefined;
}

/** An entity was sent an operation whose result is awaited. As a message it has the event id -1. */
export function entityOperationCalled(
  eventId: number,
  fields: EntityOperationCalledFields,
  timestampMs: number,
): HistoryEvent {
  const value = defined({ ...fields, scheduledTime: optionalTime(fields.scheduledTime) });
  return event(eventId, timestampMs, { case: "entityOperationCalled", value });
}

/** Fields of {@link entityLockRequested}. */
export interface EntityLockRequestedFields {
  readonly criticalSectionId: string;
  /** The instance ids of the entities, sorted. */
  readonly lockSet: readonly string[];
  /** How many of them are locked already. */
  readonly position: number;
  /** In messages only. */
  readonly parentInstanceId?: string | undefined;
}

/** Locks on a set of entities were asked for. As a message it has the event id -1. */
export function entityLockRequested(
  eventId: number,
  fields: EntityLockRequestedFields,
  timestampMs: number,
): HistoryEvent {
  const value = defined({ ...fields, lockSet: [...fields.lockSet] });
  return event(eventId, timestampMs, { case: "entityLockRequested", value });
}

/** Fields of {@link entityUnlockSent}. */
export interface EntityUnlockSentFields {
  readonly criticalSectionId: string;
  /** In messages only. */
  readonly parentInstanceId?: string | undefined;
  /** In histories only. */
  readonly targetInstanceId?: string | undefined;
}

/** A lock was given back. As a message it has the event id -1. */
export function entityUnlockSent(eventId: number, fields: EntityUnlockSentFields, timestampMs: number): HistoryEvent {
  return event(eventId, timestampMs, { case: "entityUnlockSent", value: defined(fields) });
}

/** Fields of {@link entityOperationCompleted}. */
export interface EntityOperationCompletedFields {
  readonly requestId: string;
  readonly output?: string | undefined;
}

/** An awaited entity operation returned. */
export function entityOperationCompleted(fields: EntityOperationCompletedFields, timestampMs: number): HistoryEvent {
  const value = defined({ requestId: fields.requestId, output: fields.output });
  return event(NO_EVENT_ID, timestampMs, { case: "entityOperationCompleted", value });
}

/** Fields of {@link entityOperationFailed}. */
export interface EntityOperationFailedFields {
  readonly requestId: string;
  readonly failureDetails: FailureDetailsInit;
}

/** An awaited entity operation failed. */
export function entityOperationFailed(fields: EntityOperationFailedFields, timestampMs: number): HistoryEvent {
  const value = defined({ requestId: fields.requestId, failureDetails: limitFailureDepth(fields.failureDetails) });
  return event(NO_EVENT_ID, timestampMs, { case: "entityOperationFailed", value });
}

/** All locks of a critical section are held. */
export function entityLockGranted(fields: { readonly criticalSectionId: string }, timestampMs: number): HistoryEvent {
  const value = defined({ criticalSectionId: fields.criticalSectionId });
  return event(NO_EVENT_ID, timestampMs, { case: "entityLockGranted", value });
}

type EventTypeInit = NonNullable<MessageInitShape<typeof HistoryEventSchema>["eventType"]>;

function event(eventId: number, timestampMs: number, eventType: EventTypeInit, router?: RouterInit): HistoryEvent {
  return create(HistoryEventSchema, defined({ eventId, timestamp: timestampFromMs(timestampMs), eventType, router }));
}

function optionalTime(moment: Moment | undefined): ReturnType<typeof timestampOf> | undefined {
  return moment === undefined ? undefined : timestampOf(moment);
}
