import { DuplicateEventError, InstanceNotCompletedError, NoFailureDetailsError, NotStartedError } from "../errors.ts";
import {
  type Dialect,
  type ExecutionCompletedEvent,
  type ExecutionStartedEvent,
  type HistoryEvent,
  OrchestrationStatus,
  type Runner,
  type StalledReason,
  type TaskFailureDetails,
} from "../protocol/gen/perdura/model/v1/history_pb.ts";
import { statusName } from "../protocol/status.ts";
import { timestampToMs } from "../protocol/timestamp.ts";
import { ResolvedResults, resultKeyOf } from "./dedup.ts";
import { type HistoryView, historyOf } from "./history-view.ts";
import type { EventWaitInfo, ParkedTurn } from "./orchestrator-answer.ts";

/** A message that a turn sends to another instance (or to itself). */
export interface PendingMessage {
  readonly targetInstanceId: string;
  readonly event: HistoryEvent;
  /** Generation of the target that it is meant for; absent: any. */
  readonly generation?: number;
  /** Execution id of that generation; absent: any. */
  readonly executionId?: string;
}

/** Why an instance is stalled, as recorded in its history. */
export interface Stalled {
  readonly reason: StalledReason;
  readonly description: string | undefined;
}

/** What is known of an instance between turns, without its history. */
export interface RuntimeStateSnapshot {
  readonly instanceId: string;
  readonly generation: number;
  /** The start event of the generation, possibly without its input. Absent before the first turn. */
  readonly startEvent: ExecutionStartedEvent | undefined;
  readonly completed: ExecutionCompletedEvent | undefined;
  readonly oldEvents: HistoryView;
  readonly resolved: ResolvedResults;
  readonly customStatus: string | undefined;
  readonly isSuspended: boolean;
  readonly createdTimeMs: number | undefined;
  readonly lastUpdatedTimeMs: number | undefined;
  /** Time of the last turn. */
  readonly lastTurnTimeMs?: number;
  readonly completedTimeMs: number | undefined;
  /** The instance was parked when the turn was handed out. */
  readonly wasParked?: boolean;
  /** A termination has been passed on to the children before. */
  readonly hasCascaded?: boolean;
  /** Who ran the generation's first turn. */
  readonly pinned?: { readonly runner: Runner; readonly dialect: Dialect };
}

/**
 * The state of one instance while a turn is worked on: the committed events (lazily), the turn's new events, and the work
 * that they ask for. It is a scratch copy: nothing of it is durable before the work item is completed.
 */
export class OrchestrationRuntimeState {
  readonly instanceId: string;
  /** The committed events of the generation; empty after a continue-as-new in this turn. */
  oldEvents: HistoryView;
  /** Events added in this turn. */
  newEvents: HistoryEvent[] = [];
  /** TaskScheduled events whose activities are to be started. */
  pendingTasks: HistoryEvent[] = [];
  /** TimerFired events that are to be delivered at their `fireAt`. */
  pendingTimers: HistoryEvent[] = [];
  /** Messages for other instances. */
  pendingMessages: PendingMessage[] = [];
  /** Set when this turn began a new generation. */
  continuedAsNew = false;
  /** Set while the new generation's start has not been executed: the turn ended at the continue-as-new limit. */
  startPending = false;
  /** Number of the generation: 0 for the first, one more at each continue-as-new. */
  generation: number;
  customStatus: string | undefined;
  isSuspended: boolean;
  stalled: Stalled | undefined;
  startEvent: ExecutionStartedEvent | undefined;
  completedEvent: ExecutionCompletedEvent | undefined;
  createdTimeMs: number | undefined;
  lastUpdatedTimeMs: number | undefined;
  /** Epoch ms of the last turn: the next one is never earlier. Other events carry the clocks of those who sent them. */
  lastTurnTimeMs: number;
  completedTimeMs: number | undefined;
  /** Timers that the turn made pointless. */
  cancelledTimers: number[] = [];
  /** Activities whose results the turn made pointless. */
  cancelledTasks: number[] = [];
  /** External events that the code waits for after the turn; `undefined`: not known. */
  eventWaits: readonly EventWaitInfo[] | undefined;
  /** Set when the turn could not be run: nothing was consumed. */
  parked: ParkedTurn | undefined;
  /** The instance was parked before this turn. */
  readonly wasParked: boolean;
  /** A termination has been passed on to the children. */
  hasCascaded: boolean;
  /** Who runs the generation: pinned by its first turn. */
  pinned: { readonly runner: Runner; readonly dialect: Dialect } | undefined;
  #resolved: ResolvedResults;

  constructor(snapshot: RuntimeStateSnapshot) {
    this.instanceId = snapshot.instanceId;
    this.generation = snapshot.generation;
    this.startEvent = snapshot.startEvent;
    this.completedEvent = snapshot.completed;
    this.oldEvents = snapshot.oldEvents;
    this.#resolved = snapshot.resolved;
    this.customStatus = snapshot.customStatus;
    this.isSuspended = snapshot.isSuspended;
    this.createdTimeMs = snapshot.createdTimeMs;
    this.lastUpdatedTimeMs = snapshot.lastUpdatedTimeMs;
    this.lastTurnTimeMs = snapshot.lastTurnTimeMs ?? 0;
    this.completedTimeMs = snapshot.completedTimeMs;
    this.wasParked = snapshot.wasParked ?? false;
    this.hasCascaded = snapshot.hasCascaded ?? false;
    this.pinned = snapshot.pinned;
  }

  /** Builds the state from a whole history. Duplicates in it are dropped silently. */
  static fromHistory(
    instanceId: string,
    events: readonly HistoryEvent[],
    customStatus?: string,
  ): OrchestrationRuntimeState {
    const state = new OrchestrationRuntimeState({
      instanceId,
      generation: 0,
      startEvent: undefined,
      completed: undefined,
      oldEvents: historyOf([]),
      resolved: ResolvedResults.empty(),
      customStatus,
      isSuspended: false,
      createdTimeMs: undefined,
      lastUpdatedTimeMs: undefined,
      completedTimeMs: undefined,
    });
    const kept = events.filter((event) => state.#accept(event));
    state.generation = state.startEvent?.generation ?? 0;
    state.oldEvents = historyOf(kept);
    return state;
  }

  /**
   * Adds one event to the turn.
   *
   * @throws {@link DuplicateEventError} for a second start, a second completion, or a second result of the same work; the
   *   state is then unchanged.
   */
  addEvent(event: HistoryEvent): void {
    if (!this.#accept(event)) {
      throw new DuplicateEventError(event.eventType.case);
    }
    this.newEvents.push(event);
  }

  /** Adds many; returns, aligned with the input, the error of each that was refused. */
  addEvents(events: readonly HistoryEvent[]): (DuplicateEventError | undefined)[] {
    return events.map((event) => {
      if (!this.#accept(event)) return new DuplicateEventError(event.eventType.case);
      this.newEvents.push(event);
      return undefined;
    });
  }

  #accept(event: HistoryEvent): boolean {
    const { case: kind, value } = event.eventType;
    const atMs = event.timestamp === undefined ? undefined : timestampToMs(event.timestamp);
    switch (kind) {
      case "executionStarted":
        if (this.startEvent !== undefined) return false;
        this.startEvent = value;
        this.createdTimeMs = atMs;
        break;
      case "executionCompleted":
        if (this.completedEvent !== undefined) return false;
        this.completedEvent = value;
        this.completedTimeMs = atMs;
        break;
      case "orchestratorStarted":
        this.lastTurnTimeMs = Math.max(this.lastTurnTimeMs, atMs ?? 0);
        break;
      case "executionSuspended":
        this.isSuspended = true;
        break;
      case "executionResumed":
        this.isSuspended = false;
        break;
      default: {
        const key = resultKeyOf(event);
        if (key !== undefined && !this.#resolved.add(key)) return false;
      }
    }
    // A stall is over as soon as anything else happens.
    this.stalled = kind === "executionStalled" ? { reason: value.reason, description: value.description } : undefined;
    if (atMs !== undefined) this.lastUpdatedTimeMs = atMs;
    return true;
  }

  /** Begins a new generation within this turn: everything of the old one is gone. */
  beginGeneration(generation: number): void {
    this.oldEvents = historyOf([]);
    this.newEvents = [];
    this.pendingTasks = [];
    this.pendingTimers = [];
    this.cancelledTimers = [];
    this.cancelledTasks = [];
    this.eventWaits = undefined;
    this.startEvent = undefined;
    this.completedEvent = undefined;
    this.completedTimeMs = undefined;
    this.isSuspended = false;
    this.stalled = undefined;
    this.#resolved = ResolvedResults.empty();
    this.generation = generation;
    this.continuedAsNew = true;
    this.startPending = true;
  }

  /** Drops the whole turn. */
  cancelPending(): void {
    this.newEvents = [];
    this.pendingTasks = [];
    this.pendingTimers = [];
    this.pendingMessages = [];
    this.cancelledTimers = [];
    this.cancelledTasks = [];
  }

  /** A state with events but without a start cannot be run. */
  get isValid(): boolean {
    return (this.oldEvents.length === 0 && this.newEvents.length === 0) || this.startEvent !== undefined;
  }

  get isCompleted(): boolean {
    return this.completedEvent !== undefined;
  }

  /** Derived status. A completed instance is completed, also when it was suspended at the time. */
  get runtimeStatus(): OrchestrationStatus {
    if (this.startEvent === undefined) {
      return this.stalled === undefined ? OrchestrationStatus.PENDING : OrchestrationStatus.STALLED;
    }
    if (this.completedEvent !== undefined) return this.completedEvent.orchestrationStatus;
    if (this.stalled !== undefined) return OrchestrationStatus.STALLED;
    if (this.isSuspended) return OrchestrationStatus.SUSPENDED;
    return OrchestrationStatus.RUNNING;
  }

  /** @throws {@link NotStartedError} before the start event. */
  get name(): string {
    return this.#started().name;
  }

  /**
   * The input of the generation. It is read from history when the state was built from a snapshot.
   *
   * @throws {@link NotStartedError} before the start event.
   */
  async input(): Promise<string | undefined> {
    const start = this.#started();
    if (start.input !== undefined) return start.input;
    for (const event of await this.oldEvents.read()) {
      if (event.eventType.case === "executionStarted") return event.eventType.value.input;
    }
    return undefined;
  }

  /** @throws {@link InstanceNotCompletedError} before the end. */
  get output(): string | undefined {
    return this.#completed().result;
  }

  /** Epoch ms. @throws {@link InstanceNotCompletedError} before the end. */
  get completedTime(): number {
    this.#completed();
    return this.completedTimeMs ?? 0;
  }

  /** @throws {@link InstanceNotCompletedError}, or {@link NoFailureDetailsError} when it ended without them. */
  get failureDetails(): TaskFailureDetails {
    const details = this.#completed().failureDetails;
    if (details === undefined) throw new NoFailureDetailsError();
    return details;
  }

  #started(): ExecutionStartedEvent {
    if (this.startEvent === undefined) throw new NotStartedError();
    return this.startEvent;
  }

  #completed(): ExecutionCompletedEvent {
    if (this.completedEvent === undefined) throw new InstanceNotCompletedError();
    return this.completedEvent;
  }

  toString(): string {
    return `${this.instanceId}:${statusName(this.runtimeStatus)}`;
  }
}
