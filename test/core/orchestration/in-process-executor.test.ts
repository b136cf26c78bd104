import { describe, expect, it, vi } from "vitest";
import { AbortedError, InvalidArgumentError } from "../../../src/core/errors.ts";
import { historyOf } from "../../../src/core/history/history-view.ts";
import { silentLogger } from "../../../src/core/hub/logger.ts";
import { InProcessExecutor } from "../../../src/core/orchestration/in-process-executor.ts";
import { TaskRegistry } from "../../../src/core/orchestration/registry.ts";
import { executionStarted, orchestratorStarted } from "../../../src/core/protocol/events.ts";
import { Runner } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { done, Instance, raised, resumed, suspended, T0, terminated } from "./turns.ts";

describe("live orchestrators", () => {
  it("are fed new events only: history is never read while they live", async () => {
    const run = new Instance(async (ctx) => {
      for (let n = 0; n < 20; n++) await ctx.callActivity("a", n);
    });
    await run.start();
    for (let id = 0; id < 20; id++) await run.turn(done(id));
    expect([run.end?.status, run.reads]).toEqual(["COMPLETED", 0]);
  });

  it("are replayed once a turn when nothing is kept", async () => {
    const run = new Instance(
      async (ctx) => {
        for (let n = 0; n < 5; n++) await ctx.callActivity("a", n);
      },
      { cacheSize: 0 },
    );
    await run.start();
    for (let id = 0; id < 5; id++) await run.turn(done(id));
    expect(run.reads).toBe(5);
  });

  it("are dropped when history is not what they have seen", async () => {
    const run = new Instance(async (ctx) => {
      await ctx.callActivity("a");
      await ctx.callActivity("b");
    });
    await run.start();
    const committed = run.history;
    await run.turn(done(0));
    // That turn's commit failed, and nobody said so.
    run.history = committed;
    expect(await run.turn(raised("x"), done(0))).toMatchObject([{ id: 1, name: "b" }]);
    expect(run.reads).toBe(1);
  });

  it("are dropped when released, one and all", async () => {
    const run = new Instance(async (ctx) => {
      await ctx.callActivity("a");
      await ctx.callActivity("b");
      await ctx.callActivity("c");
    });
    await run.start();
    run.executor.release("inst");
    await run.turn(done(0));
    run.executor.releaseAll();
    expect(await run.turn(done(1))).toMatchObject([{ id: 2, name: "c" }]);
    expect(run.reads).toBe(2);
  });

  it("of another execution are dropped", async () => {
    const run = new Instance(async (ctx) => ctx.callActivity("a"));
    await run.start();
    run.executionId = "other";
    await run.turn(done(0, 1));
    expect([run.output, run.reads]).toEqual([1, 1]);
  });

  it("while suspended are kept with what they hold", async () => {
    const run = new Instance(async (ctx) => ctx.waitForExternalEvent("e"));
    await run.start();
    await run.turn(suspended());
    await run.turn(raised("e", 1));
    await run.turn(resumed());
    expect([run.output, run.reads]).toEqual([1, 0]);
  });

  it("are bounded: the least recently used are replayed", async () => {
    const registry = new TaskRegistry().addOrchestrator("main", async (ctx) => {
      for (let n = 0; n < 9; n++) await ctx.callActivity("a");
    });
    const executor = new InProcessExecutor({ registry, cacheSize: 2, logger: silentLogger() });
    const [a, b, c] = ["a", "b", "c"].map((instanceId) => {
      const run = new Instance(undefined, { instanceId, registry });
      Object.defineProperty(run, "executor", { value: executor });
      return run;
    }) as [Instance, Instance, Instance];
    await a.start();
    await b.start();
    await a.turn(done(0));
    await c.start();
    await a.turn(done(1));
    await b.turn(done(0));
    expect([a.reads, b.reads, c.reads]).toEqual([0, 1, 0]);
    await c.turn(done(0));
    expect(c.reads).toBe(1);
  });
});

describe("turns that cannot be run", () => {
  it("a name that nobody registered parks the turn, and it goes on when the code is there", async () => {
    const run = new Instance(undefined);
    await run.start();
    expect(run.answer).toMatchObject({ actions: [], parked: { code: "not_registered" } });
    expect(run.answer.parked?.message).toContain("orchestrator named 'main' is not registered");
    expect(run.history).toEqual([]);
    run.registry.addOrchestrator("main", async () => 1);
    await run.start();
    expect(run.output).toBe(1);
  });

  it("or fails it, as the reference does, when told to", async () => {
    const run = new Instance(undefined, { unregistered: "fail" });
    await run.start();
    expect(run.failure.errorMessage).toContain("orchestrator named 'main' is not registered");
  });

  it("a termination needs no code", async () => {
    const old = new Instance(async (ctx) => ctx.callActivity("a"));
    await old.start();
    const run = new Instance(undefined, { history: old.history });
    await run.turn(raised("x"));
    expect(run.answer.parked).toBeDefined();
    await run.turn(raised("x"), terminated("t"));
    expect(run.seen).toMatchObject([{ id: 1, status: "TERMINATED", result: '"t"' }]);
  });

  it("the wildcard runs whatever has no code of its own", async () => {
    const registry = new TaskRegistry().addOrchestrator("*", async (ctx) => ctx.name);
    const run = new Instance(undefined, { registry, name: "anything" });
    await run.start();
    expect(run.output).toBe("anything");
  });

  it("without a start nothing is run", async () => {
    const run = new Instance(async () => 1);
    expect(await run.turn(raised("x"))).toEqual([]);
  });

  it("an aborted turn rejects, and leaves nothing behind", async () => {
    const controller = new AbortController();
    const registry = new TaskRegistry().addOrchestrator("main", async (ctx) => {
      controller.abort(new Error("ownership lost"));
      await ctx.callActivity("a");
    });
    const executor = new InProcessExecutor({ registry, logger: silentLogger() });
    const turn = {
      instanceId: "i",
      executionId: "e",
      oldEvents: historyOf([]),
      newEvents: [orchestratorStarted(T0), executionStarted({ name: "main", instanceId: "i", executionId: "e" }, T0)],
    };
    await expect(executor.executeOrchestrator({ ...turn, signal: controller.signal })).rejects.toThrow(AbortedError);
    await expect(executor.executeOrchestrator({ ...turn, signal: controller.signal })).rejects.toThrow(AbortedError);
    expect(await executor.executeOrchestrator(turn)).toMatchObject({ actions: [{ id: 0 }] });
  });

  it("after shutdown, calls reject", async () => {
    const run = new Instance(async () => 1);
    await run.executor.shutdown();
    await expect(run.start()).rejects.toThrow("shut down");
  });

  it("bad limits are refused", () => {
    const registry = new TaskRegistry();
    for (const bad of [-1, 1.5, Number.NaN]) {
      expect(() => new InProcessExecutor({ registry, cacheSize: bad })).toThrow(InvalidArgumentError);
      expect(() => new InProcessExecutor({ registry, maxPayloadBytes: bad })).toThrow(InvalidArgumentError);
    }
  });

  it("it says who it is", () => {
    expect(new InProcessExecutor({ registry: new TaskRegistry() }).runner).toBe(Runner.IN_PROCESS);
  });

  it("instances run side by side without mixing", async () => {
    const warn = vi.fn();
    const registry = new TaskRegistry().addOrchestrator("main", async (ctx, n: number) => {
      let sum = n;
      for (let k = 0; k < 5; k++) sum += await ctx.callActivity<number>("a", k);
      return sum;
    });
    const executor = new InProcessExecutor({ registry, logger: { ...silentLogger(), warn } });
    const outputs = await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        const run = new Instance(undefined, { registry, instanceId: `i${n}`, input: n });
        Object.defineProperty(run, "executor", { value: executor });
        await run.start();
        for (let id = 0; id < 5; id++) await run.turn(done(id, 1));
        return run.output;
      }),
    );
    expect(outputs).toEqual(Array.from({ length: 100 }, (_, n) => n + 5));
    expect(warn).not.toHaveBeenCalled();
  });
});
