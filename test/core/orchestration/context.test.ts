import { describe, expect, it, vi } from "vitest";
import { silentLogger } from "../../../src/core/hub/logger.ts";
import { done, fired, Instance, raised, T0, WAYS } from "./turns.ts";

describe.each(WAYS)("the context of orchestrators $way", ({ cacheSize }) => {
  it("knows who and when, and its time never goes back", async () => {
    const run = new Instance(
      async (ctx, input) => {
        const times = [ctx.currentTime.getTime() - T0];
        await ctx.createTimer(1);
        times.push(ctx.currentTime.getTime() - T0);
        await ctx.createTimer(1);
        times.push(ctx.currentTime.getTime() - T0);
        return [
          ctx.instanceId,
          ctx.executionId,
          ctx.name,
          ctx.version ?? null,
          ctx.input,
          input,
          ctx.parent ?? null,
          times,
        ];
      },
      { cacheSize, input: { a: 1 } },
    );
    await run.start();
    await run.turn(fired(0));
    run.nowMs = T0 - 50_000;
    await run.turn(fired(1));
    expect(run.output).toEqual(["inst", "e0", "main", null, { a: 1 }, { a: 1 }, null, [0, 1000, 1000]]);
  });

  it("hands out the same ids and random numbers on every replay", async () => {
    const run = new Instance(
      async (ctx) => {
        const seen: unknown[] = [];
        for (let n = 0; n < 5; n++) {
          seen.push(ctx.newGuid(), ctx.random());
          await ctx.callActivity("a");
        }
        return seen;
      },
      { cacheSize },
    );
    await run.start();
    for (let id = 0; id < 5; id++) await run.turn(done(id));
    const again = new Instance(async (ctx) => Array.from({ length: 5 }, () => [ctx.newGuid(), ctx.random()]).flat());
    await again.start();
    expect(run.output).toEqual(again.output);
  });

  it("the custom status sticks until it is set again, and is what it was when it was set", async () => {
    const status = { step: 1 };
    const run = new Instance(
      async (ctx) => {
        ctx.setCustomStatus(status);
        status.step = 99;
        await ctx.callActivity("a");
        await ctx.callActivity("b");
        ctx.setCustomStatus("");
        await ctx.callActivity("c");
        ctx.setCustomStatus(undefined);
        status.step = 1;
      },
      { cacheSize },
    );
    await run.start();
    expect(run.answer.customStatus).toBe('{"step":1}');
    status.step = 1;
    await run.turn(done(0));
    expect(run.answer.customStatus).toBe('{"step":1}');
    status.step = 1;
    await run.turn(done(1));
    expect(run.answer.customStatus).toBe('""');
    status.step = 1;
    await run.turn(done(2));
    expect(run.answer.customStatus).toBeUndefined();
  });

  it("a custom status that is no data is refused where it is set", async () => {
    const run = new Instance(
      async (ctx) => {
        try {
          ctx.setCustomStatus(1n);
        } catch (error) {
          return (error as { code: string }).code;
        }
        return "?";
      },
      { cacheSize },
    );
    await run.start();
    expect(run.output).toBe("payload_not_serializable");
  });

  it("its logger writes each line once", async () => {
    const info = vi.fn();
    const run = new Instance(
      async (ctx) => {
        ctx.log.info("one");
        await ctx.callActivity("a");
        ctx.log.info("two");
        await ctx.callActivity("b");
        ctx.log.info("three");
      },
      { cacheSize, logger: { ...silentLogger(), info } },
    );
    await run.start();
    await run.turn(done(0));
    await run.turn(done(1));
    expect(info.mock.calls.flat()).toEqual(["one", "two", "three"]);
  });

  it("inputs are converted when they are passed", async () => {
    const run = new Instance(
      async (ctx) => {
        const input = { n: 1 };
        const [call] = [ctx.callActivity("a", input)];
        input.n = 2;
        await call;
      },
      { cacheSize },
    );
    expect(await run.start()).toMatchObject([{ input: '{"n":1}' }]);
  });

  it("payloads above the limit are refused where they are passed, use up no id, and the instance goes on", async () => {
    const big = "x".repeat(200);
    const run = new Instance(
      async (ctx) => {
        const codes: string[] = [];
        for (const act of [
          () => ctx.callActivity("a", big),
          () => ctx.callSubOrchestrator("c", big),
          () => ctx.sendEvent("i", "e", big),
          () => ctx.continueAsNew(big),
          () => ctx.setCustomStatus(big),
        ]) {
          try {
            void act();
          } catch (error) {
            codes.push((error as { code: string }).code);
          }
        }
        await ctx.callActivity("small");
        return codes.length;
      },
      { cacheSize, maxPayloadBytes: 100 },
    );
    expect(await run.start()).toMatchObject([{ id: 0, name: "small" }]);
    await run.turn(done(0));
    expect(run.output).toBe(5);
  });

  it("an output above the limit, or that is no data, fails the orchestration with that error", async () => {
    const big = new Instance(async () => "x".repeat(200), { cacheSize, maxPayloadBytes: 100 });
    await big.start();
    expect(big.failure.errorType).toBe("PayloadTooLargeError");
    const ring = new Instance(async () => () => 1, { cacheSize });
    await ring.start();
    expect(ring.failure.errorType).toBe("PayloadNotSerializableError");
  });

  it("an input that is no payload fails the orchestration", async () => {
    const run = new Instance(async () => 1, { cacheSize });
    const start = run.startEvent;
    if (start.eventType.case === "executionStarted") start.eventType.value.input = "{";
    await run.turn(start);
    expect(run.failure.errorType).toBe("PayloadNotSerializableError");
  });

  it("says who started a child", async () => {
    const run = new Instance(async (ctx) => ctx.parent, { cacheSize });
    const start = run.startEvent;
    if (start.eventType.case === "executionStarted") {
      const { executionStarted } = await import("../../../src/core/protocol/events.ts");
      const child = executionStarted(
        {
          name: "main",
          instanceId: "inst",
          parent: { taskScheduledId: 4, name: "p", orchestrationInstance: { instanceId: "P" } },
        },
        T0,
      );
      await run.turn(child);
    }
    expect(run.output).toEqual({ instanceId: "P", name: "p", taskId: 4 });
  });

  it("defaults of a reference apply, and options override them", async () => {
    const { defineActivity, defineOrchestrator } = await import("../../../src/core/orchestration/references.ts");
    const charge = defineActivity("charge", async (_, n: number) => n + 1, { timeout: "30s" });
    const ship = defineOrchestrator("ship", async () => 1, { instanceId: "S" });
    const run = new Instance(
      async (ctx) => {
        await ctx.whenAll([
          ctx.callActivity(charge, 1),
          ctx.callActivity(charge, 2, { timeout: 5 }),
          ctx.callSubOrchestrator(ship),
        ]);
      },
      { cacheSize },
    );
    expect(await run.start()).toMatchObject([
      { name: "charge", timeoutMs: 30_000 },
      { timeoutMs: 5 },
      { name: "ship", instanceId: "S" },
    ]);
  });

  it("named functions stand for their names, as other SDKs' code has it", async () => {
    async function hello(): Promise<string> {
      return "hi";
    }
    const run = new Instance(async (ctx) => ctx.callActivity(hello), { cacheSize });
    expect(await run.start()).toMatchObject([{ name: "hello" }]);
  });
});

it("isReplaying is true while old events are fed on a cold start, and only then", async () => {
  const seen: boolean[] = [];
  const run = new Instance(
    async (ctx) => {
      seen.push(ctx.isReplaying);
      await ctx.createTimer(1);
      seen.push(ctx.isReplaying);
      await ctx.createTimer(1);
      seen.push(ctx.isReplaying);
    },
    { cacheSize: 0 },
  );
  await run.start();
  await run.turn(fired(0));
  seen.length = 0;
  await run.turn(fired(1));
  expect(seen).toEqual([true, true, false]);
});

it("events that replay does not know are skipped with a warning", async () => {
  const warn = vi.fn();
  const run = new Instance(async (ctx) => ctx.waitForExternalEvent("e"), { logger: { ...silentLogger(), warn } });
  const { genericEvent } = await import("../../../src/core/protocol/events.ts");
  await run.start(genericEvent({ data: "?" }, T0));
  expect(warn).toHaveBeenCalledWith(expect.stringContaining("genericEvent"));
  await run.turn(raised("e", 1));
  expect(run.output).toBe(1);
});
