import { describe, expect, it, vi } from "vitest";
import { silentLogger } from "../../../src/core/hub/logger.ts";
import type { OrchestratorFunction } from "../../../src/core/orchestration/context.ts";
import { taskScheduled } from "../../../src/core/protocol/events.ts";
import type { HistoryEvent } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import {
  childDone,
  childFailed,
  done,
  failed,
  fired,
  Instance,
  resumed,
  suspended,
  T0,
  terminated,
  WAYS,
} from "./turns.ts";

type Code = OrchestratorFunction<never, unknown>;

const act: Code = (ctx) =>
  ctx.callActivity("a").then(
    (value) => value,
    (error: Error) => error.message,
  ) as Promise<unknown>;

describe.each(WAYS)("a result that comes before its work, orchestrators $way", ({ cacheSize }) => {
  it.each<[string, Code, HistoryEvent, unknown]>([
    ["an activity's", act, done(0, "early"), "early"],
    ["a failed activity's", act, failed(0), "activity 'a' failed: boom"],
    [
      "a timer's",
      async (ctx) => {
        await ctx.createTimer("1h");
        return "fired";
      },
      fired(0),
      "fired",
    ],
    ["a child's", async (ctx) => ctx.callSubOrchestrator("c"), childDone(0, "c"), "c"],
    [
      "a failed child's",
      async (ctx) =>
        ctx.callSubOrchestrator("c").then(
          () => "?",
          (error: Error) => error.message,
        ),
      childFailed(0),
      "orchestrator 'c' failed: boom",
    ],
  ])("%s is kept, and the work is not asked for", async (_, fn, event, output) => {
    const run = new Instance(fn, { cacheSize });
    await run.turn(event, run.startEvent);
    expect(run.seen).toMatchObject([{ id: 1, is: "complete" }]);
    expect(run.output).toBe(output);
  });

  it("the timer of an event wait: the wait is over", async () => {
    const run = new Instance(async (ctx) => ctx.waitForExternalEvent("e", { timeout: "1h" }), { cacheSize });
    await run.turn(fired(0), run.startEvent);
    expect(run.output).toEqual({ timedOut: true });
    expect(run.answer.eventWaits).toEqual([]);
  });

  it("with a retry policy the failure is retried", async () => {
    const run = new Instance(async (ctx) => ctx.callActivity("a", 0, { retry: { maxAttempts: 2, firstDelay: 5 } }), {
      cacheSize,
    });
    await run.turn(failed(0), run.startEvent);
    expect(run.seen).toMatchObject([{ id: 1, is: "timer", name: "a-retry" }]);
    expect(await run.turn(fired(1))).toMatchObject([{ id: 2, is: "activity" }]);
  });

  it("one of another kind is not delivered", async () => {
    const run = new Instance(act, { cacheSize });
    await run.turn(fired(0), childDone(0), run.startEvent);
    expect(run.seen).toMatchObject([{ id: 0, is: "activity" }]);
  });

  it("the first of two wins, and a later one is dropped", async () => {
    const run = new Instance(async (ctx) => [await ctx.callActivity("a"), await ctx.callActivity("b")], { cacheSize });
    await run.turn(done(0, 1), done(0, 2), run.startEvent, done(0, 3));
    await run.turn(done(0, 4), done(1, "b"));
    expect(run.output).toEqual([1, "b"]);
  });

  it("two of a fan-out come early", async () => {
    const run = new Instance(async (ctx) => ctx.whenAll([0, 1, 2].map((n) => ctx.callActivity("a", n))), { cacheSize });
    await run.turn(done(2, "c"), done(0, "a"), run.startEvent);
    expect(run.seen).toMatchObject([{ id: 1, is: "activity" }]);
    await run.turn(done(1, "b"));
    expect(run.output).toEqual(["a", "b", "c"]);
  });

  it("a suspension comes first: what it holds is not early", async () => {
    const run = new Instance(act, { cacheSize });
    await run.turn(suspended(), done(0, 1), run.startEvent);
    expect(run.seen).toEqual([]);
    await run.turn(resumed());
    expect(run.output).toBe(1);
  });

  it("a termination leaves only its completion", async () => {
    const run = new Instance(act, { cacheSize });
    await run.turn(done(1, 1), run.startEvent, terminated());
    expect(run.seen).toMatchObject([{ status: "TERMINATED" }]);
  });

  it("a repetition is not one: it is dropped without a word", async () => {
    const warn = vi.fn();
    const run = new Instance(async (ctx) => [await ctx.callActivity("a"), await ctx.callActivity("b")], {
      cacheSize,
      logger: { ...silentLogger(), warn },
    });
    await run.start();
    await run.turn(done(0, 1));
    await run.turn(done(0, 2), fired(0), failed(0));
    await run.turn(done(1, 3));
    expect(run.output).toEqual([1, 3]);
    expect(warn).not.toHaveBeenCalled();
  });

  it("one that nothing ever asks for is worth a warning", async () => {
    const warn = vi.fn();
    const run = new Instance(act, { cacheSize, logger: { ...silentLogger(), warn } });
    await run.start(done(7, 1));
    expect(warn).toHaveBeenCalledWith(expect.stringContaining("task:7"));
  });
});

it("a history that records the work after its result (a rerun) replays", async () => {
  const first = new Instance(async (ctx) => [await ctx.callActivity("a"), await ctx.callActivity("b")]);
  await first.turn(done(0, 1), first.startEvent);
  expect(first.seen).toMatchObject([{ id: 1, name: "b" }]);
  const late = taskScheduled(0, { name: "a", taskExecutionId: "" }, T0);
  for (const history of [first.history, [...first.history, late]]) {
    const run = new Instance(async (ctx) => [await ctx.callActivity("a"), await ctx.callActivity("b")], { history });
    await run.turn(done(1, 2));
    expect(run.output).toEqual([1, 2]);
  }
});
