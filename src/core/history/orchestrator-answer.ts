import type { Dialect, OrchestratorAction, Runner } from "../protocol/gen/perdura/model/v1/history_pb.ts";

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

/** Who runs an orchestrator: in this process, or a remote worker of a dialect. */
export interface RunnerInfo {
  readonly runner: Runner;
  /** Of a remote runner. */
  readonly dialect: Dialect;
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
  /** Who ran the turn, where an executor has several ways to run one; the first turn of a generation pins it. */
  readonly ranBy?: RunnerInfo;
  /** Set when the turn was not run at all; then `actions` is empty and nothing is consumed. */
  readonly parked?: ParkedTurn;
}
