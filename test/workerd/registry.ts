import { defineActivity, defineOrchestrator, TaskRegistry } from "../../src/core/index.ts";

/** What the objects of these tests can run. */
export function testRegistry(): TaskRegistry {
  const plusOne = defineActivity("plusOne", (_ctx, value: number) => value + 1);
  const chain = defineOrchestrator("chain", async (ctx, length: number) => {
    let value = 0;
    for (let step = 0; step < length; step++) value = await ctx.callActivity(plusOne, value);
    return value;
  });
  const family = defineOrchestrator("family", async (ctx, lengths: readonly number[]) => {
    const values = await ctx.whenAll(lengths.map((length) => ctx.callSubOrchestrator(chain, length)));
    return values.reduce((sum, value) => sum + value, 0);
  });
  const sleeper = defineOrchestrator("sleeper", async (ctx, ms: number) => {
    await ctx.createTimer(ms);
    return "awake";
  });
  const listener = defineOrchestrator("listener", async (ctx, name: string) => ctx.waitForExternalEvent(name));
  return new TaskRegistry().add(plusOne, chain, family, sleeper, listener);
}
