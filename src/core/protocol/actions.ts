/**
 * Constructors for every kind of orchestrator action, and for the requests and responses of workers.
 *
 * `id` is the action's sequence number within its generation, from 0. Optional fields that are undefined stay unset.
 * Nested messages, maps and lists are taken over, not copied. Constructors that take a time throw InvalidArgumentError
 * when it is not finite or outside the years 1 to 9999; nothing else is thrown.
 */

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { defined } from "./defined.ts";
import type { RouterInit, Tags, TimerOriginInit, TraceContextInit, VersionInit } from "./events.ts";
import { type FailureDetailsInit, limitFailureDepth } from "./failure-depth.ts";
import {
  type ActivityRequest,
  ActivityRequestSchema,
  type ActivityResponse,
  ActivityResponseSchema,
  type CachedHistorySchema,
  type HistoryEvent,
  type HistoryPropagationScope,
  type OrchestrationStatus,
  type OrchestrationTraceContextSchema,
  type OrchestratorAction,
  OrchestratorActionSchema,
  type OrchestratorEntityParametersSchema,
  type OrchestratorRequest,
  OrchestratorRequestSchema,
  type OrchestratorResponse,
  OrchestratorResponseSchema,
  type PropagatedHistorySchema,
  type RetryParentInstanceInfoSchema,
  type SendEntityMessageActionSchema,
} from "./gen/perdura/model/v1/history_pb.ts";
import { type Moment, timestampOf } from "./timestamp.ts";

/** Fields of {@link scheduleTaskAction}. */
export interface ScheduleTaskFields {
  readonly name: string;
  readonly version?: string | undefined;
  readonly input?: string | undefined;
  /** The same for every attempt of one activity call. */
  readonly taskExecutionId?: string | undefined;
  readonly historyPropagationScope?: HistoryPropagationScope | undefined;
  readonly tags?: Tags | undefined;
  readonly parentTraceContext?: TraceContextInit | undefined;
  /** How long one attempt may take, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  /** 1 is the first attempt. */
  readonly attempt?: number | undefined;
  /** The router of the action. */
  readonly router?: RouterInit | undefined;
}

/** Run an activity. */
export function scheduleTaskAction(id: number, fields: ScheduleTaskFields): OrchestratorAction {
  const { router, ...rest } = fields;
  return action(id, { case: "scheduleTask", value: defined(rest) }, router);
}

/** Fields of {@link createSubOrchestrationAction}. */
export interface CreateSubOrchestrationFields {
  /** Empty or absent: the engine makes one from the parent's id. */
  readonly instanceId?: string | undefined;
  readonly name: string;
  readonly version?: string | undefined;
  readonly input?: string | undefined;
  readonly historyPropagationScope?: HistoryPropagationScope | undefined;
  readonly retryParentInstanceInfo?: MessageInitShape<typeof RetryParentInstanceInfoSchema> | undefined;
  readonly tags?: Tags | undefined;
  readonly parentTraceContext?: TraceContextInit | undefined;
  /** The router of the action. */
  readonly router?: RouterInit | undefined;
}

/** Start a child and wait for it. */
export function createSubOrchestrationAction(id: number, fields: CreateSubOrchestrationFields): OrchestratorAction {
  const { router, ...rest } = fields;
  return action(id, { case: "createSubOrchestration", value: defined(rest) }, router);
}

/** Fields of {@link createTimerAction}. */
export interface CreateTimerFields {
  readonly fireAt: Moment;
  readonly name?: string | undefined;
  readonly origin?: TimerOriginInit | undefined;
  /** The attempt that a retry timer leads to. */
  readonly attempt?: number | undefined;
}

/** Set a timer. */
export function createTimerAction(id: number, fields: CreateTimerFields): OrchestratorAction {
  const value = defined({ ...fields, fireAt: timestampOf(fields.fireAt) });
  return action(id, { case: "createTimer", value });
}

/** Fields of {@link sendEventAction}. */
export interface SendEventFields {
  /** The instance that the event is for. */
  readonly instanceId: string;
  readonly executionId?: string | undefined;
  readonly name: string;
  readonly data?: string | undefined;
  /** The router of the action. */
  readonly router?: RouterInit | undefined;
}

/** Send an event to another instance. */
export function sendEventAction(id: number, fields: SendEventFields): OrchestratorAction {
  const value = defined({
    instance: defined({ instanceId: fields.instanceId, executionId: fields.executionId }),
    name: fields.name,
    data: fields.data,
  });
  return action(id, { case: "sendEvent", value }, fields.router);
}

/** Fields of {@link completeOrchestrationAction}. */
export interface CompleteOrchestrationFields {
  /** CONTINUED_AS_NEW begins a new generation with the result as its input. */
  readonly status: OrchestrationStatus;
  readonly result?: string | undefined;
  readonly details?: string | undefined;
  readonly newVersion?: string | undefined;
  /** Events that the next generation is to receive first. */
  readonly carryoverEvents?: readonly HistoryEvent[] | undefined;
  readonly failureDetails?: FailureDetailsInit | undefined;
  readonly tags?: Tags | undefined;
}

/** End this instance, or continue it as new. */
export function completeOrchestrationAction(id: number, fields: CompleteOrchestrationFields): OrchestratorAction {
  const { status, carryoverEvents, ...rest } = fields;
  const failureDetails = limitFailureDepth(fields.failureDetails);
  const value = defined({
    ...rest,
    failureDetails,
    orchestrationStatus: status,
    carryoverEvents: mutable(carryoverEvents),
  });
  return action(id, { case: "completeOrchestration", value });
}

/** Fields of {@link terminateOrchestrationAction}. */
export interface TerminateOrchestrationFields {
  readonly instanceId: string;
  readonly reason?: string | undefined;
  /** Whether the children are terminated too. */
  readonly recurse?: boolean | undefined;
}

/** Terminate another instance. */
export function terminateOrchestrationAction(id: number, fields: TerminateOrchestrationFields): OrchestratorAction {
  return action(id, { case: "terminateOrchestration", value: defined(fields) });
}

/** A message for an entity: one of its four kinds, by `case` and `value`. */
export type EntityMessageInit = NonNullable<
  MessageInitShape<typeof SendEntityMessageActionSchema>["entityMessageType"]
>;

/** Send a message to an entity. */
export function sendEntityMessageAction(id: number, entityMessageType: EntityMessageInit): OrchestratorAction {
  return action(id, { case: "sendEntityMessage", value: { entityMessageType } });
}

/** Say that no worker has the version that the instance is pinned to. */
export function versionNotAvailableAction(id: number): OrchestratorAction {
  return action(id, { case: "workflowVersionNotAvailable", value: {} });
}

/** Fields of {@link createDetachedWorkflowAction}. */
export interface CreateDetachedWorkflowFields {
  readonly instanceId: string;
  readonly name: string;
  readonly version?: string | undefined;
  readonly input?: string | undefined;
  /** Not to start before this time. */
  readonly scheduledStart?: Moment | undefined;
  /** Absent: the engine makes one. */
  readonly executionId?: string | undefined;
  readonly tags?: Tags | undefined;
  readonly parentTraceContext?: TraceContextInit | undefined;
  /** The router of the action. */
  readonly router?: RouterInit | undefined;
}

/** Start an instance that has no parent. */
export function createDetachedWorkflowAction(id: number, fields: CreateDetachedWorkflowFields): OrchestratorAction {
  const { router, scheduledStart, ...rest } = fields;
  const scheduledStartTimestamp = scheduledStart === undefined ? undefined : timestampOf(scheduledStart);
  return action(id, { case: "createDetachedWorkflow", value: defined({ ...rest, scheduledStartTimestamp }) }, router);
}

/** Replace this generation's history by the one given. */
export function rewindOrchestrationAction(id: number, newHistory: readonly HistoryEvent[]): OrchestratorAction {
  return action(id, { case: "rewindOrchestration", value: { newHistory: newHistory as HistoryEvent[] } });
}

/** Fields of {@link orchestratorRequest}. */
export interface OrchestratorRequestFields {
  readonly instanceId: string;
  readonly executionId?: string | undefined;
  /** The committed events of the generation. */
  readonly pastEvents?: readonly HistoryEvent[] | undefined;
  /** The events of this turn; never empty. */
  readonly newEvents: readonly HistoryEvent[];
  readonly entityParameters?: MessageInitShape<typeof OrchestratorEntityParametersSchema> | undefined;
  /** The past events are left out and to be fetched as a stream. */
  readonly requiresHistoryStreaming?: boolean | undefined;
  readonly router?: RouterInit | undefined;
  readonly propagatedHistory?: MessageInitShape<typeof PropagatedHistorySchema> | undefined;
  readonly cachedHistory?: MessageInitShape<typeof CachedHistorySchema> | undefined;
  readonly properties?: MessageInitShape<typeof OrchestratorRequestSchema>["properties"] | undefined;
  readonly orchestrationTraceContext?: MessageInitShape<typeof OrchestrationTraceContextSchema> | undefined;
}

/** A turn for a worker to run. */
export function orchestratorRequest(fields: OrchestratorRequestFields): OrchestratorRequest {
  return create(
    OrchestratorRequestSchema,
    defined({ ...fields, pastEvents: mutable(fields.pastEvents), newEvents: mutable(fields.newEvents) }),
  );
}

/** Fields of {@link orchestratorResponse}. */
export interface OrchestratorResponseFields {
  readonly instanceId: string;
  readonly actions: readonly OrchestratorAction[];
  readonly customStatus?: string | undefined;
  readonly completionToken?: string | undefined;
  readonly numEventsProcessed?: number | undefined;
  readonly version?: VersionInit | undefined;
  readonly orchestrationTraceContext?: MessageInitShape<typeof OrchestrationTraceContextSchema> | undefined;
  /** The worker asks for the same turn with the whole history. */
  readonly requiresHistory?: boolean | undefined;
  /** More parts of this response follow under the same token. */
  readonly isPartial?: boolean | undefined;
  readonly chunkIndex?: number | undefined;
}

/** What a turn asks for. */
export function orchestratorResponse(fields: OrchestratorResponseFields): OrchestratorResponse {
  return create(OrchestratorResponseSchema, defined({ ...fields, actions: mutable(fields.actions) }));
}

/** Fields of {@link activityRequest}. */
export interface ActivityRequestFields {
  readonly name: string;
  readonly version?: string | undefined;
  readonly input?: string | undefined;
  readonly instanceId: string;
  readonly executionId?: string | undefined;
  /** The event id of the TaskScheduled. */
  readonly taskId: number;
  readonly parentTraceContext?: TraceContextInit | undefined;
  readonly taskExecutionId?: string | undefined;
  readonly propagatedHistory?: MessageInitShape<typeof PropagatedHistorySchema> | undefined;
  readonly tags?: Tags | undefined;
}

/** An activity for a worker to run. */
export function activityRequest(fields: ActivityRequestFields): ActivityRequest {
  const { instanceId, executionId, ...rest } = fields;
  return create(
    ActivityRequestSchema,
    defined({ ...rest, orchestrationInstance: defined({ instanceId, executionId }) }),
  );
}

/** Fields of {@link activityResponse}. */
export interface ActivityResponseFields {
  readonly instanceId: string;
  readonly taskId: number;
  readonly result?: string | undefined;
  /** Set when the activity failed. */
  readonly failureDetails?: FailureDetailsInit | undefined;
  readonly completionToken?: string | undefined;
}

/** How an activity ended. */
export function activityResponse(fields: ActivityResponseFields): ActivityResponse {
  return create(
    ActivityResponseSchema,
    defined({ ...fields, failureDetails: limitFailureDepth(fields.failureDetails) }),
  );
}

type ActionTypeInit = NonNullable<MessageInitShape<typeof OrchestratorActionSchema>["orchestratorActionType"]>;

function action(id: number, orchestratorActionType: ActionTypeInit, router?: RouterInit): OrchestratorAction {
  return create(OrchestratorActionSchema, defined({ id, orchestratorActionType, router }));
}

/** A list as generated messages want it. Nothing here writes to it. */
function mutable<T>(list: readonly T[] | undefined): T[] | undefined {
  return list as T[] | undefined;
}
