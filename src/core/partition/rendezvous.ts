import { AbortedError, TaskCancelledError, UnknownInstanceIdError, UnknownTaskIdError } from "../errors.ts";
import type { Rendezvous, WaitOptions } from "../hub/backend.ts";
import { getActivityExecutionKey } from "../hub/work-item.ts";
import type {
  ActivityRequest,
  ActivityResponse,
  OrchestratorRequest,
  OrchestratorResponse,
} from "../protocol/gen/perdura/model/v1/history_pb.ts";

interface Waiter<T> {
  readonly resolve: (answer: T) => void;
  readonly reject: (reason: unknown) => void;
}

/** Waiters by key; a later wait of the same key takes the place of the one before, which is cancelled. */
class WaitingRoom<T> {
  readonly #waiters = new Map<string, Waiter<T>>();

  wait(key: string, options: WaitOptions): Promise<T> {
    const { signal } = options;
    if (signal?.aborted) return Promise.reject(new AbortedError());
    return new Promise<T>((resolve, reject) => {
      this.take(key)?.reject(new TaskCancelledError("task was cancelled: it was dispatched again"));
      const leave = (): void => {
        signal?.removeEventListener("abort", onAbort);
        if (this.#waiters.get(key) === waiter) this.#waiters.delete(key);
      };
      const waiter: Waiter<T> = {
        resolve: (answer) => {
          leave();
          resolve(answer);
        },
        reject: (reason) => {
          leave();
          reject(reason);
        },
      };
      const onAbort = (): void => waiter.reject(new AbortedError());
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiters.set(key, waiter);
    });
  }

  take(key: string): Waiter<T> | undefined {
    const waiter = this.#waiters.get(key);
    this.#waiters.delete(key);
    return waiter;
  }

  cancelAll(reason: unknown): void {
    for (const waiter of [...this.#waiters.values()]) waiter.reject(reason);
  }
}

/**
 * The rendezvous in memory: whoever dispatches work to a remote executor waits here, and the call that brings the answer
 * finds the waiter by instance id, or by instance id and task id.
 */
export class LocalRendezvous implements Rendezvous {
  readonly #turns = new WaitingRoom<OrchestratorResponse>();
  readonly #activities = new WaitingRoom<ActivityResponse>();

  async completeOrchestratorTask(response: OrchestratorResponse): Promise<void> {
    const waiter = this.#turns.take(response.instanceId);
    if (waiter === undefined) throw new UnknownInstanceIdError(response.instanceId);
    waiter.resolve(response);
  }

  async cancelOrchestratorTask(instanceId: string): Promise<void> {
    const waiter = this.#turns.take(instanceId);
    if (waiter === undefined) throw new UnknownInstanceIdError(instanceId);
    waiter.reject(new TaskCancelledError("task was cancelled"));
  }

  waitForOrchestratorCompletion(
    request: OrchestratorRequest,
    options: WaitOptions = {},
  ): Promise<OrchestratorResponse> {
    return this.#turns.wait(request.instanceId, options);
  }

  async completeActivityTask(response: ActivityResponse): Promise<void> {
    const waiter = this.#activities.take(getActivityExecutionKey(response.instanceId, response.taskId));
    if (waiter === undefined) throw new UnknownTaskIdError(response.instanceId, response.taskId);
    waiter.resolve(response);
  }

  async cancelActivityTask(instanceId: string, taskId: number): Promise<void> {
    const waiter = this.#activities.take(getActivityExecutionKey(instanceId, taskId));
    if (waiter === undefined) throw new UnknownTaskIdError(instanceId, taskId);
    waiter.reject(new TaskCancelledError("task was cancelled"));
  }

  waitForActivityCompletion(request: ActivityRequest, options: WaitOptions = {}): Promise<ActivityResponse> {
    const instanceId = request.orchestrationInstance?.instanceId ?? "";
    return this.#activities.wait(getActivityExecutionKey(instanceId, request.taskId), options);
  }

  /** Ends every wait: the backend stops. */
  cancelAll(): void {
    const reason = new TaskCancelledError("task was cancelled: the backend has stopped");
    this.#turns.cancelAll(reason);
    this.#activities.cancelAll(reason);
  }
}
