import type { Logger } from "../hub/logger.ts";
import type { ActivityContext } from "./activity-context.ts";
import type { TaskOutcomes, TaskResults } from "./combinators.ts";
import type { Duration } from "./duration.ts";
import type { EventResult } from "./external-events.ts";
import type { RetryPolicy } from "./retry-policy.ts";
import type { RunWhen } from "./run-when.ts";
import type { CompletedTask, Task } from "./task.ts";

/** How an activity is called. */
export interface ActivityOptions {
  /** How a failed attempt is tried again; default: it is not. */
  readonly retry?: RetryPolicy;
  /** How long one attempt may take; it then fails with a {@link TaskTimedOutError}, and its signal aborts. Default: no limit. */
  readonly timeout?: Duration;
  /** A version for the worker to choose code by. */
  readonly version?: string;
  /** Free labels, kept in history. */
  readonly tags?: Readonly<Record<string, string>>;
}

/** How a sub-orchestration is called. */
export interface SubOrchestrationOptions {
  /** Its instance id; default: one made of this instance's id and the action's. All its retries have the same, when given. */
  readonly instanceId?: string;
  /** How a failed attempt is tried again; default: it is not. */
  readonly retry?: RetryPolicy;
  /** The version of the orchestrator to start. */
  readonly version?: string;
  /** Free labels of the child, to be found by. */
  readonly tags?: Readonly<Record<string, string>>;
}

/** Options of {@link OrchestrationContext.createTimer}. */
export interface TimerOptions {
  /** A name for those who look at what the instance waits for. */
  readonly name?: string;
}

/** Options of {@link OrchestrationContext.waitForExternalEvent}. */
export interface EventWaitOptions {
  /** How long to wait: a duration, or the moment at which to stop. */
  readonly timeout: Duration | Date;
}

/** Options of {@link OrchestrationContext.continueAsNew}. */
export interface ContinueAsNewOptions {
  /**
   * Whether events that arrived and were not taken go to the new generation, in order of arrival. Default false, as in the
   * reference: they are dropped. Events that have not been delivered yet survive either way.
   */
  readonly keepEvents?: boolean;
}

/** Who started this instance and waits for it. */
export interface ParentInstance {
  readonly instanceId: string;
  readonly name: string;
  /** The id of the parent's action. */
  readonly taskId: number;
}

/** The arguments after the name: the input may be left out where its type allows it. */
export type CallArguments<I, Options> = undefined extends I
  ? [input?: I, options?: Options]
  : [input: I, options?: Options];

/**
 * What an orchestrator knows of the world, and all that it may do.
 *
 * Every method throws {@link NonDeterminismError} when it is called outside the orchestrator's turn, which happens after it
 * awaited something that is not durable; the instance then ends with that error. Once the orchestrator has returned,
 * calls have no effect.
 */
export interface OrchestrationContext<I = unknown> {
  readonly instanceId: string;
  /** New with every continue-as-new. */
  readonly executionId: string;
  /** The name under which the orchestrator was started. */
  readonly name: string;
  /** The version that was asked for, if one was. */
  readonly version: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  /** The input, also passed as the function's second argument. */
  readonly input: I;
  readonly parent: ParentInstance | undefined;
  /** Whether the code runs through what it did before. For side effects such as logging only, never for decisions. */
  readonly isReplaying: boolean;
  /** The time of the current turn: the same on every replay, and never going back. */
  readonly currentTime: Date;
  /** A logger that is silent during replay. */
  readonly log: Logger;

  /** A version 5 UUID that is the same on every replay. */
  newGuid(): string;
  /** A number in [0, 1) that is the same on every replay. Not for secrets. */
  random(): number;

  /**
   * Calls an activity. The input is converted now.
   *
   * The task fails with {@link TaskFailedError} when the last attempt failed.
   *
   * @throws {@link InvalidArgumentError}, {@link PayloadTooLargeError}, {@link PayloadNotSerializableError}: then nothing was asked for.
   */
  callActivity<A, O>(
    activity: ActivityReference<A, O> | ActivityFunction<A, O>,
    ...args: CallArguments<A, ActivityOptions>
  ): Task<O>;
  callActivity<O = unknown>(activity: string, input?: unknown, options?: ActivityOptions): Task<O>;

  /**
   * Starts a sub-orchestration and waits for its end. The input is converted now.
   *
   * The task fails with {@link TaskFailedError} when the child failed, was terminated, or could not be started.
   *
   * @throws {@link InvalidArgumentError}, {@link PayloadTooLargeError}, {@link PayloadNotSerializableError}: then nothing was asked for.
   */
  callSubOrchestrator<A, O>(
    orchestrator: OrchestratorReference<A, O> | OrchestratorFunction<A, O>,
    ...args: CallArguments<A, SubOrchestrationOptions>
  ): Task<O>;
  callSubOrchestrator<O = unknown>(orchestrator: string, input?: unknown, options?: SubOrchestrationOptions): Task<O>;

  /**
   * A durable timer: for a time, or until a moment. A moment in the past means now.
   *
   * @throws {@link InvalidArgumentError} for a time that is negative, not finite, or after the year 9999.
   */
  createTimer(when: Duration | Date, options?: TimerOptions): Task<void>;

  /**
   * Waits for an external event; its name matches whatever its case. Events that came before are taken first, oldest first.
   * Without a time limit the task answers the payload; with one it answers an {@link EventResult}. A wait that was cancelled or
   * timed out takes no event.
   *
   * @throws {@link InvalidArgumentError} for an empty name or a bad time limit.
   */
  waitForExternalEvent<T = unknown>(event: string | EventReference<T>): Task<T>;
  waitForExternalEvent<T = unknown>(event: string | EventReference<T>, options: EventWaitOptions): Task<EventResult<T>>;

  /**
   * Sends an event to another instance, with this turn's commit. One for an instance that does not exist is dropped.
   *
   * @throws {@link InvalidArgumentError}, {@link PayloadTooLargeError}, {@link PayloadNotSerializableError}.
   */
  sendEvent<T>(instanceId: string, event: string | EventReference<T>, payload?: T): void;

  /**
   * Begins anew with another input and an empty history, once the function returns; what it returns is ignored. Has no effect
   * when the function fails. Activities, timers and sub-orchestrations that are open then are forgotten.
   *
   * @throws {@link PayloadTooLargeError}, {@link PayloadNotSerializableError}.
   */
  continueAsNew(input?: unknown, options?: ContinueAsNewOptions): void;

  /**
   * Sets what clients see as the custom status, until it is set again; `undefined` clears it. Converted now.
   *
   * @throws {@link PayloadTooLargeError}, {@link PayloadNotSerializableError}.
   */
  setCustomStatus(status: unknown): void;

  /**
   * Whether a change of the code applies to this run: true for runs that get to this place for the first time, false for runs
   * whose history was written by the code before. The answer for a name never changes within a generation.
   *
   * @throws {@link InvalidArgumentError} for an empty name.
   *
   * @example
   * if (ctx.isPatched("send-receipt")) await ctx.callActivity(sendReceipt, order);
   */
  isPatched(name: string): boolean;

  /** See {@link whenAll}. */
  whenAll<const T extends readonly Task<unknown>[]>(tasks: T): Task<TaskResults<T>>;
  /** See {@link whenAny}. */
  whenAny<const T extends readonly Task<unknown>[]>(tasks: T): Task<CompletedTask<TaskResults<T>[number]>>;
  /** See {@link whenAllSettled}. */
  whenAllSettled<const T extends readonly Task<unknown>[]>(tasks: T): Task<TaskOutcomes<T>>;
}

/** An activity: ordinary code with side effects, run at least once for every call. */
export type ActivityFunction<I, O> = (ctx: ActivityContext, input: I) => O | Promise<O>;

/**
 * An orchestrator, in one of its styles: a function (async or not), `function*` with `yield*`, or `async function*` with
 * `yield`. It must be deterministic: all that it learns of the world comes from `ctx`.
 */
export type OrchestratorFunction<I, O> = (
  ctx: OrchestrationContext,
  input: I,
) => O | Promise<O> | Generator<Task<unknown>, O, unknown> | AsyncGenerator<unknown, O, unknown>;

/** How an activity is declared: what calls of it use where they say nothing else, and when it may run. */
export interface ActivityDefaults extends ActivityOptions {
  /** The activity waits until then, without using up an attempt; what its instance waits for says so. */
  readonly runWhen?: RunWhen;
}

/** A typed name of an activity, with its code. */
export interface ActivityReference<I, O> {
  readonly kind: "activity";
  readonly name: string;
  readonly fn: ActivityFunction<I, O>;
  /** What calls through this reference use where they say nothing else, and when it may run. */
  readonly defaults: ActivityDefaults;
}

/** A typed name of an orchestrator, with its code. */
export interface OrchestratorReference<I, O> {
  readonly kind: "orchestrator";
  readonly name: string;
  readonly fn: OrchestratorFunction<I, O>;
  /** What sub-orchestration calls through this reference use where they say nothing else. */
  readonly defaults: SubOrchestrationOptions;
}

/** A typed name of an external event. */
export interface EventReference<T> {
  readonly kind: "event";
  readonly name: string;
  /** Carries the type only; never set. */
  readonly payload?: T;
}

/** What names an activity or an orchestrator: its name, a reference, or a named function registered under its own name. */
export type NameLike = string | { readonly name: string };
