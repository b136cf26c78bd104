import { AbortedError, NotRegisteredError, PerduraError, TaskTimedOutError } from "../errors.ts";
import type { ActivityCall } from "../hub/executor.ts";
import type { Logger } from "../hub/logger.ts";
import type { FailureDetails } from "../hub/metadata.ts";
import { taskCompleted, taskFailed } from "../protocol/events.ts";
import type { HistoryEvent, TaskScheduledEvent } from "../protocol/gen/perdura/model/v1/history_pb.ts";
import type { ActivityContext } from "./activity-context.ts";
import type { PayloadGate } from "./data-converter.ts";
import { failureDetailsOf } from "./failure-details.ts";
import type { TaskRegistry } from "./registry.ts";

/** Sets timers for attempts. */
export interface Timers {
  /** Calls `fn` after `ms` milliseconds, unless the function that it returns is called before. */
  set(ms: number, fn: () => void): () => void;
}

/** The longest delay that hosts' timers take, in milliseconds: longer ones fire at once. */
const LONGEST_TIMEOUT_MS = 2_147_483_647;

/** The host's own timers, for times of any length. */
export const hostTimers: Timers = {
  set: (ms, fn) => {
    let timer: unknown;
    const arm = (left: number): void => {
      const part = Math.min(left, LONGEST_TIMEOUT_MS);
      timer = setTimeout(() => (left > part ? arm(left - part) : fn()), part);
    };
    arm(ms);
    return () => clearTimeout(timer);
  },
};

/** What an activity runner is made of. */
export interface ActivityRunnerOptions {
  readonly registry: TaskRegistry;
  readonly payloads: PayloadGate;
  readonly logger: Logger;
  readonly timers: Timers;
  /** Epoch ms; stamps the result events. */
  now(): number;
  /** What becomes of a name that nobody registered. */
  readonly unregistered: "park" | "fail";
}

/** Runs activity attempts: one TaskScheduled event in, one TaskCompleted or TaskFailed event out. */
export class ActivityRunner {
  readonly #options: ActivityRunnerOptions;
  readonly #running = new Set<Attempt>();
  #stopped = false;

  constructor(options: ActivityRunnerOptions) {
    this.#options = options;
  }

  /**
   * Runs one attempt.
   *
   * @throws {@link NotRegisteredError} for a name without code, where those are parked; {@link AbortedError} when the attempt was
   *   aborted from outside: it then counts as not made. Anything that the activity does wrong is an answer.
   */
  async run(call: ActivityCall): Promise<HistoryEvent> {
    const { eventType, eventId } = call.event;
    if (eventType.case !== "taskScheduled") {
      throw new PerduraError(
        "invalid_argument",
        `an activity is begun by a TaskScheduled event, not ${eventType.case}`,
      );
    }
    const task = eventType.value;
    if (this.#stopped) throw new AbortedError("the executor has shut down");
    if (call.signal?.aborted === true)
      throw new AbortedError("the activity was aborted", { cause: call.signal.reason });
    const fn = this.#options.registry.activity(task.name);
    if (fn === undefined) {
      if (this.#options.unregistered === "park") throw new NotRegisteredError("activity", task.name);
      return this.#failed(eventId, task, {
        errorType: "TaskActivityNotRegistered",
        errorMessage: `no task activity named '${task.name}' was registered`,
        isNonRetriable: false,
      });
    }
    const attempt = new Attempt();
    this.#running.add(attempt);
    const stopTimer =
      task.timeoutMs === undefined
        ? undefined
        : this.#options.timers.set(task.timeoutMs, () => {
            attempt.timeOut(new TaskTimedOutError(`activity '${task.name}'`, task.timeoutMs ?? 0));
          });
    const onAbort = (): void => attempt.abort(call.signal?.reason);
    call.signal?.addEventListener("abort", onAbort, { once: true });
    try {
      const what = `activity '${task.name}'`;
      const result = await attempt.run(() => {
        const input = this.#options.payloads.fromText(task.input, `the input of ${what}`);
        return fn(this.#contextOf(call, task, attempt.signal), input as never);
      });
      const text = this.#options.payloads.toText(result, `the result of ${what}`);
      return taskCompleted(eventId, { result: text, taskExecutionId: task.taskExecutionId }, this.#options.now());
    } catch (error) {
      if (attempt.abortedError !== undefined) throw attempt.abortedError;
      const details = failureDetailsOf(error);
      // A payload that does not fit will not fit the next time either.
      const final = isPayloadError(error);
      return this.#failed(eventId, task, final ? { ...details, isNonRetriable: true } : details);
    } finally {
      stopTimer?.();
      call.signal?.removeEventListener("abort", onAbort);
      this.#running.delete(attempt);
    }
  }

  /** Aborts what runs; later calls reject. */
  stop(): void {
    this.#stopped = true;
    for (const attempt of this.#running) attempt.abort(new AbortedError("the executor has shut down"));
  }

  #failed(taskId: number, task: TaskScheduledEvent, failureDetails: FailureDetails): HistoryEvent {
    return taskFailed(taskId, { failureDetails, taskExecutionId: task.taskExecutionId }, this.#options.now());
  }

  #contextOf(call: ActivityCall, task: TaskScheduledEvent, signal: AbortSignal): ActivityContext {
    return {
      instanceId: call.instanceId,
      name: task.name,
      taskId: call.event.eventId,
      taskExecutionId: task.taskExecutionId,
      attempt: Math.max(1, task.attempt),
      tags: { ...task.tags },
      signal,
      log: this.#options.logger,
    };
  }
}

/** One attempt: its signal, and the race between the activity and what ends it from outside. */
class Attempt {
  readonly #controller = new AbortController();
  #cut: ((error: unknown) => void) | undefined;
  /** Set when the attempt was aborted from outside. */
  abortedError: AbortedError | undefined;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Runs the code; rejects at once when the attempt is cut short, whether or not the code heeds its signal. */
  run(code: () => unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#cut = reject;
      // Both handlers are attached whatever wins, so that a late failure is never an unhandled rejection.
      Promise.resolve().then(code).then(resolve, reject);
    });
  }

  timeOut(error: TaskTimedOutError): void {
    this.#controller.abort(error);
    this.#cut?.(error);
  }

  abort(reason: unknown): void {
    if (this.#controller.signal.aborted) return;
    this.abortedError = new AbortedError("the activity was aborted", { cause: reason });
    this.#controller.abort(reason ?? this.abortedError);
    this.#cut?.(this.abortedError);
  }
}

function isPayloadError(error: unknown): boolean {
  return (
    error instanceof PerduraError && (error.code === "payload_too_large" || error.code === "payload_not_serializable")
  );
}
