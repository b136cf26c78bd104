import { InvalidArgumentError } from "../errors.ts";
import { type Duration, toMilliseconds } from "./duration.ts";
import type { TaskFailedError } from "./task-failed-error.ts";

/** How a failed activity or sub-orchestration is tried again, with durable timers between the attempts. */
export interface RetryPolicy {
  /** How many attempts in all, the first included: a whole number from 1. */
  readonly maxAttempts: number;
  /** How long to wait before the second attempt: more than 0. */
  readonly firstDelay: Duration;
  /** By what the delay grows from attempt to attempt; default 1, more than 0. */
  readonly backoff?: number;
  /** The longest delay; default none. */
  readonly maxDelay?: Duration;
  /** No attempt begins later than this after the first was asked for; default none. */
  readonly timeout?: Duration;
  /**
   * Says whether a failure is worth another attempt; default: every one is. It is part of the orchestrator: deterministic and
   * synchronous. When it throws, the call fails with what it threw. A non-retriable failure never gets here.
   */
  readonly handle?: (failure: TaskFailedError) => boolean;
}

/** A checked policy, in milliseconds. `Infinity` where there is no limit. */
export interface CheckedRetryPolicy {
  readonly maxAttempts: number;
  readonly firstDelayMs: number;
  readonly backoff: number;
  readonly maxDelayMs: number;
  readonly timeoutMs: number;
  readonly handle: ((failure: TaskFailedError) => boolean) | undefined;
}

/**
 * Checks a policy; the caller's object is left as it is.
 *
 * @throws {@link InvalidArgumentError} naming the field that is missing, not finite, or out of range.
 */
export function checkRetryPolicy(policy: RetryPolicy): CheckedRetryPolicy {
  if (typeof policy !== "object" || policy === null)
    throw new InvalidArgumentError("retry is no policy: pass an object");
  const { maxAttempts, backoff = 1, handle } = policy;
  if (!Number.isSafeInteger(maxAttempts) || maxAttempts < 1) {
    throw new InvalidArgumentError(`retry.maxAttempts is ${maxAttempts}: pass a whole number from 1`);
  }
  if (typeof backoff !== "number" || !Number.isFinite(backoff) || backoff <= 0) {
    throw new InvalidArgumentError(`retry.backoff is ${backoff}: pass a finite number above 0`);
  }
  if (handle !== undefined && typeof handle !== "function") {
    throw new InvalidArgumentError("retry.handle is no function: pass one that answers whether to try again");
  }
  const firstDelayMs = positive(policy.firstDelay, "retry.firstDelay");
  return {
    maxAttempts,
    firstDelayMs,
    backoff,
    maxDelayMs: policy.maxDelay === undefined ? Number.POSITIVE_INFINITY : positive(policy.maxDelay, "retry.maxDelay"),
    timeoutMs: policy.timeout === undefined ? Number.POSITIVE_INFINITY : positive(policy.timeout, "retry.timeout"),
    handle,
  };
}

function positive(duration: Duration, what: string): number {
  const ms = toMilliseconds(duration, what);
  if (ms === 0) throw new InvalidArgumentError(`${what} is 0: pass more than 0`);
  return ms;
}

/**
 * How long to wait before the next attempt, in whole milliseconds, or `undefined` when the policy's time would be over by
 * then (the Go engine looks at the time before the wait, and so begins attempts after it). It does not look at `maxAttempts`
 * and `handle`.
 *
 * @param retries how many retries there were so far, from 0.
 * @param firstMs turn time at which the call was first made, epoch ms.
 * @param nowMs turn time of the failure, epoch ms.
 */
export function computeNextDelay(
  policy: CheckedRetryPolicy,
  retries: number,
  firstMs: number,
  nowMs: number,
): number | undefined {
  const grown = policy.firstDelayMs * policy.backoff ** retries;
  // A backoff below 1 shrinks the delay, but never to none: a busy loop of attempts is no policy.
  const delay = Math.max(1, Math.trunc(Math.min(grown, policy.maxDelayMs)));
  return nowMs + delay > firstMs + policy.timeoutMs ? undefined : delay;
}
