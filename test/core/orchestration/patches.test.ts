import { describe, expect, it } from "vitest";
import type { OrchestratorFunction } from "../../../src/core/orchestration/context.ts";
import { done, Instance, resumed, suspended, WAYS } from "./turns.ts";

describe.each(WAYS)("patches, orchestrators $way", ({ cacheSize }) => {
  it("apply to a fresh run, are told once, and stay for all later turns", async () => {
    const run = new Instance(
      async (ctx) => {
        const seen = [ctx.isPatched("p"), ctx.isPatched("p")];
        await ctx.callActivity("a");
        seen.push(ctx.isPatched("p"));
        await ctx.callActivity("b");
        seen.push(ctx.isPatched("p"), ctx.isPatched("q"));
        return seen;
      },
      { cacheSize },
    );
    await run.start();
    expect(run.answer.patches).toEqual(["p"]);
    await run.turn(done(0));
    expect(run.answer.patches).toBeUndefined();
    await run.turn(done(1));
    expect(run.answer.patches).toEqual(["q"]);
    expect(run.output).toEqual([true, true, true, true, true]);
  });

  it("do not apply where history was written without them, and that sticks", async () => {
    const old = new Instance(async (ctx) => {
      await ctx.callActivity("a");
      await ctx.callActivity("b");
    });
    await old.start();
    await old.turn(done(0));
    const run = new Instance(
      async (ctx) => {
        const before = ctx.isPatched("early");
        if (before) await ctx.callActivity("new step");
        await ctx.callActivity("a");
        await ctx.callActivity("b");
        return [before, ctx.isPatched("early"), ctx.isPatched("late")];
      },
      { cacheSize, history: old.history },
    );
    await run.turn(done(1));
    expect(run.output).toEqual([false, false, true]);
    expect(run.answer.patches).toEqual(["late"]);
  });

  it("asked for before a suspension of the same batch are told and kept", async () => {
    const fn: OrchestratorFunction<never, unknown> = async (ctx) => {
      if (ctx.isPatched("p")) await ctx.callActivity("new");
      else await ctx.callActivity("old");
    };
    const run = new Instance(fn, { cacheSize });
    await run.start(suspended());
    expect(run.answer.patches).toEqual(["p"]);
    expect(await run.turn(resumed())).toMatchObject([{ name: "new" }]);
  });

  it("are chosen anew after continue-as-new", async () => {
    const run = new Instance(
      async (ctx, n: number) => {
        const patched = ctx.isPatched("p");
        if (n === 1) return patched;
        ctx.continueAsNew(1);
        return undefined;
      },
      { cacheSize, input: 0 },
    );
    await run.start();
    await run.continueAsNew();
    expect(run.answer.patches).toEqual(["p"]);
    expect(run.output).toBe(true);
  });
});
