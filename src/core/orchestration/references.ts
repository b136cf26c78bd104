import { InvalidArgumentError } from "../errors.ts";
import { checkName } from "../limits.ts";
import type {
  ActivityDefaults,
  ActivityFunction,
  ActivityReference,
  EventReference,
  NameLike,
  OrchestratorFunction,
  OrchestratorReference,
  SubOrchestrationOptions,
} from "./context.ts";

/**
 * Declares an activity.
 *
 * @param name its name in histories: keep it when the function is renamed.
 * @param defaults retry policy, timeout and the like for calls through the reference, and when it may run.
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
  defaults: ActivityDefaults = {},
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
  checkName(`name of ${what}`, name);
  return name;
}
