import { describe, expect, expectTypeOf, it, vi } from "vitest";
import { whenAll, whenAllSettled, whenAny } from "../../../src/core/orchestration/combinators.ts";
import type { OrchestrationContext } from "../../../src/core/orchestration/context.ts";
import type { CompletedTask, Task } from "../../../src/core/orchestration/task.ts";
import { done, failed, fired, Instance, raised, WAYS } from "./turns.ts";

describe.each(WAYS)("tasks of orchestrators $way", ({ cacheSize }) => {
  it.each([[0], [""], [false], [null], [[]]])("the result %j comes through exactly", async (value) => {
    for (const fn of [
      async (ctx: OrchestrationContext) => ctx.callActivity("a"),
      function* (ctx: OrchestrationContext): Generator<Task<unknown>, unknown, unknown> {
        return yield* ctx.callActivity("a");
      },
      async function* (ctx: OrchestrationContext): AsyncGenerator<unknown, unknown, unknown> {
        return yield ctx.callActivity("a");
      },
    ]) {
      const run = new Instance(fn, { cacheSize });
      await run.start();
      await run.turn(done(0, value));
      expect(run.output).toEqual(value);
    }
  });

  it("no result is undefined, and no output is no result", async () => {
    const run = new Instance(async (ctx) => ctx.callActivity("a"), { cacheSize });
    await run.start();
    await run.turn(done(0));
    expect(run.end?.result).toBeUndefined();
    expect(run.end?.status).toBe("COMPLETED");
  });

  it("a result that is no payload fails its task only", async () => {
    const run = new Instance(
      async (ctx) =>
        ctx.callActivity("a").then(
          () => "ok",
          (error: { code: string }) => error.code,
        ),
      {
        cacheSize,
        converter: {
          toText: JSON.stringify,
          fromText: (text) => {
            if (text === '"bad"') throw new Error("no");
            return text;
          },
        },
      },
    );
    await run.start();
    await run.turn(done(0, "bad"));
    expect(run.output).toBe("payload_not_serializable");
  });

  it("know whether they have ended, and how", async () => {
    const run = new Instance(
      async (ctx) => {
        const [good, bad, open] = [ctx.callActivity("a"), ctx.callActivity("b"), ctx.createTimer("1h")];
        const before = [good.isComplete, good.isFailed];
        await good;
        await bad.then(undefined, () => {});
        let early = "";
        try {
          void open.result;
        } catch (error) {
          early = (error as Error).message;
        }
        return [
          before,
          good.isComplete,
          good.isFailed,
          good.result,
          bad.isFailed,
          (bad.error as Error).message,
          open.isComplete,
          early,
        ];
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(done(0, 7), failed(1));
    expect(run.output).toEqual([
      [false, false],
      true,
      false,
      7,
      true,
      "activity 'b' failed: boom",
      false,
      "the task has not ended: await it first",
    ]);
  });

  it("can be awaited twice, and after they have ended", async () => {
    const run = new Instance(
      async (ctx) => {
        const task = ctx.callActivity<number>("a");
        const first = await task;
        return [first, await task, await task];
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(done(0, 5));
    expect(run.output).toEqual([5, 5, 5]);
  });

  it("a cancelled timer fails with the error of a cancelled task, and is dropped", async () => {
    const run = new Instance(
      async (ctx) => {
        const timer = ctx.createTimer("1h");
        timer.cancel();
        timer.cancel();
        await timer;
      },
      { cacheSize },
    );
    await run.start();
    expect(run.answer.cancelledTimers).toEqual([0]);
    expect(run.seen).toMatchObject([
      { id: 0, is: "timer" },
      { id: 1, is: "complete", status: "FAILED" },
    ]);
    expect(run.failure.errorMessage).toBe("the task was canceled");
  });

  it("a timer in the past fires now, and never before", async () => {
    const run = new Instance(async (ctx) => ctx.createTimer(new Date(0), { name: "past" }), { cacheSize });
    expect(await run.start()).toMatchObject([{ is: "timer", inMs: 0, name: "past", origin: "createTimer" }]);
  });

  it("a cancelled sub-orchestration goes on unheard", async () => {
    const run = new Instance(
      async (ctx) => {
        const child = ctx.callSubOrchestrator("c");
        child.cancel();
        await ctx.callActivity("a");
        return child.isFailed;
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(done(1));
    expect(run.output).toBe(true);
    expect(run.answer.cancelledTasks ?? []).toEqual([]);
  });

  it("results of unknown and of resolved work are ignored", async () => {
    const run = new Instance(async (ctx) => [await ctx.callActivity("a"), await ctx.callActivity("b")], { cacheSize });
    await run.start();
    await run.turn(done(0, 1), done(0, 2), failed(0), fired(0));
    await run.turn(done(0, 3), done(1, "b"));
    expect(run.output).toEqual([1, "b"]);
  });
});

describe.each(WAYS)("combinations in orchestrators $way", ({ cacheSize }) => {
  it("whenAll answers in the order given, whatever the order of results", async () => {
    const run = new Instance(async (ctx) => ctx.whenAll([1, 2, 3].map((n) => ctx.callActivity("a", n))), { cacheSize });
    await run.start();
    await run.turn(done(2, "c"));
    await run.turn(done(0, "a"), done(1, "b"));
    expect(run.output).toEqual(["a", "b", "c"]);
  });

  it("whenAll fails with the first that fails in history, as soon as it does", async () => {
    const run = new Instance(
      async (ctx) => ctx.whenAll([ctx.callActivity("a"), ctx.callActivity("b"), ctx.callActivity("c")]),
      { cacheSize },
    );
    await run.start();
    await run.turn(failed(2, "first"), failed(0, "second"));
    expect(run.failure.errorMessage).toContain("first");
  });

  it("empty lists: whenAll and whenAllSettled complete at once, whenAny is refused", async () => {
    const run = new Instance(
      async (ctx) => {
        let code = "";
        try {
          ctx.whenAny([]);
        } catch (error) {
          code = (error as { code: string }).code;
        }
        return [await ctx.whenAll([]), await ctx.whenAllSettled([]), code];
      },
      { cacheSize },
    );
    await run.start();
    expect(run.output).toEqual([[], [], "invalid_argument"]);
  });

  it("whenAny answers the winning task itself, in every style", async () => {
    const seen = (winner: unknown, a: unknown, b: unknown) => (winner === a ? "a" : winner === b ? "b" : "neither");
    for (const fn of [
      async (ctx: OrchestrationContext) => {
        const [a, b] = [ctx.callActivity("a"), ctx.callActivity("b")];
        const winner = await ctx.whenAny([a, b]);
        return [seen(winner, a, b), winner.result, await b];
      },
      function* (ctx: OrchestrationContext): Generator<Task<unknown>, unknown, unknown> {
        const [a, b] = [ctx.callActivity("a"), ctx.callActivity("b")];
        const winner = yield* ctx.whenAny([a, b]);
        return [seen(winner, a, b), winner.result, yield b];
      },
      async function* (ctx: OrchestrationContext): AsyncGenerator<unknown, unknown, unknown> {
        const [a, b] = [ctx.callActivity("a"), ctx.callActivity("b")];
        const winner = (yield ctx.whenAny([a, b])) as Task<unknown>;
        return [seen(winner, a, b), winner.result, yield winner];
      },
      async (ctx: OrchestrationContext) => {
        const [a, b] = [ctx.callActivity("a"), ctx.callActivity("b")];
        return ctx.whenAny([a, b]).then(async (winner) => [seen(winner, a, b), winner.result, await b]);
      },
    ]) {
      const run = new Instance(fn, { cacheSize });
      await run.start();
      await run.turn(done(1, "B"));
      expect(run.output).toEqual(["b", "B", "B"]);
    }
  });

  it("whenAny is won by failures too, and by the first in the list when several have ended", async () => {
    const run = new Instance(
      async (ctx) => {
        const [a, b] = [ctx.callActivity("a"), ctx.callActivity("b")];
        const first = await ctx.whenAny([a, b]);
        await b;
        const again = await ctx.whenAny([b, a]);
        return [first === a, first.isFailed, again === b];
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(failed(0), done(1));
    expect(run.output).toEqual([true, true, true]);
  });

  it("whenAllSettled never fails", async () => {
    const run = new Instance(
      async (ctx) => {
        const outcomes = await ctx.whenAllSettled([ctx.callActivity("a"), ctx.callActivity("b")]);
        return outcomes.map((each) => (each.status === "fulfilled" ? each.value : (each.reason as Error).message));
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(failed(0), done(1, "B"));
    expect(run.output).toEqual(["activity 'a' failed: boom", "B"]);
  });

  it("the same task may occur twice, and combinations nest", async () => {
    const run = new Instance(
      async (ctx) => {
        const a = ctx.callActivity("a");
        return ctx.whenAll([a, a, ctx.whenAll([a, ctx.createTimer(1)])]);
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(done(0, "A"));
    await run.turn(fired(1));
    expect(run.output).toEqual(["A", "A", ["A", null]]);
  });

  it("cancelling one cancels its open parts", async () => {
    const run = new Instance(
      async (ctx) => {
        const both = ctx.whenAll([ctx.createTimer("1h"), ctx.callActivity("a"), ctx.waitForExternalEvent("e")]);
        both.cancel();
        return both.then(
          () => "?",
          (error: Error) => error.message,
        );
      },
      { cacheSize },
    );
    await run.start();
    expect([run.output, run.answer.cancelledTimers, run.answer.cancelledTasks, run.answer.eventWaits]).toEqual([
      "the task was canceled",
      [0],
      [1],
      [],
    ]);
  });

  it("Promise.all and Promise.race of tasks work as they do", async () => {
    const run = new Instance(
      async (ctx) => {
        const [a, b] = [ctx.callActivity("a"), ctx.callActivity("b")];
        const first = await Promise.race([a, b]);
        return [first, await Promise.all([a, b])];
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(done(1, "B"));
    await run.turn(done(0, "A"));
    expect(run.output).toEqual(["B", ["A", "B"]]);
  });

  it("what is no durable task is refused", async () => {
    const run = new Instance(
      async (ctx) => {
        for (const bad of [Promise.resolve(1), 5, null])
          expect(() => ctx.whenAll([bad as never])).toThrow("durable tasks");
        expect(() => whenAll(5 as never)).toThrow("array");
        return "ok";
      },
      { cacheSize },
    );
    await run.start();
    expect(run.output).toBe("ok");
  });

  it("a fan-out of 5,000 joins", async () => {
    const run = new Instance(
      async (ctx) =>
        (await ctx.whenAll(Array.from({ length: 5000 }, (_, n) => ctx.callActivity<number>("a", n)))).length,
      { cacheSize },
    );
    expect((await run.start()).length).toBe(5000);
    await run.turn(...Array.from({ length: 5000 }, (_, n) => done(n, n)));
    expect(run.output).toBe(5000);
  });

  it("a loop over whenAny leaves no listeners behind on the task that stays open", async () => {
    const run = new Instance(
      async (ctx) => {
        const stop = ctx.waitForExternalEvent("stop");
        let rounds = 0;
        while ((await ctx.whenAny([stop, ctx.createTimer(1)])) !== stop) rounds++;
        return rounds;
      },
      { cacheSize },
    );
    await run.start();
    for (let id = 0; id < 50; id++) await run.turn(fired(id));
    await run.turn(raised("STOP"));
    expect(run.output).toBe(50);
  });
});

describe("an unawaited task", () => {
  it("that fails is never an unhandled rejection, combinations included", async () => {
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    const run = new Instance(async (ctx) => {
      void ctx.whenAll([ctx.callActivity("lost"), ctx.callActivity("lost too")]);
      await ctx.createTimer("1h");
      return "fine";
    });
    await run.start();
    await run.turn(failed(0));
    await run.turn(fired(2));
    await new Promise((resolve) => setTimeout(resolve, 5));
    process.off("unhandledRejection", unhandled);
    expect(run.output).toBe("fine");
    expect(unhandled).not.toHaveBeenCalled();
  });
});

it("types: combinations know their results", () => {
  const check = (ctx: OrchestrationContext, a: Task<string>, b: Task<number>) => {
    expectTypeOf(whenAll([a, b])).toEqualTypeOf<Task<[string, number]>>();
    expectTypeOf(ctx.whenAll([a, a] as Task<string>[])).toEqualTypeOf<Task<string[]>>();
    expectTypeOf(whenAny([a, b])).toEqualTypeOf<Task<CompletedTask<string | number>>>();
    expectTypeOf(whenAllSettled([a])).toEqualTypeOf<Task<[PromiseSettledResult<string>]>>();
    return async () => {
      const winner = await whenAny([a, b]);
      expectTypeOf(winner).toEqualTypeOf<CompletedTask<string | number>>();
      expectTypeOf(await a).toBeString();
      return winner === a;
    };
  };
  expect(check).toBeTypeOf("function");
});
