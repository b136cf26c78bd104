import { InvalidArgumentError } from "../errors.ts";
import type { FailureDetails } from "../hub/metadata.ts";
import type { TimerOriginInit } from "../protocol/events.ts";
import type { OrchestratorAction } from "../protocol/gen/perdura/model/v1/history_pb.ts";
import type { OrchestrationScope } from "./orchestration-scope.ts";
import type { WorkOutcome } from "./pending-results.ts";
import { type CheckedRetryPolicy, computeNextDelay } from "./retry-policy.ts";
import { DurableTask } from "./task.ts";
import { TaskFailedError } from "./task-failed-error.ts";

/** A call of an activity or of a sub-orchestration. */
export interface CallSpec {
  readonly kind: "activity" | "orchestrator";
  readonly name: string;
  readonly retry: CheckedRetryPolicy | undefined;
  /** Makes the action of one attempt, perhaps later in the turn. `attempt` counts from 1, `firstId` is the action id of the first. */
  action(id: number, attempt: number, firstId: number): OrchestratorAction;
  /** The origin of the timers before further attempts. */
  retryOrigin(firstId: number): TimerOriginInit;
}

/**
 * One call, with its attempts. A retry is begun by the event that tells of the failure, not by whoever awaits the call: two
 * calls that fail side by side are retried side by side. Ids: attempt n, timer n+1, attempt n+2, unless other work
 * comes between.
 */
export class DurableCall<T> {
  readonly task: DurableTask<T>;
  readonly #scope: OrchestrationScope;
  readonly #spec: CallSpec;
  readonly #firstMs: number;
  #firstId = -1;
  #current: { readonly is: "attempt" | "timer"; readonly id: number } | undefined;

  /** Makes the call and asks for its first attempt. */
  constructor(scope: OrchestrationScope, spec: CallSpec) {
    this.#scope = scope;
    this.#spec = spec;
    this.#firstMs = scope.nowMs;
    this.task = new DurableTask<T>(scope, {
      durable: true,
      onCancel: () => this.#abandon(),
      cancelError: () => scope.cancelError(),
    });
    this.#attempt(1);
  }

  #attempt(attempt: number): void {
    const id = this.#scope.takeId();
    if (attempt === 1) this.#firstId = id;
    this.#current = { is: "attempt", id };
    const { kind, name } = this.#spec;
    this.#scope.ask(
      { kind: kind === "activity" ? "activity" : "sub-orchestration", id, name },
      () => this.#spec.action(id, attempt, this.#firstId),
      { kind: kind === "activity" ? "task" : "child", settle: (outcome) => this.#onOutcome(outcome, attempt, id) },
    );
  }

  #onOutcome(outcome: WorkOutcome, attempt: number, id: number): void {
    this.#current = undefined;
    const { kind, name } = this.#spec;
    if (!outcome.ok) {
      this.#onFailure(outcome.failure, attempt, id);
      return;
    }
    try {
      this.task.complete(this.#scope.payloads.fromText(outcome.result, `the result of ${kind} '${name}'`) as T);
    } catch (error) {
      this.task.fail(error);
    }
  }

  #onFailure(failure: FailureDetails, attempt: number, id: number): void {
    const { kind, name } = this.#spec;
    const error = new TaskFailedError(kind, name, id, failure);
    let delay: number | undefined;
    try {
      delay = this.#delayAfter(error, attempt);
    } catch (thrown) {
      // The policy's own handler failed: that is an error of the orchestrator, and the call's to tell.
      this.task.fail(thrown);
      return;
    }
    if (delay === undefined) {
      this.task.fail(error);
      return;
    }
    const timerId = this.#scope.setTimer({
      fireAtMs: this.#scope.nowMs + delay,
      name: `${name}-retry`,
      origin: () => this.#spec.retryOrigin(this.#firstId),
      attempt: attempt + 1,
      onFired: () => this.#attempt(attempt + 1),
    });
    // A timer that has fired already (its firing was early) has set the next attempt.
    if (this.#current === undefined) this.#current = { is: "timer", id: timerId };
  }

  #delayAfter(error: TaskFailedError, attempt: number): number | undefined {
    const { retry } = this.#spec;
    if (retry === undefined || attempt >= retry.maxAttempts || error.isNonRetriable) return undefined;
    if (retry.handle !== undefined && !booleanOf(retry.handle(error))) return undefined;
    return computeNextDelay(retry, attempt - 1, this.#firstMs, this.#scope.nowMs);
  }

  #abandon(): void {
    const current = this.#current;
    this.#current = undefined;
    if (current === undefined) return;
    if (current.is === "timer") this.#scope.cancelTimer(current.id);
    else if (this.#spec.kind === "activity") this.#scope.cancelActivity(current.id);
    else this.#scope.results.drop(current.id);
  }
}

/** A promise is true whatever it resolves to, so that an async handler would retry for ever. */
function booleanOf(answer: unknown): boolean {
  if (typeof answer === "object" && answer !== null && "then" in answer) {
    throw new InvalidArgumentError("retry.handle answered a promise: it must be synchronous and answer a boolean");
  }
  return Boolean(answer);
}
