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
