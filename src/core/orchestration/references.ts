import { InvalidArgumentError } from "../errors.ts";
import type { ActivityContext } from "./activity-context.ts";
import type { ActivityOptions, OrchestrationContext, SubOrchestrationOptions } from "./context.ts";
import type { Task } from "./task.ts";

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

/** A typed name of an activity, with its code. */
export interface ActivityReference<I, O> {
  readonly kind: "activity";
  readonly name: string;
  readonly fn: ActivityFunction<I, O>;
  /** What calls through this reference use where they say nothing else. */
  readonly defaults: ActivityOptions;
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

/**
 * Declares an activity.
 *
 * @param name its name in histories: keep it when the function is renamed.
 * @param defaults retry policy, timeout and the like for calls through the reference.
 * @throws {@link InvalidArgumentError} for an empty name.
 *
 * @example
 * const charge = defineActivity("charge", async (ctx, order: Order): Promise<Receipt> => pay(order, ctx.signal), {
 *   timeout: "30s",
 * });
 */
export function defineActivity<I = unknown, O = unknown>(
  name: string,
  fn: ActivityFunction<I, O>,
  defaults: ActivityOptions = {},
): ActivityReference<I, O> {
  return { kind: "activity", name: checkedName(name, "an activity"), fn, defaults };
}

/**
 * Declares an orchestrator.
 *
 * @param name its name in histories: keep it when the function is renamed.
 * @param defaults retry policy and the like for calls of it as a sub-orchestration through the reference.
 * @throws {@link InvalidArgumentError} for an empty name.
 *
 * @example
 * const checkout = defineOrchestrator("checkout", async (ctx, order: Order) => {
 *   const receipt = await ctx.callActivity(charge, order);
 *   return receipt.id;
 * });
 */
export function defineOrchestrator<I = unknown, O = unknown>(
  name: string,
  fn: OrchestratorFunction<I, O>,
  defaults: SubOrchestrationOptions = {},
): OrchestratorReference<I, O> {
  return { kind: "orchestrator", name: checkedName(name, "an orchestrator"), fn, defaults };
}

/**
 * Declares an external event, so that sender and receiver agree on its payload.
 *
 * @throws {@link InvalidArgumentError} for an empty name.
 *
 * @example
 * const approval = defineEvent<{ by: string }>("approval");
 * const { by } = await ctx.waitForExternalEvent(approval);
 */
export function defineEvent<T = unknown>(name: string): EventReference<T> {
  return { kind: "event", name: checkedName(name, "an event") };
}

/** What names an activity or an orchestrator: its name, a reference, or a named function registered under its own name. */
export type NameLike = string | { readonly name: string };

/**
 * The name that a {@link NameLike} means.
 *
 * @throws {@link InvalidArgumentError} when it is empty, as with an anonymous function.
 */
export function nameOf(target: NameLike, what: string): string {
  return checkedName(typeof target === "string" ? target : target?.name, what);
}

function checkedName(name: unknown, what: string): string {
  if (typeof name !== "string" || name === "") throw new InvalidArgumentError(`${what} has no name: give it one`);
  return name;
}
