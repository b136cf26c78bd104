import type { HistoryView } from "../../core/history/history-view.ts";
import type {
  ActivityRequest,
  ActivityResponse,
  Dialect,
  HistoryEvent,
  OrchestratorResponse,
} from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";

/** A turn that some connected worker is to run. */
export interface TurnOrder {
  readonly kind: "turn";
  readonly instanceId: string;
  /** The orchestrator's name and version: workers may take some only. */
  readonly name: string;
  readonly version?: string;
  readonly executionId: string;
  /** The dialect of the workers that may run it; absent on a generation's first turn, which any may run. */
  readonly dialect?: Dialect;
  /** Read only when the worker needs the events. */
  readonly pastEvents: HistoryView;
  readonly newEvents: readonly HistoryEvent[];
  /** How long it may wait for a worker that takes such work to connect, in ms; default the dispatcher's. */
  readonly patienceMs?: number;
}

/** An activity attempt that some connected worker is to make. */
export interface ActivityOrder {
  readonly kind: "activity";
  readonly instanceId: string;
  readonly name: string;
  readonly version?: string;
  readonly request: ActivityRequest;
  readonly patienceMs?: number;
}

/** Work for a connected worker. */
export type WorkOrder = TurnOrder | ActivityOrder;

/** A turn's answer, and the dialect of the worker that gave it. */
export interface TurnAnswer {
  readonly response: OrchestratorResponse;
  readonly dialect: Dialect;
}

/**
 * Brings work to connected workers and their answers back. It is all that an executor knows of streams: they may end in this
 * process, or in another one that is asked by RPC.
 */
export interface Dispatcher {
  /**
   * Has a worker run the turn. When the worker is lost, another one gets it.
   *
   * @throws {@link NoWorkerError} when no worker that takes it is connected, or all that took it were lost;
   *   {@link AbortedError} on the signal and on shutdown; {@link TaskCancelledError} when the instance's next turn came in its
   *   place.
   */
  dispatchTurn(order: TurnOrder, signal?: AbortSignal): Promise<TurnAnswer>;
  /** Has a worker make the attempt. @throws as {@link dispatchTurn}. */
  dispatchActivity(order: ActivityOrder, signal?: AbortSignal): Promise<ActivityResponse>;
  /** The instance has ended or was taken back: nothing that a worker keeps of it is of use. */
  release(instanceId: string): void;
}
