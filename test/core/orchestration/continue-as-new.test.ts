import { describe, expect, it } from "vitest";
import { done, fired, Instance, raised, resumed, suspended, WAYS } from "./turns.ts";

describe.each(WAYS)("continuing as new, orchestrators $way", ({ cacheSize }) => {
  it("counts to ten over ten generations", async () => {
    const run = new Instance(
      async (ctx, n: number) => {
        await ctx.createTimer(0);
        if (n === 10) return n;
        ctx.continueAsNew(n + 1);
        return undefined;
      },
      { cacheSize, input: 0 },
    );
    await run.start();
    for (let n = 0; n < 10; n++) {
      await run.turn(fired(0));
      expect(run.end).toMatchObject({ status: "CONTINUED_AS_NEW", result: String(n + 1), carried: [] });
      await run.continueAsNew();
    }
    await run.turn(fired(0));
    expect(run.output).toBe(10);
  });

  it("takes effect only when the function returns well; the last call counts; what it returns is ignored", async () => {
    const run = new Instance(
      async (ctx) => {
        ctx.continueAsNew(1, { keepEvents: true });
        ctx.continueAsNew(2);
        await ctx.callActivity("a");
        return "ignored";
      },
      { cacheSize },
    );
    expect(await run.start()).toMatchObject([{ is: "activity" }]);
    await run.turn(done(0));
    expect(run.seen).toMatchObject([{ status: "CONTINUED_AS_NEW", result: "2", carried: [] }]);
    const failing = new Instance(
      (ctx) => {
        ctx.continueAsNew(1);
        throw new Error("no");
      },
      { cacheSize },
    );
    await failing.start();
    expect(failing.failure.errorMessage).toBe("no");
  });

  it("carries nothing unless told to, as the reference does", async () => {
    const run = new Instance(async (ctx) => ctx.continueAsNew(), { cacheSize });
    await run.start(raised("a", 1));
    expect(run.seen).toMatchObject([{ status: "CONTINUED_AS_NEW", result: undefined, carried: [] }]);
  });

  it("carries all unread events in order of arrival, over all names, those after the return included", async () => {
    const run = new Instance(
      async (ctx) => {
        await ctx.waitForExternalEvent("go");
        ctx.continueAsNew(null, { keepEvents: true });
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(raised("b", 1), raised("a", 2));
    await run.turn(raised("b", 3), raised("go"), raised("a", 4), raised("b", 5), raised("go", 6));
    expect(run.seen).toMatchObject([{ result: "null", carried: ["b=1", "a=2", "b=3", "a=4", "b=5", "go=6"] }]);
  });

  it("carries events that came while suspended after the return", async () => {
    const run = new Instance(
      async (ctx) => {
        await ctx.waitForExternalEvent("go");
        ctx.continueAsNew(1, { keepEvents: true });
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(raised("go"), suspended(), raised("x", 1));
    expect(run.seen).toEqual([]);
    await run.turn(raised("x", 2));
    await run.turn(resumed());
    expect(run.seen).toMatchObject([{ status: "CONTINUED_AS_NEW", carried: ["x=1", "x=2"] }]);
  });

  it("loses no event of a burst: ten of one kind and one of another, raised at once", async () => {
    const run = new Instance(
      async (ctx, n: number) => {
        const stop = await ctx.waitForExternalEvent<boolean>("e");
        if (stop) return n;
        ctx.continueAsNew(n + 1, { keepEvents: true });
        return undefined;
      },
      { cacheSize, input: 0 },
    );
    await run.start(...Array.from({ length: 10 }, () => raised("e", false)), raised("e", true));
    for (let n = 0; n < 10; n++) await run.continueAsNew();
    expect(run.output).toBe(10);
  });

  it("hands out other ids and random numbers in every generation, and begins without a custom status", async () => {
    const run = new Instance(
      async (ctx, seen: unknown[]) => {
        if (seen.length === 0) ctx.setCustomStatus("first");
        const mine = [ctx.newGuid(), ctx.random(), ctx.executionId];
        if (seen.length === 2) return [...seen, mine];
        ctx.continueAsNew([...seen, mine]);
        return undefined;
      },
      { cacheSize, input: [] },
    );
    await run.start();
    expect(run.answer.customStatus).toBe('"first"');
    await run.continueAsNew();
    expect(run.answer.customStatus).toBeUndefined();
    await run.continueAsNew();
    const seen = run.output as unknown[][];
    for (const column of [0, 1, 2]) expect(new Set(seen.map((each) => each[column])).size).toBe(3);
  });

  it("what was asked for before it in the turn comes before it in the answer", async () => {
    const run = new Instance(
      async (ctx) => {
        ctx.sendEvent("other", "hello");
        ctx.continueAsNew(1);
      },
      { cacheSize },
    );
    expect(await run.start()).toMatchObject([
      { id: 0, is: "event" },
      { id: 1, status: "CONTINUED_AS_NEW" },
    ]);
  });
});
