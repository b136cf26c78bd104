import type { OrchestrationMetadata, PendingTimerInfo, WaitingOn } from "../hub/metadata.ts";
import { failureDetailsFromMessage } from "../orchestration/failure-details.ts";
import type { HistoryEvent, TaskFailureDetails } from "../protocol/gen/perdura/model/v1/history_pb.ts";
import { type InstanceRecord, type PendingTimer, TimerOriginKind } from "../protocol/gen/perdura/model/v1/store_pb.ts";
import { statusName } from "../protocol/status.ts";
import { timestampToMsCeil } from "../protocol/timestamp.ts";

/** The payloads of an instance, which are in its history and not in its record. */
export interface InstancePayloads {
  readonly input: string | undefined;
  readonly output: string | undefined;
  readonly failureDetails: TaskFailureDetails | undefined;
}

/** What a record, and its payloads where they were read, show to the outside. */
export function metadataOf(record: InstanceRecord, payloads?: InstancePayloads): OrchestrationMetadata {
  return {
    instanceId: record.instanceId,
    executionId: record.executionId,
    generation: record.generation,
    name: record.name,
    runtimeStatus: statusName(record.status),
    createdAt: new Date(record.createdAtMs),
    lastUpdatedAt: new Date(record.lastUpdatedAtMs),
    tags: { ...record.tags },
    waitingOn: waitingOnOf(record),
    ...optional("version", record.version),
    ...optional("startedAt", dateOf(record.startedAtMs)),
    ...optional("completedAt", dateOf(record.completedAtMs)),
    ...optional("movedAt", dateOf(record.movedAtMs)),
    ...optional("scheduledStartAt", dateOf(record.scheduledStartAtMs)),
    ...optional("parentInstanceId", record.parent?.orchestrationInstance?.instanceId),
    ...optional("customStatus", record.customStatus),
    ...optional("input", payloads?.input),
    ...optional("output", payloads?.output),
    ...optional("failureDetails", payloads?.failureDetails && failureDetailsFromMessage(payloads.failureDetails)),
  };
}

/** Finds an instance's payloads in its events: the first start, the last completion. */
export function payloadsOf(events: readonly HistoryEvent[]): InstancePayloads {
  let input: string | undefined;
  let output: string | undefined;
  let failureDetails: TaskFailureDetails | undefined;
  for (const { eventType } of events) {
    if (eventType.case === "executionStarted") input ??= eventType.value.input;
    if (eventType.case === "executionCompleted") {
      output = eventType.value.result;
      failureDetails = eventType.value.failureDetails;
    }
  }
  return { input, output, failureDetails };
}

function waitingOnOf(record: InstanceRecord): WaitingOn {
  return {
    activities: record.tasks.map((task) => ({
      id: task.id,
      name: task.name,
      attempt: task.attempt,
      scheduledAt: new Date(task.scheduledAtMs),
      taskExecutionId: task.taskExecutionId,
      ...optional("parkedReason", task.parkedReason),
    })),
    timers: record.timers.map(timerOf),
    events: record.eventWaits.map((wait) => ({
      name: wait.name,
      count: wait.count,
      since: new Date(wait.sinceMs),
      ...optional("deadline", dateOf(wait.deadlineMs)),
    })),
    children: record.children.map((child) => ({
      id: child.id,
      instanceId: child.instanceId,
      name: child.name,
      since: new Date(child.createdAtMs),
    })),
    ...optional(
      "parked",
      record.parked && {
        code: record.parked.code,
        message: record.parked.message,
        since: new Date(record.parked.sinceMs),
      },
    ),
  };
}

const PURPOSES: Readonly<Partial<Record<TimerOriginKind, PendingTimerInfo["purpose"]>>> = {
  [TimerOriginKind.EXTERNAL_EVENT]: "event-timeout",
  [TimerOriginKind.ACTIVITY_RETRY]: "activity-retry",
  [TimerOriginKind.CHILD_RETRY]: "child-retry",
};

function timerOf(timer: PendingTimer): PendingTimerInfo {
  return {
    id: timer.id,
    fireAt: new Date(timer.fireAt === undefined ? 0 : timestampToMsCeil(timer.fireAt)),
    purpose: PURPOSES[timer.origin] ?? "timer",
    ...optional("name", timer.name),
    ...optional("nextAttempt", timer.attempt > 0 ? timer.attempt : undefined),
  };
}

function dateOf(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms);
}

/** A property that is absent rather than undefined. */
function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}
