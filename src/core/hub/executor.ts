import type { HistoryView } from "../history/history-view.ts";
import type { OrchestratorAnswer, RunnerInfo } from "../history/orchestrator-answer.ts";
import type { Dialect, HistoryEvent, Runner } from "../protocol/gen/perdura/model/v1/history_pb.ts";

/** One turn to run. */
export interface OrchestratorTurn {
  readonly instanceId: string;
  /** Execution id of the generation; a cached orchestrator of another one is dropped. */
  readonly executionId: string;
  /** The orchestrator's name and version; without them an executor finds them in the start event. */
  readonly name?: string;
  readonly version?: string;
  /** Who ran the generation's first turn, and is to run this one. Absent on the first. */
  readonly pinned?: RunnerInfo;
  /** The committed events of the generation. */
  readonly oldEvents: HistoryView;
  /** The turn's own events: OrchestratorStarted first, then what arrived. */
  readonly newEvents: readonly HistoryEvent[];
  /** Aborts when the partition is lost or stopped: the answer is then of no use. */
  readonly signal?: AbortSignal;
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
