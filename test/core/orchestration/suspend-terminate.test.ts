import { describe, expect, it } from "vitest";
import type { OrchestrationContext } from "../../../src/core/orchestration/context.ts";
import { done, fired, Instance, raised, resumed, suspended, T0, terminated, WAYS } from "./turns.ts";

const chain = async (ctx: OrchestrationContext) => {
  const all: unknown[] = [];
  for (let n = 0; n < 3; n++) all.push(await ctx.callActivity("a", n));
  return all;
};

describe.each(WAYS)("suspending orchestrators $way", ({ cacheSize }) => {
  it("stops all actions, also those asked for before in the same batch", async () => {
    const run = new Instance(chain, { cacheSize });
    expect(await run.start(suspended())).toEqual([]);
    expect(await run.turn(raised("e"))).toEqual([]);
    expect(await run.turn(resumed())).toMatchObject([{ id: 0, is: "activity" }]);
    expect(await run.turn(done(0, "x"))).toMatchObject([{ id: 1, is: "activity" }]);
  });

  it("freezes time and holds results until the resume", async () => {
    const times: number[] = [];
    const run = new Instance(
      async (ctx) => {
        const task = ctx.callActivity("a");
        await ctx.waitForExternalEvent("e");
        times.push(ctx.currentTime.getTime() - T0);
        return [await task, ctx.currentTime.getTime() - T0];
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(suspended());
    await run.turn(raised("e"));
    await run.turn(done(0, 1));
    expect(times).toEqual([]);
    await run.turn(resumed());
    // What was held is fed with the times of the turns in which it came.
    expect(times).toEqual([2000]);
    expect(run.output).toEqual([1, 3000]);
  });

  it("twice is undone by one resume, and loses nothing", async () => {
    const run = new Instance(
      async (ctx) => [await ctx.waitForExternalEvent("e"), await ctx.waitForExternalEvent("e")],
      { cacheSize },
    );
    await run.start();
    await run.turn(suspended(), raised("e", 1));
    await run.turn(suspended(), raised("e", 2));
    expect(await run.turn(resumed())).toMatchObject([{ is: "complete" }]);
    expect(run.output).toEqual([1, 2]);
  });

  it("and resuming in one batch is as if nothing had been", async () => {
    const run = new Instance(chain, { cacheSize });
    expect(await run.start(suspended(), resumed())).toMatchObject([{ id: 0, is: "activity" }]);
    expect(await run.turn(suspended(), done(0, 0), resumed(), resumed())).toMatchObject([{ id: 1, is: "activity" }]);
  });

  it("before the start holds the start", async () => {
    let began = false;
    const run = new Instance(
      async () => {
        began = true;
        return 1;
      },
      { cacheSize },
    );
    await run.turn(suspended(), run.startEvent);
    expect(began).toBe(false);
    await run.turn(resumed());
    expect(run.output).toBe(1);
  });

  it("holds back a completion of the same batch, and cancellations with it", async () => {
    const run = new Instance(
      async (ctx) => {
        const timer = ctx.createTimer("1h");
        await ctx.waitForExternalEvent("e");
        timer.cancel();
        void timer.then(undefined, () => {});
        return "done";
      },
      { cacheSize },
    );
    await run.start();
    expect(await run.turn(raised("e"), suspended())).toEqual([]);
    expect(run.answer.cancelledTimers).toBeUndefined();
    await run.turn(resumed());
    expect(run.output).toBe("done");
    expect(run.answer.cancelledTimers).toEqual([0]);
  });

  it("leaves the event waits to be seen", async () => {
    const run = new Instance(async (ctx) => ctx.waitForExternalEvent("e"), { cacheSize });
    await run.start();
    await run.turn(suspended());
    expect(run.answer.eventWaits).toEqual([{ name: "e", count: 1 }]);
  });

  it("a long replay over many suspensions ends the same", async () => {
    const run = new Instance(
      async (ctx) => {
        let sum = 0;
        for (let n = 0; n < 40; n++) sum += await ctx.waitForExternalEvent<number>("e");
        return sum;
      },
      { cacheSize },
    );
    await run.start();
    for (let n = 0; n < 40; n++) {
      if (n % 7 === 3) await run.turn(suspended());
      await run.turn(raised("e", n));
      if (n % 7 === 5) await run.turn(resumed());
    }
    await run.turn(resumed());
    expect(run.output).toBe(780);
  });
});

describe.each(WAYS)("terminating orchestrators $way", ({ cacheSize }) => {
  it("is the last word: later events of the batch move nothing", async () => {
    const moved: string[] = [];
    const run = new Instance(
      async (ctx) => {
        await ctx.createTimer("1s");
        moved.push("after the timer");
      },
      { cacheSize },
    );
    await run.start();
    expect(await run.turn(terminated("x"), fired(0), raised("e"))).toMatchObject([
      { id: 1, is: "complete", status: "TERMINATED", result: '"x"' },
    ]);
    expect(moved).toEqual([]);
  });

  it("drops what the code asked for in the same batch before it", async () => {
    const run = new Instance(chain, { cacheSize });
    expect(await run.start(terminated())).toMatchObject([{ id: 1, is: "complete", status: "TERMINATED" }]);
  });

  it.each([["before"], ["after"]])("beats a continue-as-new that comes %s it", async (order) => {
    const run = new Instance(
      async (ctx) => {
        await ctx.waitForExternalEvent("e");
        ctx.continueAsNew(1);
      },
      { cacheSize },
    );
    await run.start();
    const batch = [raised("e"), terminated("t")];
    await run.turn(...(order === "before" ? batch : batch.reverse()));
    expect(run.seen).toMatchObject([{ is: "complete", status: "TERMINATED", result: '"t"' }]);
  });

  it("loses to a normal end that came before it in the batch", async () => {
    const run = new Instance(async (ctx) => ctx.waitForExternalEvent("e"), { cacheSize });
    await run.start();
    await run.turn(raised("e", "ok"), terminated("t"));
    expect(run.output).toBe("ok");
    const failing = new Instance(
      async (ctx) => {
        await ctx.waitForExternalEvent("e");
        throw new Error("own");
      },
      { cacheSize },
    );
    await failing.start();
    await failing.turn(raised("e"), terminated("t"));
    expect(failing.failure.errorMessage).toBe("own");
  });

  it("works while suspended, in the batch of the suspension and later", async () => {
    for (const batches of [[[suspended(), terminated(1)]], [[suspended()], [raised("e")], [terminated(1)]]]) {
      const run = new Instance(chain, { cacheSize });
      await run.start();
      for (const batch of batches) await run.turn(...batch);
      expect(run.seen).toMatchObject([{ id: 1, is: "complete", status: "TERMINATED", result: "1" }]);
    }
  });

  it("while suspended lets an end of the same batch stand, and tells it", async () => {
    const run = new Instance(async (ctx) => ctx.waitForExternalEvent("e"), { cacheSize });
    await run.start();
    await run.turn(raised("e", "ok"), suspended(), terminated());
    expect(run.output).toBe("ok");
  });

  it("beats an end that a suspension held back in an earlier turn", async () => {
    const run = new Instance(async (ctx) => ctx.waitForExternalEvent("e"), { cacheSize });
    await run.start();
    await run.turn(raised("e", "ok"), suspended());
    await run.turn(terminated("t"));
    expect(run.seen).toMatchObject([{ id: 0, is: "complete", status: "TERMINATED", result: '"t"' }]);
  });

  it("twice in a batch: the first stands", async () => {
    const run = new Instance(chain, { cacheSize });
    await run.start();
    await run.turn(terminated("one"), terminated("two"));
    expect(run.seen).toMatchObject([{ status: "TERMINATED", result: '"one"' }]);
  });
});
