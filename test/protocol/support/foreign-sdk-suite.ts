/** Scenarios that every SDK of the family must see through, with its own client and its own worker. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ForeignClient, ForeignContext, ForeignSdk, ForeignWorker } from "./foreign-sdk.ts";
import type { OpenHub, TestHub } from "./served-hub.ts";

const RUNNING = 0;
const COMPLETED = 1;
const FAILED = 3;
const TERMINATED = 5;
const SUSPENDED = 7;

/** Runs the scenarios with one SDK, against a hub that is reached in some way. */
export function foreignSdkSuite(sdk: ForeignSdk, against: string, openHub: OpenHub): void {
  describe(`${sdk.name} against ${against}`, () => {
    let hub: TestHub;
    let worker: ForeignWorker;
    let client: ForeignClient;
    const calls: string[] = [];

    beforeAll(async () => {
      hub = await openHub({ dialect: sdk.dialect });
      worker = sdk.worker(hub.address);
      addCode(sdk, worker, calls);
      await worker.start();
      client = sdk.client(hub.address);
    });

    afterAll(async () => {
      await Promise.all([worker.stop(), client.stop()]);
      await hub.close();
    });

    const run = async (name: string, input?: unknown): Promise<unknown> => {
      const state = await client.completed(await client.start(name, input));
      expect(state.failure).toBeUndefined();
      expect(state.status).toBe(COMPLETED);
      return state.output === undefined || state.output === "" ? undefined : JSON.parse(state.output);
    };

    it("runs a sequence of activities", async () => {
      expect(await run("sequence", 5)).toEqual(5);
    });

    it("fans out to 200 activities and joins", async () => {
      expect(await run("fan-out", 200)).toEqual(200);
    });

    it("fans out to 1,000 activities and joins", { timeout: 60_000 }, async () => {
      expect(await run("fan-out", 1000)).toEqual(1000);
    });

    it("sees an activity fail, and fails when it does not catch it", async () => {
      expect(await run("catching")).toEqual("caught");
      const failed = await client.completed(await client.start("failing"));
      expect(failed).toMatchObject({ status: FAILED });
      expect(failed.failure).toContain("no luck");
    });

    it("waits for a timer", async () => {
      const begun = Date.now();
      expect(await run("timer", 0.3)).toEqual("rang");
      expect(Date.now() - begun).toBeGreaterThanOrEqual(290);
    });

    it("waits for events, and keeps one that comes early", async () => {
      const id = await client.start("two-events");
      await client.raise(id, "second", { n: 2 });
      await client.started(id);
      await client.raise(id, "first", { n: 1 });
      expect((await client.completed(id)).output).toEqual(JSON.stringify([{ n: 1 }, { n: 2 }]));
    });

    it("takes the event before the timer, and the timer when there is no event", async () => {
      const id = await client.start("event-or-timer", 30);
      await client.started(id);
      await client.raise(id, "go", "now");
      expect((await client.completed(id)).output).toEqual('"event"');
      expect(await run("event-or-timer", 0.2)).toEqual("timer");
    });

    it("runs children with ids and without", async () => {
      expect(await run("parent", 3)).toEqual([1, 2, 3]);
      const id = await client.start("parent-named", "kid-of-test");
      expect((await client.completed(id)).output).toEqual("7");
      expect(await client.state("kid-of-test")).toMatchObject({ status: COMPLETED, output: "7" });
    });

    it("sees a child fail", async () => {
      expect(await run("parent-of-failing")).toEqual("caught");
    });

    it("continues as new with the events that it has not read", async () => {
      const id = await client.start("counter", 1);
      await client.started(id);
      for (let n = 1; n <= 5; n++) await client.raise(id, "tick", n);
      expect((await client.completed(id)).output).toEqual("6");
    });

    it("suspends and resumes", async () => {
      const id = await client.start("two-events");
      await client.started(id);
      await client.suspend(id);
      await expect.poll(async () => (await client.state(id))?.status).toBe(SUSPENDED);
      await client.raise(id, "first", 1);
      await client.raise(id, "second", 2);
      await client.resume(id);
      expect((await client.completed(id)).output).toEqual("[1,2]");
    });

    it("terminates, with an output", async () => {
      const id = await client.start("two-events");
      await client.started(id);
      await client.terminate(id, { why: "enough" });
      expect(await client.completed(id)).toMatchObject({ status: TERMINATED, output: '{"why":"enough"}' });
    });

    it("purges what has ended", async () => {
      const id = await client.start("sequence", 1);
      await client.completed(id);
      expect(await client.purge(id)).toBe(1);
      expect(await client.state(id)).toBeUndefined();
    });

    it("shows a custom status while it runs", async () => {
      const id = await client.start("status");
      await expect.poll(async () => (await client.state(id))?.customStatus).toContain("half way");
      expect(await client.state(id)).toMatchObject({ status: RUNNING });
      await client.raise(id, "go");
      await client.completed(id);
    });

    it.each([
      ["zero", 0],
      ["the empty text", ""],
      ["false", false],
      ["null", null],
    ])("passes %s through", async (_, value) => {
      const state = await client.completed(await client.start("echo", value));
      expect(state).toMatchObject({ status: COMPLETED, input: JSON.stringify(value) });
      const output = state.output === undefined || state.output === "" ? null : JSON.parse(state.output);
      expect(output).toEqual(sdk.losesFalsy === true ? null : value);
    });

    it("carries payloads of 3 MB", { timeout: 60_000 }, async () => {
      const large = "x".repeat(3_000_000);
      const state = await client.completed(await client.start("echo-activity", large), 50);
      expect(state.status).toBe(COMPLETED);
      expect(state.output?.length).toBe(large.length + 2);
    });

    it("starts at a time", async () => {
      const at = new Date(Date.now() + 700);
      const id = await client.start("sequence", 1, undefined, at);
      expect((await client.state(id))?.status).not.toBe(COMPLETED);
      await client.completed(id);
      expect(Date.now()).toBeGreaterThanOrEqual(at.getTime() - 5);
    });

    it("refuses a second start of an id while the first runs", async () => {
      const id = await client.start("two-events", undefined, "only-once");
      await expect(client.start("two-events", undefined, id)).rejects.toMatchObject({ code: 6 });
      await client.terminate(id);
      await client.completed(id);
    });

    it("answers that an unknown instance does not exist, also when waited for", async () => {
      expect(await client.state("never-was")).toBeUndefined();
      expect(await client.started("never-was")).toBeUndefined();
    });
  });
}

function addCode(sdk: ForeignSdk, worker: ForeignWorker, calls: string[]): void {
  worker.activity("plus-one", (_: unknown, n: number) => n + 1);
  worker.activity("echo", (_: unknown, value: unknown) => value);
  worker.activity("fail", () => {
    calls.push("fail");
    throw new Error("no luck");
  });
  worker.orchestrator("sequence", async function* (ctx: ForeignContext, length: number): AsyncGenerator<
    object,
    number,
    number
  > {
    let n = 1;
    for (let step = 1; step < length; step++) n = yield ctx.callActivity("plus-one", n);
    return n;
  });
  worker.orchestrator("fan-out", async function* (ctx: ForeignContext, width: number): AsyncGenerator<
    object,
    number,
    number[]
  > {
    const results = yield sdk.whenAll(Array.from({ length: width }, (_, n) => ctx.callActivity("plus-one", n)));
    return results.length;
  });
  worker.orchestrator("catching", async function* (ctx: ForeignContext): AsyncGenerator<object, string> {
    try {
      yield ctx.callActivity("fail");
      return "not caught";
    } catch {
      return "caught";
    }
  });
  worker.orchestrator("failing", async function* (ctx: ForeignContext): AsyncGenerator<object, unknown> {
    return yield ctx.callActivity("fail");
  });
  worker.orchestrator("timer", async function* (ctx: ForeignContext, seconds: number): AsyncGenerator<object, string> {
    yield ctx.createTimer(seconds);
    return "rang";
  });
  worker.orchestrator("two-events", async function* (ctx: ForeignContext): AsyncGenerator<object, unknown> {
    const first = yield ctx.waitForExternalEvent("first");
    const second = yield ctx.waitForExternalEvent("second");
    return [first, second];
  });
  worker.orchestrator("event-or-timer", async function* (ctx: ForeignContext, seconds: number): AsyncGenerator<
    object,
    string
  > {
    const event = ctx.waitForExternalEvent("go");
    const timer = ctx.createTimer(seconds);
    const winner = yield sdk.whenAny([event, timer]);
    return winner === event ? "event" : "timer";
  });
  worker.orchestrator("echo-child", async (_: ForeignContext, value: unknown) => value);
  worker.orchestrator("parent", async function* (ctx: ForeignContext, count: number): AsyncGenerator<object, unknown> {
    const children = Array.from({ length: count }, (_, n) => ctx.callSubOrchestrator("echo-child", n + 1));
    return yield sdk.whenAll(children);
  });
  worker.orchestrator("parent-named", async function* (ctx: ForeignContext, id: string): AsyncGenerator<
    object,
    unknown
  > {
    return yield ctx.callSubOrchestrator("echo-child", 7, sdk.childId(id));
  });
  worker.orchestrator("parent-of-failing", async function* (ctx: ForeignContext): AsyncGenerator<object, string> {
    try {
      yield ctx.callSubOrchestrator("failing");
      return "not caught";
    } catch {
      return "caught";
    }
  });
  worker.orchestrator("counter", async function* (ctx: ForeignContext, count: number): AsyncGenerator<
    object,
    number | undefined
  > {
    if (count === 6) return count;
    // Dapr's SDK drops an event that comes in the turn in which the wait for one of its name ended: it is to be there before.
    yield ctx.createTimer(0.02);
    yield ctx.waitForExternalEvent("tick");
    ctx.continueAsNew(count + 1, true);
    return undefined;
  });
  worker.orchestrator("status", async function* (ctx: ForeignContext): AsyncGenerator<object, void> {
    ctx.setCustomStatus("half way");
    yield ctx.waitForExternalEvent("go");
  });
  worker.orchestrator("echo", async (_: ForeignContext, value: unknown) => value);
  worker.orchestrator("echo-activity", async function* (ctx: ForeignContext, value: unknown): AsyncGenerator<
    object,
    unknown
  > {
    return yield ctx.callActivity("echo", value);
  });
}
