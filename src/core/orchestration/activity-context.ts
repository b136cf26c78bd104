import type { Logger } from "../hub/logger.ts";

/** What an activity knows of its attempt. */
export interface ActivityContext {
  /** The orchestration that called. */
  readonly instanceId: string;
  /** The name under which it was called. */
  readonly name: string;
  /** The id of the action that scheduled this attempt. */
  readonly taskId: number;
  /** The same on every attempt of a call: use it as an idempotency key. Empty where the caller gave none. */
  readonly taskExecutionId: string;
  /** 1 for the first attempt of a call. */
  readonly attempt: number;
  /** Free labels of the call. */
  readonly tags: Readonly<Record<string, string>>;
  /**
   * Aborts when the attempt's time is over, the worker stops, ownership is lost, or the result can no longer matter. Pass it on
   * (`fetch(url, { signal: ctx.signal })`): an activity that ignores it runs on, unheard.
   */
  readonly signal: AbortSignal;
  readonly log: Logger;
}
