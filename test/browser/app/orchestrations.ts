/** The orchestrations that the driven pages run. Short ones, long ones, and some that wait. */
import {
  defineActivity,
  defineEvent,
  defineOrchestrator,
  TaskRegistry as Registry,
  type TaskRegistry,
} from "../../../src/core/index.ts";

const step = defineActivity(
  "step",
  async (_ctx, input: { readonly n: number; readonly ms: number }): Promise<number> => {
    if (input.ms > 0) await new Promise((resolve) => setTimeout(resolve, input.ms));
    return input.n + 1;
  },
);

/** Counts up by activities. */
export const counter = defineOrchestrator(
  "counter",
  async (ctx, input: { readonly steps: number; readonly ms: number }): Promise<number> => {
    let n = 0;
    for (let i = 0; i < input.steps; i++) n = await ctx.callActivity(step, { n, ms: input.ms });
    return n;
  },
);

/** Waits for one event and gives its payload. */
export const listener = defineOrchestrator("listener", async (ctx) =>
  ctx.waitForExternalEvent(defineEvent<string>("word")),
);

/** Collects events until it has as many as it wants. */
export const collector = defineOrchestrator("collector", async (ctx, wanted: number): Promise<number[]> => {
  const got: number[] = [];
  const item = defineEvent<number>("item");
  while (got.length < wanted) got.push(await ctx.waitForExternalEvent(item));
  return got;
});

/** Sleeps durably. */
export const sleeper = defineOrchestrator("sleeper", async (ctx, ms: number): Promise<string> => {
  await ctx.createTimer(ms);
  return "rested";
});

/** Runs `width` activities at once. */
export const fan = defineOrchestrator("fan", async (ctx, width: number): Promise<number> => {
  const tasks = Array.from({ length: width }, (_, n) => ctx.callActivity(step, { n, ms: 0 }));
  return (await ctx.whenAll(tasks)).reduce((sum, n) => sum + n, 0);
});

/** A counter below another one, with an activity before and after. */
export const parent = defineOrchestrator("parent", async (ctx, steps: number): Promise<number> => {
  const before = await ctx.callActivity(step, { n: 0, ms: 1 });
  const child = await ctx.callSubOrchestrator(counter, { steps, ms: 1 });
  return ctx.callActivity(step, { n: before + child, ms: 1 });
});

/** Gives the length of its input, and leaves it in its history. */
export const echo = defineOrchestrator("echo", async (_ctx, text: string): Promise<number> => text.length);

/** Asks the page, and then waits for the activity's answer. */
export const asker = defineOrchestrator("asker", async (ctx, question: string) =>
  ctx.callActivity("ask-page", question),
);

/** All of them. */
export function testRegistry(): TaskRegistry {
  return new Registry().add(step, counter, listener, collector, sleeper, fan, parent, asker, echo);
}
