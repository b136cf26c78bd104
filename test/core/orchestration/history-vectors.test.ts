import { describe, expect, it } from "vitest";
import type { OrchestrationContext } from "../../../src/core/orchestration/context.ts";
import { childDone, done, failed, fired, Instance, raised, resumed, suspended, T0, terminated, WAYS } from "./turns.ts";

/** The reference histories of the Go engine (facts page, appendix A), as answers turn by turn. */
describe.each(WAYS)("the reference histories hold for orchestrators $way", ({ cacheSize }) => {
  it("A1: one activity", async () => {
    const run = new Instance(async (ctx) => `got ${await ctx.callActivity<string>("hello", "x")}`, { cacheSize });
    expect(await run.start()).toMatchObject([{ id: 0, is: "activity", name: "hello", input: '"x"', attempt: 1 }]);
    expect(await run.turn(done(0, "hi"))).toMatchObject([{ id: 1, is: "complete", result: '"got hi"' }]);
  });

  it("A2: a failing activity, three attempts: ids 0 to 5, one execution id", async () => {
    const run = new Instance(
      (ctx: OrchestrationContext) =>
        ctx.callActivity("flaky", 1, { retry: { maxAttempts: 3, firstDelay: "2s", backoff: 2 } }) as never,
      { cacheSize },
    );
    const [first] = await run.start();
    expect(first).toMatchObject({ id: 0, is: "activity", attempt: 1 });
    expect(first?.taskExecutionId).toMatch(/^[0-9a-f-]{36}$/);
    expect(await run.turn(failed(0))).toMatchObject([
      { id: 1, is: "timer", name: "flaky-retry", inMs: 1000 + 2000, origin: "activityRetry", attempt: 2 },
    ]);
    expect(await run.turn(fired(1))).toMatchObject([
      { id: 2, is: "activity", attempt: 2, input: "1", taskExecutionId: first?.taskExecutionId },
    ]);
    expect(await run.turn(failed(2))).toMatchObject([{ id: 3, is: "timer", inMs: 3000 + 4000, attempt: 3 }]);
    expect(await run.turn(fired(3))).toMatchObject([
      { id: 4, is: "activity", attempt: 3, taskExecutionId: first?.taskExecutionId },
    ]);
    expect(await run.turn(failed(4, "the last"))).toMatchObject([{ id: 5, is: "complete", status: "FAILED" }]);
    expect(run.failure.errorMessage).toContain("the last");
  });

  it("A3: an event with a time limit, the event wins and its timer is dropped", async () => {
    const run = new Instance(async (ctx) => ctx.waitForExternalEvent("approval", { timeout: "5s" }), { cacheSize });
    expect(await run.start()).toMatchObject([
      { id: 0, is: "timer", name: "approval", inMs: 5000, origin: "externalEvent" },
    ]);
    expect(run.answer.eventWaits).toEqual([{ name: "approval", count: 1, deadlineMs: T0 + 5000 }]);
    expect(await run.turn(raised("approval", 42))).toMatchObject([{ id: 1, is: "complete" }]);
    expect(run.output).toEqual({ timedOut: false, value: 42 });
    expect(run.answer.cancelledTimers).toEqual([0]);
    expect(run.answer.eventWaits).toEqual([]);
  });

  it("A4: an event in the same batch as the start: the wait's timer still comes first", async () => {
    const run = new Instance(async (ctx) => ctx.waitForExternalEvent("go", { timeout: 5000 }), { cacheSize });
    expect(await run.start(raised("go", 1))).toMatchObject([
      { id: 0, is: "timer" },
      { id: 1, is: "complete", status: "COMPLETED" },
    ]);
    expect(run.answer.cancelledTimers).toEqual([0]);
  });

  it("A5: suspended, an event arrives, resumed: it is taken in the turn of the resume", async () => {
    const run = new Instance(async (ctx) => ctx.waitForExternalEvent("go", { timeout: 5000 }), { cacheSize });
    await run.start();
    expect(await run.turn(suspended())).toEqual([]);
    expect(await run.turn(raised("go", "now"))).toEqual([]);
    expect(await run.turn(resumed())).toMatchObject([{ id: 1, is: "complete" }]);
    expect(run.output).toEqual({ timedOut: false, value: "now" });
  });

  it("A6: a sub-orchestration whose id the engine makes", async () => {
    const run = new Instance(async (ctx) => ctx.callSubOrchestrator("child", { a: 1 }), { cacheSize });
    expect(await run.start()).toMatchObject([{ id: 0, is: "child", name: "child", instanceId: "", input: '{"a":1}' }]);
    expect(await run.turn(childDone(0, "ok"))).toMatchObject([{ id: 1, is: "complete", result: '"ok"' }]);
  });

  it("A7: continue-as-new with two events that nobody took", async () => {
    const run = new Instance(
      async (ctx, n: number) => {
        if (n === 2) return [await ctx.waitForExternalEvent("b"), await ctx.waitForExternalEvent("a")];
        await ctx.callActivity("step");
        ctx.continueAsNew(n + 1, { keepEvents: true });
        return "ignored";
      },
      { cacheSize, input: 1 },
    );
    await run.start();
    expect(await run.turn(raised("b", 1), raised("a", 2), done(0))).toMatchObject([
      { id: 1, is: "complete", status: "CONTINUED_AS_NEW", result: "2", carried: ["b=1", "a=2"] },
    ]);
    await run.continueAsNew();
    expect(run.output).toEqual([1, 2]);
  });

  it("A8: terminated: the next id, the given output, and no code runs", async () => {
    let cleanedUp = false;
    const run = new Instance(
      async (ctx) => {
        try {
          await ctx.createTimer("1h");
        } finally {
          cleanedUp = true;
        }
      },
      { cacheSize },
    );
    await run.start();
    expect(await run.turn(terminated("stop"))).toMatchObject([
      { id: 1, is: "complete", status: "TERMINATED", result: '"stop"' },
    ]);
    expect(cleanedUp).toBe(false);
  });
});
