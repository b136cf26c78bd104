/** Orchestrators and activities that the rules' tests run. */
import { defineActivity, defineOrchestrator } from "../../../../src/core/orchestration/references.ts";

export const plusOne = defineActivity("plusOne", (_ctx, value: number) => value + 1);

export const chain = defineOrchestrator("chain", async (ctx, length: number) => {
  let value = 0;
  for (let step = 0; step < length; step++) value = await ctx.callActivity(plusOne, value);
  return value;
});

export const fanOut = defineOrchestrator("fanOut", async (ctx, width: number) => {
  const results = await ctx.whenAll(Array.from({ length: width }, (_, index) => ctx.callActivity(plusOne, index)));
  return results.length;
});

export const waiting = defineOrchestrator("waiting", async (ctx) => ctx.waitForExternalEvent<string>("go"));
