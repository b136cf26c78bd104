import type { OrchestrationRuntimeState } from "../history/runtime-state.ts";
import type {
  ActivityRequest,
  ActivityResponse,
  HistoryEvent,
  OrchestrationIdReusePolicy,
  OrchestratorRequest,
  OrchestratorResponse,
} from "../protocol/gen/perdura/model/v1/history_pb.ts";
import type { OrchestrationMetadata } from "./metadata.ts";
import type { InstanceIdPage, InstancePage, InstanceQuery } from "./query.ts";
import type { ActivityWorkItem, OrchestrationWorkItem } from "./work-item.ts";

/** How a start is accepted. */
export interface CreateInstanceOptions {
  /** What to do when the id is taken: see {@link OrchestrationIdReusePolicy}. Default: refuse. */
  readonly reusePolicy?: OrchestrationIdReusePolicy;
  /** A second start of the same id with the same key is accepted and changes nothing. */
  readonly idempotencyKey?: string;
}

/** How an event is accepted. */
export interface AddEventOptions {
  /** A second event with the same key is accepted and changes nothing. The last 256 keys of an instance are kept. */
  readonly idempotencyKey?: string;
}

/** How an instance is purged. */
export interface PurgeOptions {
  /** Purge the sub-orchestrations first. Default true. */
  readonly recursive?: boolean;
  /** Purge it also when it has not ended: for what can no longer be saved. Default false. */
  readonly force?: boolean;
}

/** How an instance is started over. */
export interface RestartOptions {
  /** The id of the new run. Absent: the same id, whose old run is replaced. */
  readonly newInstanceId?: string;
}

/** A run that begins at an event of another one's history. */
export interface RerunRequest {
  readonly sourceInstanceId: string;
  /** The event to begin from: an activity, a timer or a sub-orchestration. */
  readonly eventId: number;
  /** Default: a new random id. */
  readonly newInstanceId?: string;
  /** Id for the sub-orchestration, where the event is one. */
  readonly newChildInstanceId?: string;
  /** Replaces the event's input when `overwriteInput` is set; absent then means none. */
  readonly input?: string;
  readonly overwriteInput?: boolean;
}

/** Options of calls that wait. */
export interface WaitOptions {
  /** Ends the wait with {@link AbortedError}. */
  readonly signal?: AbortSignal;
  /**
   * What the condition comes to, where it is one of these: a hub that is reached over a network then asks once for it rather
   * than at every change.
   */
  readonly until?: "started" | "completed";
}

/**
 * What can be asked of a task hub without being the one that runs it: everything that a client needs. A router over many
 * partitions implements this much.
 */
export interface TaskHubControl {
  /** Creates the hub. @throws {@link TaskHubExistsError} when it is there; its data is then untouched. */
  createTaskHub(): Promise<void>;
  /** Deletes the hub and all that is in it. @throws {@link TaskHubNotFoundError} when there is none. */
  deleteTaskHub(): Promise<void>;
  /**
   * Accepts a start. Resolves when it is durable; never waits for a turn.
   *
   * @param start an ExecutionStarted event with instance id, execution id and timestamp.
   * @throws {@link InstanceExistsError}, {@link InvalidArgumentError}, {@link PayloadTooLargeError}.
   */
  createOrchestrationInstance(start: HistoryEvent, options?: CreateInstanceOptions): Promise<void>;
  /**
   * Accepts an event: raised, terminated, suspended or resumed. Resolves when it is durable; never waits for a turn.
   * Terminating an ended instance succeeds and changes nothing (but reaches its children when it recurses).
   *
   * @throws {@link InstanceNotFoundError}, {@link InstanceCompletedError}, {@link InvalidArgumentError},
   *   {@link PayloadTooLargeError}.
   */
  addNewOrchestrationEvent(instanceId: string, event: HistoryEvent, options?: AddEventOptions): Promise<void>;
  /** @throws {@link InstanceNotFoundError}. */
  getOrchestrationMetadata(
    instanceId: string,
    options?: { readonly fetchPayloads?: boolean },
  ): Promise<OrchestrationMetadata>;
  /**
   * Waits until the condition holds for the instance's metadata, which it then returns.
   *
   * @throws {@link InstanceNotFoundError}, {@link AbortedError}.
   */
  watchOrchestrationRuntimeStatus(
    instanceId: string,
    condition: (metadata: OrchestrationMetadata) => boolean,
    options?: WaitOptions,
  ): Promise<OrchestrationMetadata>;
  /**
   * Deletes an instance and, unless told otherwise, its sub-orchestrations. Returns how many instances were deleted.
   *
   * @throws {@link InstanceNotFoundError}, {@link InstanceNotCompletedError}.
   */
  purgeOrchestrationState(instanceId: string, options?: PurgeOptions): Promise<number>;
  /** The committed events of the current generation. @throws {@link InstanceNotFoundError}. */
  getInstanceHistory(instanceId: string): Promise<readonly HistoryEvent[]>;
  /** Lists instances. On hosts with one partition per instance the answer lags behind by moments. */
  queryInstances(query?: InstanceQuery): Promise<InstancePage>;
  /** Lists ids only. */
  listInstanceIds(query?: InstanceQuery): Promise<InstanceIdPage>;
  /**
   * Starts an ended instance over, with its input. Returns the id of the new run.
   *
   * @throws {@link InstanceNotFoundError}, {@link InstanceNotCompletedError}, {@link InstanceExistsError}.
   */
  restart(instanceId: string, options?: RestartOptions): Promise<string>;
  /**
   * Takes a FAILED instance back to the point before its failure: failed activities and sub-orchestrations run again, what
   * succeeded stays.
   *
   * @throws {@link InstanceNotFoundError}, {@link InstanceNotCompletedError} while it runs, {@link InstanceCompletedError}
   *   when it ended otherwise.
   */
  rewind(instanceId: string, reason?: string): Promise<void>;
  /**
   * Begins a new run from an event of an ended one. Returns its id.
   *
   * @throws {@link InstanceNotFoundError}, {@link InstanceNotCompletedError}, {@link InstanceExistsError},
   *   {@link EventNotRerunnableError}, {@link InvalidArgumentError}.
   */
  rerunWorkflowFromEvent(request: RerunRequest): Promise<string>;
}

/** Rendezvous for executors whose answers arrive from elsewhere, by instance id and task id. */
export interface Rendezvous {
  /** Answers the waiting turn. @throws {@link UnknownInstanceIdError} when none waits. */
  completeOrchestratorTask(response: OrchestratorResponse): Promise<void>;
  /** Ends the wait with {@link TaskCancelledError}. @throws {@link UnknownInstanceIdError}. */
  cancelOrchestratorTask(instanceId: string): Promise<void>;
  /** Waits for the turn's answer. @throws {@link TaskCancelledError}, {@link AbortedError}. */
  waitForOrchestratorCompletion(request: OrchestratorRequest, options?: WaitOptions): Promise<OrchestratorResponse>;
  /** Answers the waiting activity. @throws {@link UnknownTaskIdError} when none waits. */
  completeActivityTask(response: ActivityResponse): Promise<void>;
  /** Ends the wait with {@link TaskCancelledError}. @throws {@link UnknownTaskIdError}. */
  cancelActivityTask(instanceId: string, taskId: number): Promise<void>;
  /** Waits for the activity's answer. @throws {@link TaskCancelledError}, {@link AbortedError}. */
  waitForActivityCompletion(request: ActivityRequest, options?: WaitOptions): Promise<ActivityResponse>;
}

/**
 * A task hub seen whole: what clients ask, what workers take, and the rendezvous of remote executors. It is a public
 * extension point; the contract suite in `perdura/testing` tells whether an implementation is right.
 */
export interface Backend extends TaskHubControl, Rendezvous {
  /** Begins to own the hub and to wake at its deadlines. @throws {@link BackendAlreadyStartedError}. */
  start(): Promise<void>;
  /** Gives up ownership. Work that was handed out can no longer be completed. Does nothing when it does not run. */
  stop(): Promise<void>;
  /** Waits for a turn to run. Rejects with {@link AbortedError} when the signal aborts. */
  nextOrchestrationWorkItem(signal?: AbortSignal): Promise<OrchestrationWorkItem>;
  /** Loads the state that a turn is applied to; its history stays unread. */
  getOrchestrationRuntimeState(item: OrchestrationWorkItem): Promise<OrchestrationRuntimeState>;
  /**
   * Commits a turn: one atomic batch of consumed events, history, tasks, timers and messages.
   *
   * @throws {@link WorkItemLockLostError} when the item was taken back or the hub is no longer owned; nothing is stored then.
   */
  completeOrchestrationWorkItem(item: OrchestrationWorkItem): Promise<void>;
  /** Hands a turn back; it comes again after a delay that grows. @throws {@link WorkItemLockLostError}. */
  abandonOrchestrationWorkItem(item: OrchestrationWorkItem): Promise<void>;
  /** Waits for an activity attempt to run. Rejects with {@link AbortedError} when the signal aborts. */
  nextActivityWorkItem(signal?: AbortSignal): Promise<ActivityWorkItem>;
  /**
   * Takes an activity's result. Resolves when it is durable, with the turn that it wakes where that runs in this process.
   *
   * @throws {@link InvalidArgumentError} without a TaskCompleted or TaskFailed result, {@link WorkItemLockLostError}.
   */
  completeActivityWorkItem(item: ActivityWorkItem): Promise<void>;
  /**
   * Hands an attempt back. With {@link NotRegisteredError} or {@link NoWorkerError} as the reason it is parked until there is one, otherwise it
   * comes again after a delay that grows. @throws {@link WorkItemLockLostError}.
   */
  abandonActivityWorkItem(item: ActivityWorkItem, reason?: unknown): Promise<void>;
  /**
   * Sees to it that the instance has a turn, though nothing has arrived: an executor asks for it when an orchestrator acted
   * outside its turn. Does nothing for an instance that is not there.
   */
  wakeInstance(instanceId: string): Promise<void>;
  /** Tries again what was parked for want of code. Called when a registry grows. */
  retryParked(): Promise<void>;
}
