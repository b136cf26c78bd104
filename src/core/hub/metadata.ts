import type { RuntimeStatus } from "../protocol/status.ts";

/** A failure as plain data: what {@link OrchestrationMetadata} shows and what crosses object borders. */
export interface FailureDetails {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly stackTrace?: string;
  readonly innerFailure?: FailureDetails;
  readonly isNonRetriable: boolean;
}

/** An activity that has been scheduled and has no result yet. */
export interface PendingActivityInfo {
  readonly id: number;
  readonly name: string;
  /** 1 for the first attempt of a call. */
  readonly attempt: number;
  readonly scheduledAt: Date;
  readonly taskExecutionId: string;
  /** Why nobody runs it now. */
  readonly parkedReason?: string;
}

/** A timer that has not fired. */
export interface PendingTimerInfo {
  readonly id: number;
  readonly name?: string;
  readonly fireAt: Date;
  /** What it is for: the code's own timer, the timeout of an event wait, or the delay before the next attempt. */
  readonly purpose: "timer" | "event-timeout" | "activity-retry" | "child-retry";
  /** The attempt that begins when a retry timer fires. */
  readonly nextAttempt?: number;
}

/** A wait for an external event. */
export interface EventWaitMetadata {
  readonly name: string;
  readonly since: Date;
  readonly deadline?: Date;
  /** How many waits of the name are open. */
  readonly count: number;
}

/** A sub-orchestration that has not ended. */
export interface PendingChildInfo {
  readonly id: number;
  readonly instanceId: string;
  readonly name: string;
  readonly since: Date;
}

/** Why an instance makes no progress although it has work. */
export interface ParkedInfo {
  /** Stable word: `not_registered`, `activity_not_registered`, `version_not_available`, `crash_loop`, `history_damaged`. */
  readonly code: string;
  readonly message: string;
  readonly since: Date;
}

/** What an instance waits for now. All lists empty and no `parked`: a turn is due, or the instance has ended. */
export interface WaitingOn {
  readonly activities: readonly PendingActivityInfo[];
  readonly timers: readonly PendingTimerInfo[];
  readonly events: readonly EventWaitMetadata[];
  readonly children: readonly PendingChildInfo[];
  readonly parked?: ParkedInfo;
}

/** What is known of an instance. Payloads are the text that the data converter made. */
export interface OrchestrationMetadata {
  readonly instanceId: string;
  /** Of the current generation. */
  readonly executionId: string;
  /** 0 for the first, one more at each continue-as-new. */
  readonly generation: number;
  readonly name: string;
  readonly version?: string;
  readonly runtimeStatus: RuntimeStatus;
  readonly createdAt: Date;
  readonly lastUpdatedAt: Date;
  /** When the first turn ran. */
  readonly startedAt?: Date;
  readonly completedAt?: Date;
  readonly scheduledStartAt?: Date;
  /** When it was handed to another home: see `exportInstance`. Here it counts as TERMINATED. */
  readonly movedAt?: Date;
  readonly parentInstanceId?: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly customStatus?: string;
  readonly input?: string;
  readonly output?: string;
  readonly failureDetails?: FailureDetails;
  readonly waitingOn: WaitingOn;
}

/** True once the instance has ended: COMPLETED, FAILED, TERMINATED or CANCELED. */
export function orchestrationMetadataIsComplete(metadata: OrchestrationMetadata): boolean {
  return ["COMPLETED", "FAILED", "TERMINATED", "CANCELED"].includes(metadata.runtimeStatus);
}

/** The opposite of {@link orchestrationMetadataIsComplete}: pending, suspended and stalled count as running. */
export function orchestrationMetadataIsRunning(metadata: OrchestrationMetadata): boolean {
  return !orchestrationMetadataIsComplete(metadata);
}

/** One sentence that says why the instance is not done, or how it ended. */
export function describeWaiting(metadata: OrchestrationMetadata): string {
  const { waitingOn } = metadata;
  if (orchestrationMetadataIsComplete(metadata)) {
    const reason = metadata.failureDetails === undefined ? "" : `: ${metadata.failureDetails.errorMessage}`;
    return `${metadata.runtimeStatus.toLowerCase()}${reason}`;
  }
  const states: string[] = [];
  if (metadata.runtimeStatus === "SUSPENDED") states.push("suspended");
  if (waitingOn.parked !== undefined) states.push(`parked: ${waitingOn.parked.message}`);
  const parts: string[] = [];
  for (const wait of waitingOn.events) {
    const until = wait.deadline === undefined ? "" : ` until ${wait.deadline.toISOString()}`;
    parts.push(`event '${wait.name}'${until}`);
  }
  for (const [name, group] of groupByName(waitingOn.activities)) {
    const attempt = Math.max(...group.map((activity) => activity.attempt));
    parts.push(
      `activity '${name}'${group.length > 1 ? ` x ${group.length}` : ""}${attempt > 1 ? `, attempt ${attempt}` : ""}`,
    );
  }
  for (const timer of waitingOn.timers) {
    if (timer.purpose === "event-timeout") continue;
    const what = timer.purpose === "timer" ? "timer" : `retry (attempt ${timer.nextAttempt ?? "?"})`;
    parts.push(`${what}${timer.name === undefined ? "" : ` '${timer.name}'`} at ${timer.fireAt.toISOString()}`);
  }
  for (const child of waitingOn.children) parts.push(`sub-orchestration '${child.instanceId}'`);
  if (parts.length === 0 && states.length === 0) {
    parts.push(metadata.runtimeStatus === "PENDING" ? "its first turn" : "its next turn");
  }
  if (parts.length > 0) states.push(`waiting for ${parts.join("; ")}`);
  return states.join("; ");
}

function groupByName(activities: readonly PendingActivityInfo[]): Map<string, PendingActivityInfo[]> {
  const groups = new Map<string, PendingActivityInfo[]>();
  for (const activity of activities) {
    const group = groups.get(activity.name);
    if (group === undefined) groups.set(activity.name, [activity]);
    else group.push(activity);
  }
  return groups;
}
