import { describe, expect, it, vi } from "vitest";
import { NonDeterminismError } from "../../../src/core/errors.ts";
import type { OrchestrationContext } from "../../../src/core/orchestration/context.ts";
import type { Task } from "../../../src/core/orchestration/task.ts";
import { done, fired, Instance, raised, terminated, WAYS } from "./turns.ts";

/** Longer than any turn takes, so that it ends outside of one. */
const sleep = (ms = 15) => new Promise<string>((resolve) => setTimeout(() => resolve("slept"), ms));

describe.each(WAYS)("code that leaves its turn, orchestrators $way", ({ cacheSize }) => {
  it("awaiting something foreign fails at once, with a hint", async () => {
    const run = new Instance(async () => sleep(), { cacheSize });
    await run.start();
    expect(run.failure).toMatchObject({ errorType: "NonDeterminismError" });
    expect(run.failure.errorMessage).toContain("fetch, setTimeout");
    expect(run.failure.errorMessage).toContain("activity");
  });

  it("awaiting something foreign after a durable step fails in that turn", async () => {
    const run = new Instance(
      async (ctx) => {
        await ctx.callActivity("a");
        await sleep();
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(done(0));
    expect(run.failure.errorType).toBe("NonDeterminismError");
    expect(run.seen).toHaveLength(1);
  });

  it("an async generator that awaits something foreign fails too", async () => {
    const run = new Instance(
      async function* (ctx: OrchestrationContext): AsyncGenerator<unknown, void, unknown> {
        yield ctx.callActivity("a");
        await sleep();
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(done(0));
    expect(run.failure.errorType).toBe("NonDeterminismError");
  });

  it("a plain promise chain is not foreign: it ends within the turn", async () => {
    const run = new Instance(
      async (ctx) => {
        for (let n = 0; n < 100; n++) await Promise.resolve();
        const a = await ctx.callActivity("a");
        for (let n = 0; n < 100; n++) await Promise.resolve();
        return a;
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(done(0, 1));
    expect(run.output).toBe(1);
  });

  it("a leftover of whenAny does not hide a foreign await", async () => {
    const run = new Instance(
      async (ctx) => {
        await ctx.whenAny([ctx.callActivity("a"), ctx.createTimer("1h")]);
        await sleep();
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(done(0));
    expect(run.failure.errorType).toBe("NonDeterminismError");
  });

  it("a ctx call after a foreign promise won a race throws there, and fails the next turn", async () => {
    const onDivergence = vi.fn();
    let thrown: unknown;
    const run = new Instance(
      async (ctx) => {
        await Promise.race([ctx.createTimer("1h"), sleep()]);
        try {
          ctx.callActivity("late");
        } catch (error) {
          thrown = error;
        }
        await ctx.createTimer("1h");
      },
      { cacheSize, onDivergence },
    );
    expect(await run.start()).toMatchObject([{ id: 0, is: "timer" }]);
    await sleep(40);
    expect(thrown).toBeInstanceOf(NonDeterminismError);
    expect(onDivergence).toHaveBeenCalledExactlyOnceWith("inst");
    await run.turn(raised("x"));
    expect(run.failure).toMatchObject({ errorType: "NonDeterminismError" });
    expect(run.end?.id).toBe(1);
  });

  it("so does every other way to act, and to return", async () => {
    for (const act of [
      (ctx: OrchestrationContext) => ctx.createTimer(1),
      (ctx: OrchestrationContext) => ctx.callSubOrchestrator("c"),
      (ctx: OrchestrationContext) => ctx.waitForExternalEvent("e"),
      (ctx: OrchestrationContext) => ctx.sendEvent("i", "e"),
      (ctx: OrchestrationContext) => ctx.continueAsNew(),
      (ctx: OrchestrationContext) => ctx.setCustomStatus(1),
      (ctx: OrchestrationContext) => ctx.newGuid(),
      (ctx: OrchestrationContext) => ctx.random(),
      (ctx: OrchestrationContext) => ctx.isPatched("p"),
      (_: OrchestrationContext, timer: Task<void>) => timer.cancel(),
      () => "returned",
    ]) {
      const onDivergence = vi.fn();
      const run = new Instance(
        async (ctx) => {
          const timer = ctx.createTimer("1h");
          await Promise.race([timer, sleep()]);
          act(ctx, timer);
          return 1;
        },
        { cacheSize, onDivergence },
      );
      await run.start();
      await sleep(40);
      expect(onDivergence).toHaveBeenCalledTimes(1);
      await run.turn(raised("x"));
      expect(run.failure.errorType).toBe("NonDeterminismError");
    }
  });

  it("a termination still ends it", async () => {
    const run = new Instance(
      async (ctx) => {
        await Promise.race([ctx.createTimer("1h"), sleep()]);
        ctx.newGuid();
      },
      { cacheSize },
    );
    await run.start();
    await sleep(40);
    await run.turn(terminated(1));
    expect(run.seen).toMatchObject([{ status: "TERMINATED" }]);
  });

  it("released instances forget it", async () => {
    const run = new Instance(
      async (ctx) => {
        await Promise.race([ctx.createTimer("1h"), sleep()]);
        ctx.newGuid();
      },
      { cacheSize },
    );
    await run.start();
    await sleep(40);
    run.executor.release("inst");
    await run.turn(fired(0));
    expect(run.end?.status).toBe("COMPLETED");
  });

  it("after the orchestrator has returned, what it left running has no effect and harms nobody", async () => {
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    const onDivergence = vi.fn();
    const run = new Instance(
      async (ctx) => {
        void (async () => {
          await sleep();
          ctx.setCustomStatus("late");
          await ctx.callActivity("late");
        })();
        return "done";
      },
      { cacheSize, onDivergence },
    );
    await run.start();
    await sleep(40);
    process.off("unhandledRejection", unhandled);
    expect(run.output).toBe("done");
    expect([unhandled, onDivergence].map((spy) => spy.mock.calls.length)).toEqual([0, 0]);
  });
});

describe("generators", () => {
  it("that yield or return what is not durable fail with a hint, which they may catch", async () => {
    for (const value of [5, null, Promise.resolve(1), {}]) {
      const run = new Instance(function* () {
        yield value as never;
      } as never);
      await run.start();
      expect(run.failure.errorMessage).toContain("yield the tasks that ctx makes");
    }
    // biome-ignore lint/correctness/useYield: that is the case.
    const returned = new Instance(function* () {
      return Promise.resolve(1);
    } as never);
    await returned.start();
    expect(returned.failure.errorMessage).toContain("returned a promise");
  });

  it("that return a task return its result, or fail with its error", async () => {
    // biome-ignore lint/correctness/useYield: that is the case.
    const run = new Instance(function* (ctx: OrchestrationContext) {
      return ctx.callActivity("a");
    } as never);
    await run.start();
    await run.turn(done(0, 3));
    expect(run.output).toBe(3);
  });
});
