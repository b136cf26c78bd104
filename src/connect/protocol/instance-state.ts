import { create } from "@bufbuild/protobuf";
import {
  type OrchestrationMetadata,
  orchestrationMetadataIsComplete,
  type PendingTimerInfo,
  type WaitingOn,
} from "../../core/hub/metadata.ts";
import { failureDetailsFromMessage } from "../../core/orchestration/failure-details.ts";
import {
  type OrchestrationState,
  OrchestrationStateSchema,
  OrchestrationStatus,
  TaskFailureDetailsSchema,
} from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import {
  type InstanceDetails,
  InstanceDetailsSchema,
} from "../../core/protocol/gen/perdura/wire/v1/task_hub_service_pb.ts";
import { type RuntimeStatus, statusFromName, statusName } from "../../core/protocol/status.ts";
import { timestampFromMs, timestampToMs } from "../../core/protocol/timestamp.ts";

/** Says whether the instance has had its first turn, or has ended without one. A parked instance may not have. */
export function hasStarted(metadata: OrchestrationMetadata): boolean {
  return metadata.startedAt !== undefined || orchestrationMetadataIsComplete(metadata);
}

/**
 * The status as the protocol's clients know it. Only Dapr's newest know STALLED, and mean by it that the code's version is
 * missing; an instance that is parked for another reason is shown as what it was.
 */
export function wireStatus(metadata: OrchestrationMetadata): OrchestrationStatus {
  if (metadata.runtimeStatus !== "STALLED") return statusFromName(metadata.runtimeStatus);
  return hasStarted(metadata) ? OrchestrationStatus.RUNNING : OrchestrationStatus.PENDING;
}

/** The names of statuses in either dialect's messages: their numbers are the same. @throws {@link InvalidArgumentError}. */
export function statusNames(statuses: readonly number[]): RuntimeStatus[] {
  return statuses.map((status) => statusName(status as OrchestrationStatus));
}

/** An instance as the protocol shows it; payloads (and the custom status) only where they are asked for. */
export function stateOf(metadata: OrchestrationMetadata, withPayloads: boolean): OrchestrationState {
  const { completedAt, scheduledStartAt, startedAt, failureDetails } = metadata;
  return create(OrchestrationStateSchema, {
    instanceId: metadata.instanceId,
    name: metadata.name,
    orchestrationStatus: wireStatus(metadata),
    createdTimestamp: timestampFromMs(metadata.createdAt.getTime()),
    lastUpdatedTimestamp: timestampFromMs(metadata.lastUpdatedAt.getTime()),
    executionId: metadata.executionId,
    tags: { ...metadata.tags },
    ...optional("version", metadata.version),
    ...optional("parentInstanceId", metadata.parentInstanceId),
    ...optional("scheduledStartTimestamp", scheduledStartAt && timestampFromMs(scheduledStartAt.getTime())),
    ...optional("completedTimestamp", completedAt && timestampFromMs(completedAt.getTime())),
    ...optional("startedAt", startedAt && timestampFromMs(startedAt.getTime())),
    ...(withPayloads
      ? {
          ...optional("input", metadata.input),
          ...optional("output", metadata.output),
          ...optional("customStatus", metadata.customStatus),
          ...optional("failureDetails", failureDetails && create(TaskFailureDetailsSchema, failureDetails)),
        }
      : {}),
  });
}

/** What Perdura's own client is shown beside the state. */
export function detailsOf(metadata: OrchestrationMetadata): InstanceDetails {
  const { waitingOn } = metadata;
  const { parked } = waitingOn;
  return create(InstanceDetailsSchema, {
    generation: metadata.generation,
    runtimeStatus: metadata.runtimeStatus,
    ...optional("customStatus", metadata.customStatus),
    activities: waitingOn.activities.map(({ scheduledAt, ...rest }) => ({
      ...rest,
      scheduledAtMs: scheduledAt.getTime(),
    })),
    timers: waitingOn.timers.map(({ fireAt, ...rest }) => ({ ...rest, fireAtMs: fireAt.getTime() })),
    events: waitingOn.events.map(({ since, deadline, ...rest }) => ({
      ...rest,
      sinceMs: since.getTime(),
      ...optional("deadlineMs", deadline?.getTime()),
    })),
    children: waitingOn.children.map(({ since, ...rest }) => ({ ...rest, sinceMs: since.getTime() })),
    ...(parked === undefined
      ? {}
      : { parked: { code: parked.code, message: parked.message, sinceMs: parked.since.getTime() } }),
  });
}

/** The metadata that a state and its details show. A server without details shows what the protocol has. */
export function metadataFrom(state: OrchestrationState, details: InstanceDetails | undefined): OrchestrationMetadata {
  const { failureDetails } = state;
  return {
    instanceId: state.instanceId,
    executionId: state.executionId ?? "",
    generation: details?.generation ?? 0,
    name: state.name,
    runtimeStatus: (details?.runtimeStatus || statusName(state.orchestrationStatus)) as RuntimeStatus,
    createdAt: dateOf(state.createdTimestamp) ?? new Date(0),
    lastUpdatedAt: dateOf(state.lastUpdatedTimestamp) ?? new Date(0),
    tags: { ...state.tags },
    waitingOn: waitingOnFrom(details),
    ...optional("version", state.version),
    ...optional("startedAt", dateOf(state.startedAt)),
    ...optional("completedAt", dateOf(state.completedTimestamp)),
    ...optional("scheduledStartAt", dateOf(state.scheduledStartTimestamp)),
    ...optional("parentInstanceId", state.parentInstanceId),
    ...optional("customStatus", details === undefined ? state.customStatus : details.customStatus),
    ...optional("input", state.input),
    ...optional("output", state.output),
    ...optional("failureDetails", failureDetails && failureDetailsFromMessage(failureDetails)),
  };
}

function waitingOnFrom(details: InstanceDetails | undefined): WaitingOn {
  if (details === undefined) return { activities: [], timers: [], events: [], children: [] };
  const { activities, timers, events, children, parked } = details;
  return {
    activities: activities.map(({ id, name, attempt, scheduledAtMs, taskExecutionId, parkedReason }) => ({
      id,
      name,
      attempt,
      scheduledAt: new Date(scheduledAtMs),
      taskExecutionId,
      ...optional("parkedReason", parkedReason),
    })),
    timers: timers.map(({ id, name, fireAtMs, purpose, nextAttempt }) => ({
      id,
      fireAt: new Date(fireAtMs),
      purpose: purpose as PendingTimerInfo["purpose"],
      ...optional("name", name),
      ...optional("nextAttempt", nextAttempt),
    })),
    events: events.map(({ name, sinceMs, deadlineMs, count }) => ({
      name,
      count,
      since: new Date(sinceMs),
      ...optional("deadline", deadlineMs === undefined ? undefined : new Date(deadlineMs)),
    })),
    children: children.map(({ id, instanceId, name, sinceMs }) => ({ id, instanceId, name, since: new Date(sinceMs) })),
    ...optional("parked", parked && { code: parked.code, message: parked.message, since: new Date(parked.sinceMs) }),
  };
}

function dateOf(timestamp: OrchestrationState["createdTimestamp"]): Date | undefined {
  return timestamp === undefined ? undefined : new Date(timestampToMs(timestamp));
}

/** A property that is absent rather than undefined. */
function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}
