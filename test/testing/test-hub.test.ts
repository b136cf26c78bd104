import { afterEach, describe, expect, it } from "vitest";
import { defineActivity, defineOrchestrator, NonRetriableError, TaskRegistry } from "../../src/core/index.ts";
import {
  type CrashPoint,
  createTestHub,
  HostCrashedError,
  type TestHub,
  type TestHubOptions,
} from "../../src/testing/index.ts";

const charge = defineActivity("charge", async (_ctx, amount: number) => `paid ${amount}`);
const refund = defineActivity("refund", async (_ctx, receipt: string) => `refunded ${receipt}`);
const checkout = defineOrchestrator("checkout", async (ctx, amount: number) => {
  const receipt = await ctx.callActivity(charge, amount, { retry: { maxAttempts: 3, firstDelay: "1m" } });
  const approval = await ctx.waitForExternalEvent<string>("approval", { timeout: "7d" });
  return approval.timedOut ? ctx.callActivity(refund, receipt) : `${receipt}, approved by ${approval.value}`;
});
const twoSteps = defineOrchestrator("twoSteps", async (ctx, amount: number) => {
  const one = await ctx.callActivity(charge, amount);
  return ctx.callActivity(refund, one);
});
const registry = new TaskRegistry().add(charge, refund, checkout, twoSteps);

let hub: TestHub | undefined;

async function open(options: Partial<TestHubOptions> = {}): Promise<TestHub> {
  hub = await createTestHub({ registry, ...options });
  return hub;
}

afterEach(async () => {
  await hub?.close();
  hub = undefined;
});

describe("a test hub", () => {
  it("lets days pass at once", async () => {
    const test = await open();
    const id = await test.start(checkout, 10);
    await test.advance("6d");
    expect((await test.waitingOn(id)).sentence).toContain("event 'approval'");
    await test.advance("1d");
    expect(await test.result(id)).toBe("refunded paid 10");
    expect(test.now.toISOString()).toBe("2026-01-08T00:00:00.000Z");
  });

  it("delivers a raised event", async () => {
    const test = await open();
    const id = await test.start(checkout, 10);
    await test.raise(id, "approval", "me");
    expect(await test.result(id)).toBe("paid 10, approved by me");
  });

  it("gives the same ids for the same seed, and others for another", async () => {
    const one = await (await open({ seed: 7 })).start(twoSteps, 1);
    const same = await (await open({ seed: 7 })).start(twoSteps, 1);
    const other = await (await open({ seed: 8 })).start(twoSteps, 1);
    expect(same).toBe(one);
    expect(other).not.toBe(one);
  });

  it("stubs activities by value and by function, and tells how they were called", async () => {
    const test = await open({ stubs: { charge: "stubbed" } });
    test.activity(refund).returns((input: string) => `not ${input}`);
    expect(await test.result(await test.start(twoSteps, 5))).toBe("not stubbed");
    expect(test.activity("charge").runs).toMatchObject([{ input: 5, attempt: 1, taskId: 0 }]);
    expect(test.activity(refund).runs).toMatchObject([{ input: "stubbed", taskId: 1 }]);
  });

  it("fails the attempts that it is told to", async () => {
    const test = await open();
    test.activity(charge).failsAt([1, 2]);
    const id = await test.start(checkout, 10);
    expect((await test.waitingOn(id)).timers).toMatchObject([{ purpose: "activity-retry", nextAttempt: 2 }]);
    await test.advance("2m");
    await test.raise(id, "approval", "me");
    expect(await test.result(id)).toBe("paid 10, approved by me");
    expect(test.activity(charge).runs.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  });

  it("shows a failure as one", async () => {
    const test = await open();
    test.activity(charge).failsAt(1, new NonRetriableError("no such card"));
    await expect(test.result(await test.start(checkout, 10))).rejects.toThrow("no such card");
  });

  it("holds runs until they are released", async () => {
    const test = await open();
    test.activity(charge).holds();
    const id = await test.start(twoSteps, 10);
    await test.advance("1h");
    expect(test.activity(charge).held).toBe(1);
    expect((await test.waitingOn(id)).activities).toMatchObject([{ name: "charge" }]);
    test.activity(charge).releaseWith("late");
    expect(await test.result(id)).toBe("refunded late");
  });

  it("says why an instance does not end by itself", async () => {
    const forever = defineOrchestrator("forever", async (ctx) => ctx.waitForExternalEvent("never"));
    const test = await open({ registry: new TaskRegistry().add(forever) });
    const id = await test.start(forever);
    await expect(test.result(id)).rejects.toThrow("waiting for event 'never'");
    await test.client.suspendOrchestration(id);
    await expect(test.result(id)).rejects.toThrow("does not end by itself: it is suspended");
  });

  it("says at once which code is missing, of a child too", async () => {
    const child = defineOrchestrator("child", async (ctx) => ctx.callActivity("nowhere"));
    const parent = defineOrchestrator("parent", async (ctx) => ctx.callSubOrchestrator(child, undefined));
    const test = await open({ registry: new TaskRegistry().add(child, parent) });
    const id = await test.start(parent, undefined, { instanceId: "p" });
    const { children } = await test.waitingOn(id);
    expect((await test.waitingOn(children[0]?.instanceId ?? "")).sentence).toContain("'nowhere' is not registered");
    await expect(test.result(id)).rejects.toThrow(/'p' does not end by itself: its sub-.*'nowhere' is not registered/u);
    const other = defineOrchestrator("other", async (ctx) => ctx.callSubOrchestrator("no such child", undefined));
    const again = await open({ registry: new TaskRegistry().add(other) });
    await expect(again.result(await again.start(other))).rejects.toThrow(
      /parked: .*'no such child' is not registered/u,
    );
  });

  it("says which code runs in real time", async () => {
    const slow = defineActivity("slow", () => new Promise<string>((resolve) => setTimeout(() => resolve("slept"), 20)));
    const nap = defineOrchestrator("nap", async (ctx) => ctx.callActivity(slow, undefined));
    const test = await open({ registry: new TaskRegistry().add(slow, nap) });
    await expect(test.result(await test.start(nap))).rejects.toThrow("the code of 'slow' still runs, in real time");
  });

  it("stands in for activities that are registered nowhere, once it is said what they do", async () => {
    const remote = defineOrchestrator("remote", async (ctx) => ctx.callActivity<string>("elsewhere", 1));
    const test = await open({ registry: new TaskRegistry().add(remote) });
    const id = await test.start(remote);
    test.activity("elsewhere").returns("answer");
    expect(await test.result(id)).toBe("answer");
  });

  it("knows only the held runs of the host that lives", async () => {
    const test = await open();
    test.activity(charge).holds();
    const id = await test.start(twoSteps, 10);
    await test.restart();
    expect(test.activity(charge).held).toBe(1);
    test.activity(charge).releaseWith("second");
    expect(await test.result(id)).toBe("refunded second");
    expect(test.activity(charge).runs).toHaveLength(2);
  });

  it("answers nothing once it is closed, and goes on when it is opened again", async () => {
    const test = await open();
    const id = await test.start(checkout, 10);
    await test.close();
    await expect(test.raise(id, "approval", "me")).rejects.toThrow("closed");
    await test.close();
    await test.restart();
    await test.raise(id, "approval", "me");
    expect(await test.result(id)).toBe("paid 10, approved by me");
  });

  it("takes the hop of a host where a MessageChannel is none", async () => {
    let hops = 0;
    const hop = async (): Promise<void> => {
      hops++;
      await new Response("x").text();
      await new Promise((resolve) => setImmediate(resolve));
    };
    const test = await open({ hop });
    expect(await test.result(await test.start(twoSteps, 10))).toBe("refunded paid 10");
    expect(hops).toBeGreaterThan(5);
  });

  it("knows no crash point that there is not", async () => {
    const test = await open();
    expect(() => test.crashAt("before lunch" as CrashPoint)).toThrow("'before lunch'");
  });

  it("has code that arrives later", async () => {
    const late = new TaskRegistry().add(twoSteps, charge);
    const test = await open({ registry: late });
    const id = await test.start(twoSteps, 1);
    expect((await test.waitingOn(id)).activities[0]?.parkedReason).toContain("'refund' is not registered");
    late.add(refund);
    expect(await test.result(id)).toBe("refunded paid 1");
  });
});

describe.each<CrashPoint>(["before commit", "after commit", "before effect", "in mid-activity"])(
  "a crash %s",
  (point) => {
    it.each([0, 1])("loses nothing and repeats no effect on history, after %d passes", async (passes) => {
      const test = await open();
      test.crashAt(point, passes);
      let id = "crashed";
      try {
        id = await test.start(twoSteps, 10, { instanceId: id });
        await test.result(id);
      } catch (error) {
        expect(error).toBeInstanceOf(HostCrashedError);
      }
      expect(test.hasCrashed).toBe(true);
      expect(() => test.client).toThrow(HostCrashedError);
      await test.restart();
      expect(await test.result(id)).toBe("refunded paid 10");
      const kinds = (await test.client.getInstanceHistory(id)).map(({ eventType }) => eventType.case);
      expect(kinds.filter((kind) => kind === "taskScheduled")).toHaveLength(2);
      expect(kinds.filter((kind) => kind === "taskCompleted")).toHaveLength(2);
      if (point === "in mid-activity") {
        const runs = test.activity(passes === 0 ? charge : refund).runs;
        expect(runs).toHaveLength(2);
        expect(new Set(runs.map(({ taskExecutionId }) => taskExecutionId)).size).toBe(1);
      }
    });
  },
);
