import type { OrchestrationRuntimeState } from "../history/runtime-state.ts";
import type { HistoryEvent } from "../protocol/gen/perdura/model/v1/history_pb.ts";

/** A unit of work that a {@link Backend} hands out: a turn to run, or an activity attempt. */
export interface WorkItem {
  readonly instanceId: string;
  /** Names the hand-out; only its holder can complete or abandon the item. */
  readonly lockedBy: string;
  /** How often the item was handed out before. */
  readonly retryCount: number;
  /** Aborts when the item's result can no longer matter. */
  readonly signal: AbortSignal;
  /** Free for a backend's own use. */
  readonly properties: Map<string, unknown>;
  toString(): string;
}

/** What both kinds of item are made from. */
export interface WorkItemInit {
  readonly instanceId: string;
  readonly lockedBy: string;
  readonly retryCount?: number;
  readonly signal?: AbortSignal;
}

/** A turn: the events that arrived, to be applied to the instance's state. */
export class OrchestrationWorkItem implements WorkItem {
  readonly instanceId: string;
  readonly lockedBy: string;
  readonly retryCount: number;
  readonly signal: AbortSignal;
  readonly properties: Map<string, unknown> = new Map();
  /** The events to apply, in order. */
  readonly newEvents: readonly HistoryEvent[];
  /** Loaded by the worker where the backend did not; after processing, what is to be committed. */
  state: OrchestrationRuntimeState | undefined;

  constructor(
    init: WorkItemInit & { readonly newEvents: readonly HistoryEvent[]; readonly state?: OrchestrationRuntimeState },
  ) {
    this.instanceId = init.instanceId;
    this.lockedBy = init.lockedBy;
    this.retryCount = init.retryCount ?? 0;
    this.signal = init.signal ?? new AbortController().signal;
    this.newEvents = init.newEvents;
    this.state = init.state;
  }

  /** How long to wait before an abandoned turn is handed out again, in ms. */
  get abandonDelay(): number {
    return abandonDelayMs(this.retryCount);
  }

  toString(): string {
    return `${this.instanceId} (${this.newEvents.length} event(s))`;
  }
}

/** An activity attempt. */
export class ActivityWorkItem implements WorkItem {
  readonly instanceId: string;
  readonly lockedBy: string;
  readonly retryCount: number;
  readonly signal: AbortSignal;
  readonly properties: Map<string, unknown> = new Map();
  /** Rises with every item of a backend. */
  readonly sequenceNumber: number;
  /** Generation of the instance that scheduled it. */
  readonly generation: number;
  /** The TaskScheduled event. */
  readonly newEvent: HistoryEvent;
  /** TaskCompleted or TaskFailed, set by the worker. */
  result: HistoryEvent | undefined;

  constructor(
    init: WorkItemInit & {
      readonly newEvent: HistoryEvent;
      readonly sequenceNumber: number;
      readonly generation?: number;
    },
  ) {
    this.instanceId = init.instanceId;
    this.lockedBy = init.lockedBy;
    this.retryCount = init.retryCount ?? 0;
    this.signal = init.signal ?? new AbortController().signal;
    this.newEvent = init.newEvent;
    this.sequenceNumber = init.sequenceNumber;
    this.generation = init.generation ?? 0;
    this.result = undefined;
  }

  /** How long to wait before an abandoned attempt is handed out again, in ms. */
  get abandonDelay(): number {
    return abandonDelayMs(this.retryCount);
  }

  toString(): string {
    const { case: kind, value } = this.newEvent.eventType;
    return `${this.instanceId}/${kind === "taskScheduled" ? value.name : "?"}#${this.newEvent.eventId}`;
  }
}

/** Delay before the next hand-out: none for the first retry, then a second more each time, five minutes past 100. */
export function abandonDelayMs(retryCount: number): number {
  if (retryCount <= 0) return 0;
  return retryCount > 100 ? 300_000 : retryCount * 1000;
}

/** The key under which an activity's rendezvous is registered: `<instance id>/<task id>`. */
export function getActivityExecutionKey(instanceId: string, taskId: number): string {
  return `${instanceId}/${taskId}`;
}
