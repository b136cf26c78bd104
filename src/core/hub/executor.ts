import type { HistoryView } from "../history/history-view.ts";
import type { Dialect, HistoryEvent, OrchestratorAction, Runner } from "../protocol/gen/perdura/model/v1/history_pb.ts";

/** An external event that the orchestrator's code waits for now. */
export interface EventWaitInfo {
  /** The name as the code wrote it; matching ignores case. */
  readonly name: string;
  /** How many waits of that name are open. */
  readonly count: number;
  /** Epoch ms at which the earliest of them times out, when they do. */
  readonly deadlineMs?: number;
}

/** Why a turn was not run: it stays in the inbox until the reason is gone. */
export interface ParkedTurn {
  /** A stable word: `not_registered`, `version_not_available`. */
  readonly code: string;
  /** What is missing and what to do. */
  readonly message: string;
}

/** One turn to run. */
export interface OrchestratorTurn {
  readonly instanceId: string;
  /** Execution id of the generation; a cached orchestrator of another one is dropped. */
  readonly executionId: string;
  /** The committed events of the generation. */
  readonly oldEvents: HistoryView;
  /** The turn's own events: OrchestratorStarted first, then what arrived. */
  readonly newEvents: readonly HistoryEvent[];
  /** Aborts when the partition is lost or stopped: the answer is then of no use. */
  readonly signal?: AbortSignal;
}

/**
 * What a turn asks for. It is the wire's OrchestratorResponse plus what the wire has no field for, so that an in-process
 * executor can also name cancelled timers and open event waits.
 */
export interface OrchestratorAnswer {
  /** Actions in id order. */
  readonly actions: readonly OrchestratorAction[];
  /** The custom status after the turn; `undefined` clears it. */
  readonly customStatus: string | undefined;
  /** Ids of timers that can no longer matter; the engine drops them. */
  readonly cancelledTimers?: readonly number[];
  /** Ids of activities whose result can no longer matter; their attempt's signal is aborted. */
  readonly cancelledTasks?: readonly number[];
  /** The external events that the code waits for now. `undefined`: not known. */
  readonly eventWaits?: readonly EventWaitInfo[];
  /** Patches that this turn applied for the first time: stored with the turn's OrchestratorStarted. */
  readonly patches?: readonly string[];
  /** Set when the turn was not run at all; then `actions` is empty and nothing is consumed. */
  readonly parked?: ParkedTurn;
}

/** Runs orchestrator turns. Implementations: in process, or a remote worker. */
export interface OrchestratorExecutor {
  /** Who runs it; pinned by the first turn of a generation. */
  readonly runner: Runner;
  /** The dialect of a remote runner. */
  readonly dialect: Dialect;
  /**
   * Runs one turn. A failing orchestrator is an answer (a completion with failure details), not a rejection; a rejection
   * means that the turn could not be run and is to be abandoned.
   */
  executeOrchestrator(turn: OrchestratorTurn): Promise<OrchestratorAnswer>;
  /**
   * Forgets what is kept of an instance between turns. Called when a turn's commit failed or was abandoned (the kept
   * state is ahead of the durable one), when the instance ended, and when it was purged.
   */
  release(instanceId: string): void;
  /** Forgets everything that is kept between turns: ownership was lost. */
  releaseAll(): void;
}

/** One activity attempt to run. */
export interface ActivityCall {
  readonly instanceId: string;
  /** The TaskScheduled event: id, name, input, taskExecutionId, timeout, attempt. */
  readonly event: HistoryEvent;
  /** Aborts when the worker stops, the partition is lost, or the instance has ended. */
  readonly signal?: AbortSignal;
}

/** Runs activities. */
export interface ActivityExecutor {
  /**
   * Runs one attempt and answers a TaskCompleted or TaskFailed event. A failing activity is an answer. A rejection means
   * that nobody could run it: {@link NotRegisteredError} parks it until the code is there, anything else abandons it.
   */
  executeActivity(call: ActivityCall): Promise<HistoryEvent>;
}

/** Both sides, as one thing that is shut down at the end. */
export interface Executor extends OrchestratorExecutor, ActivityExecutor {
  /** Ends what runs: signals abort, later calls reject. */
  shutdown(): Promise<void>;
}
