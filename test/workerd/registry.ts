import { defineActivity, defineOrchestrator, TaskRegistry } from "../../src/core/index.ts";

/** What the objects of these tests can run. */
export function testRegistry(): TaskRegistry {
  const plusOne = defineActivity("plusOne", (_ctx, value: number) => value + 1);
  const slowly = defineActivity("slowly", async (_ctx, ms: number) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return "done";
  });
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
  const worker = defineOrchestrator("worker", async (ctx, ms: number) => ctx.callActivity(slowly, ms));
  const guardian = defineOrchestrator("guardian", async (ctx, ms: number) => ctx.callSubOrchestrator(sleeper, ms));
  const courier = defineOrchestrator("courier", async (ctx, target: string) => {
    ctx.sendEvent(target, "parcel", { from: ctx.instanceId });
    return "sent";
  });
  /** Sends more to one target in one turn than one call between objects takes. */
  const haulier = defineOrchestrator("haulier", async (ctx, { target, loads }: { target: string; loads: number }) => {
    for (let load = 0; load < loads; load++) ctx.sendEvent(target, "load", `${load}${"x".repeat(3_900_000)}`);
    return "sent";
  });
  const unloader = defineOrchestrator("unloader", async (ctx, loads: number) => {
    const seen: number[] = [];
    while (seen.length < loads) seen.push(Number.parseInt(await ctx.waitForExternalEvent<string>("load"), 10));
    return seen;
  });
  const boulder = defineOrchestrator("boulder", async (ctx, size: number) => {
    const payload = "x".repeat(size);
    return (await ctx.callActivity<string>("echo", payload)).length;
  });
  const crowd = defineOrchestrator("crowd", async (ctx, size: number) => {
    const values = await ctx.whenAll(Array.from({ length: size }, (_, index) => ctx.callActivity(plusOne, index)));
    return values.length;
  });
  return new TaskRegistry()
    .add(
      plusOne,
      slowly,
      chain,
      family,
      sleeper,
      listener,
      worker,
      guardian,
      courier,
      haulier,
      unloader,
      boulder,
      crowd,
    )
    .addActivity("echo", (_ctx, text: string) => text);
}
