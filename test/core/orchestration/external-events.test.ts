import { describe, expect, it } from "vitest";
import type { OrchestrationContext } from "../../../src/core/orchestration/context.ts";
import { defineEvent } from "../../../src/core/orchestration/references.ts";
import { done, fired, Instance, raised, T0, WAYS } from "./turns.ts";

describe.each(WAYS)("external events of orchestrators $way", ({ cacheSize }) => {
  it("names match whatever their case, without a locale", async () => {
    const run = new Instance(
      async (ctx) => [await ctx.waitForExternalEvent("Größe-I"), await ctx.waitForExternalEvent("i")],
      { cacheSize },
    );
    await run.start();
    await run.turn(raised("gröSSe-i", 1), raised("I", 2));
    expect(run.output).toEqual([1, 2]);
  });

  it("waits are served first come, first served", async () => {
    const run = new Instance(
      async (ctx) => {
        const [a, b] = [ctx.waitForExternalEvent("e"), ctx.waitForExternalEvent("E")];
        return [await b, await a];
      },
      { cacheSize },
    );
    await run.start();
    expect(run.answer.eventWaits).toEqual([{ name: "e", count: 2 }]);
    await run.turn(raised("e", 1));
    await run.turn(raised("e", 2));
    expect(run.output).toEqual([2, 1]);
  });

  it("early events are kept, in order, and take neither timer nor id", async () => {
    const run = new Instance(
      async (ctx) => {
        await ctx.callActivity("a");
        const first = await ctx.waitForExternalEvent("e", { timeout: "1h" });
        return [first, await ctx.waitForExternalEvent("e")];
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(raised("e", 1), raised("e", 2));
    expect(await run.turn(done(0))).toMatchObject([{ id: 1, is: "complete" }]);
    expect(run.output).toEqual([{ timedOut: false, value: 1 }, 2]);
  });

  it("an endless wait makes no timer", async () => {
    const run = new Instance(async (ctx) => ctx.waitForExternalEvent("e"), { cacheSize });
    expect(await run.start()).toEqual([]);
    await run.turn(raised("e"));
    expect(run.end).toMatchObject({ id: 0, status: "COMPLETED" });
  });

  it("a wait without time is over at once, without an id; a kept event still wins", async () => {
    const run = new Instance(
      async (ctx) => {
        const none = await ctx.waitForExternalEvent("e", { timeout: 0 });
        const past = await ctx.waitForExternalEvent("e", { timeout: new Date(0) });
        await ctx.callActivity("a");
        return [none, past, await ctx.waitForExternalEvent("e", { timeout: 0 })];
      },
      { cacheSize },
    );
    expect(await run.start()).toMatchObject([{ id: 0, is: "activity" }]);
    await run.turn(raised("e", "kept"), done(0));
    expect(run.output).toEqual([{ timedOut: true }, { timedOut: true }, { timedOut: false, value: "kept" }]);
  });

  it("a wait that timed out takes no event: the next wait gets it", async () => {
    const run = new Instance(
      async (ctx) => {
        const first = await ctx.waitForExternalEvent("e", { timeout: "1s" });
        return [first, await ctx.waitForExternalEvent("e")];
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(fired(0));
    expect(run.answer.eventWaits).toEqual([{ name: "e", count: 1 }]);
    await run.turn(raised("e", 42));
    expect(run.output).toEqual([{ timedOut: true }, 42]);
  });

  it("a cancelled wait takes no event and drops its timer", async () => {
    const run = new Instance(
      async (ctx) => {
        const lost = ctx.waitForExternalEvent("e", { timeout: "1h" });
        await ctx.callActivity("a");
        lost.cancel();
        return [
          await ctx.waitForExternalEvent("e"),
          await lost.then(
            () => "?",
            (error: Error) => error.message,
          ),
        ];
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(done(1));
    expect(run.answer.cancelledTimers).toEqual([0]);
    await run.turn(raised("e", 1));
    expect(run.output).toEqual([1, "the task was canceled"]);
    expect(run.answer.cancelledTimers).toBeUndefined();
  });

  it("an event that wins survives its stale timer, also when it is awaited later", async () => {
    const run = new Instance(
      async (ctx) => {
        const event = ctx.waitForExternalEvent("e", { timeout: "1s" });
        await ctx.callActivity("a");
        return event;
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(raised("e", 7));
    await run.turn(fired(0));
    await run.turn(done(1));
    expect(run.output).toEqual({ timedOut: false, value: 7 });
  });

  it("a stale timer never takes a newer wait of the same name away", async () => {
    const run = new Instance(
      async (ctx) => [
        await ctx.waitForExternalEvent("e", { timeout: "1s" }),
        await ctx.waitForExternalEvent("e", { timeout: "1h" }),
      ],
      { cacheSize },
    );
    await run.start();
    await run.turn(raised("e", 1));
    await run.turn(fired(0));
    expect(run.seen).toEqual([]);
    await run.turn(raised("e", 2));
    expect(run.output).toEqual([
      { timedOut: false, value: 1 },
      { timedOut: false, value: 2 },
    ]);
  });

  it("ten events raised up front come in order", async () => {
    const run = new Instance(
      async (ctx) => {
        const all: unknown[] = [];
        for (let n = 0; n < 10; n++) all.push(await ctx.waitForExternalEvent("n"));
        return all;
      },
      { cacheSize },
    );
    await run.start(...Array.from({ length: 10 }, (_, n) => raised("N", n)));
    expect(run.output).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("the waits that are open tell the earliest time limit", async () => {
    const run = new Instance(
      async (ctx) =>
        ctx.whenAll([
          ctx.waitForExternalEvent("A", { timeout: "9s" }),
          ctx.waitForExternalEvent("a", { timeout: "5s" }),
          ctx.waitForExternalEvent("b"),
        ]),
      { cacheSize },
    );
    await run.start();
    expect(run.answer.eventWaits).toEqual([
      { name: "A", count: 2, deadlineMs: T0 + 5000 },
      { name: "b", count: 1 },
    ]);
  });

  it("a payload that cannot be read fails its wait only", async () => {
    const bad = raised("e");
    if (bad.eventType.case === "eventRaised") bad.eventType.value.input = "{";
    const run = new Instance(
      async (ctx) =>
        ctx.waitForExternalEvent("e").then(
          () => "?",
          (error: { code: string }) => error.code,
        ),
      { cacheSize },
    );
    await run.start();
    await run.turn(bad);
    expect(run.output).toBe("payload_not_serializable");
  });

  it("typed events carry their type both ways", async () => {
    const approval = defineEvent<{ by: string }>("approval");
    const run = new Instance(
      async (ctx: OrchestrationContext) => {
        ctx.sendEvent("other", approval, { by: "me" });
        const { by } = await ctx.waitForExternalEvent(approval);
        const again = await ctx.waitForExternalEvent(approval, { timeout: "1h" });
        return [by, again.timedOut ? "late" : again.value.by];
      },
      { cacheSize },
    );
    expect(await run.start()).toMatchObject([{ is: "event", name: "approval", to: "other", data: '{"by":"me"}' }]);
    await run.turn(raised("approval", { by: "a" }), raised("approval", { by: "b" }));
    expect(run.output).toEqual(["a", "b"]);
  });
});
