/** What the simulation found about reads that fail, come late, or see less than has happened since. */
import { expect, test } from "vitest";
import { TaskRegistry } from "../../../src/core/orchestration/registry.ts";
import { LocalSignals } from "../../../src/core/partition/local-signals.ts";
import type { Signals } from "../../../src/core/partition/ports.ts";
import { openTab } from "./tab.ts";

function registry(runs: string[] = []): TaskRegistry {
  return new TaskRegistry()
    .addActivity<string, string>("work", (_ctx, input) => {
      runs.push(input);
      return input;
    })
    .addOrchestrator("one", async (ctx) => ctx.callActivity<string>("work", "a"))
    .addOrchestrator("two events", async (ctx) => [
      await ctx.waitForExternalEvent("go"),
      await ctx.waitForExternalEvent("go"),
    ])
    .addOrchestrator("timer", async (ctx) => {
      await ctx.createTimer(5000);
      return "rung";
    });
}

/** Signals of one tab among several, all of whose news gets lost. */
function deaf(): Signals {
  const own = new LocalSignals();
  return {
    mayLose: true,
    appended: () => undefined,
    onAppended: (listener) => own.onAppended(listener),
    changed: (id) => own.changed(id),
    onChanged: (listener) => own.onChanged(listener),
  };
}

test("a load that was read before an append, and answered after, does not hide it", async () => {
  const { hub, store, clock } = openTab({ registry: registry() });
  await hub.worker.start();
  const release = store.hold("load");
  await hub.client.scheduleNewOrchestration("two events", undefined, { instanceId: "i" });
  await hub.client.raiseEvent("i", "go", 1);
  await hub.client.raiseEvent("i", "go", 2);
  release();
  const end = await clock.runUntil(hub.client.waitForOrchestrationCompletion("i"));
  expect(end.output).toBe("[1,2]");
  await hub.close();
});

test("news of an item is heard though the owner knows a later one", async () => {
  const signals = new LocalSignals();
  const owner = openTab({ registry: registry(), ports: { signals } });
  await owner.hub.worker.start();
  const guest = openTab({ registry: registry(), disk: owner.disk, clock: owner.clock, ports: { signals: deaf() } });
  await owner.hub.client.scheduleNewOrchestration("two events", undefined, { instanceId: "i" });
  await owner.clock.rest();
  await guest.hub.client.raiseEvent("i", "go", "guest");
  await owner.hub.client.raiseEvent("i", "go", "owner");
  signals.appended("i", false);
  const end = await owner.clock.runUntil(owner.hub.client.waitForOrchestrationCompletion("i"));
  expect(JSON.parse(end.output ?? "[]").sort()).toEqual(["guest", "owner"]);
  await owner.hub.close();
});

test("what another tab appended is found though no news of it came", async () => {
  const owner = openTab({ registry: registry(), ports: { signals: deaf() } });
  await owner.hub.worker.start();
  const guest = openTab({ registry: registry(), disk: owner.disk, clock: owner.clock, ports: { signals: deaf() } });
  await owner.hub.client.scheduleNewOrchestration("two events", undefined, { instanceId: "i" });
  await owner.clock.rest();
  await guest.hub.client.raiseEvent("i", "go", 1);
  await guest.hub.client.raiseEvent("i", "go", 2);
  await owner.clock.advance(40_000);
  expect((await owner.hub.client.fetchOrchestrationMetadata("i")).output).toBe("[1,2]");
  await owner.hub.close();
});

test("a turn whose instance cannot be loaded comes again, and no promise fails unheard", async () => {
  const strays: unknown[] = [];
  const note = (reason: unknown): void => void strays.push(reason);
  process.on("unhandledRejection", note);
  const { hub, store, clock } = openTab({ registry: registry() });
  await hub.worker.start();
  store.fail("load", "fails before");
  await hub.client.scheduleNewOrchestration("one", undefined, { instanceId: "i" });
  await clock.advance(30_000);
  const end = await hub.client.fetchOrchestrationMetadata("i");
  await new Promise((resolve) => setTimeout(resolve, 5));
  process.off("unhandledRejection", note);
  expect([end.output, strays]).toEqual(['"a"', []]);
  await hub.close();
});

test("an activity whose event cannot be read is offered again", async () => {
  const hanging = new TaskRegistry()
    .addActivity("work", () => new Promise(() => undefined))
    .addOrchestrator("one", async (ctx) => ctx.callActivity("work", "a"));
  const first = openTab({ registry: hanging });
  await first.hub.worker.start();
  await first.hub.client.scheduleNewOrchestration("one", undefined, { instanceId: "i" });
  await first.clock.rest();
  // The first one is gone without a word.
  const { hub, store, clock } = openTab({ registry: registry(), disk: first.disk, clock: first.clock });
  // Once when it is offered, and once more when it is handed out.
  store.fail("readSegments", "fails before");
  store.fail("readSegments", "fails before");
  await hub.worker.start();
  const end = await clock.runUntil(hub.client.waitForOrchestrationCompletion("i"));
  expect(end.output).toBe('"a"');
  await hub.close();
});

test("an older answer to the question for the next deadline does not disarm a newer one", async () => {
  const { hub, store, clock } = openTab({ registry: registry() });
  await hub.worker.start();
  await clock.rest();
  const release = store.hold("nextDeadline");
  await hub.client.scheduleNewOrchestration("timer", undefined, { instanceId: "i" });
  await clock.rest();
  release();
  await clock.rest();
  await clock.advance(6000);
  expect((await hub.client.fetchOrchestrationMetadata("i")).output).toBe('"rung"');
  await hub.close();
});

test("an instance that is to be looked at is not forgotten when the store cannot say what else is due", async () => {
  const { hub, store, clock } = openTab({ registry: registry() });
  await hub.worker.start();
  store.fail("load", "fails before");
  await hub.client.scheduleNewOrchestration("one", undefined, { instanceId: "i" });
  await clock.rest();
  store.fail("due", "fails before");
  await clock.advance(30_000);
  expect((await hub.client.fetchOrchestrationMetadata("i")).output).toBe('"a"');
  await hub.close();
});

test("an activity whose result is durable is not run again after a restart", async () => {
  const runs: string[] = [];
  const slow = new TaskRegistry()
    .addActivity<string, string>("work", (_ctx, input) => {
      runs.push(input);
      return input;
    })
    .addOrchestrator("one", async (ctx) => ctx.callActivity<string>("work", "a"));
  const first = openTab({ registry: slow });
  await first.hub.worker.start();
  // The turn that takes the result cannot commit, so that the result is put into the inbox by itself.
  first.store.hold("commit")();
  first.store.fail("commit", "fails before");
  await first.hub.client.scheduleNewOrchestration("one", undefined, { instanceId: "i" });
  await first.clock.rest();
  await first.hub.close();
  const second = openTab({ registry: slow, disk: first.disk, clock: first.clock });
  await second.hub.worker.start();
  const end = await second.clock.runUntil(second.hub.client.waitForOrchestrationCompletion("i"));
  expect([end.output, runs]).toEqual(['"a"', ["a"]]);
  await second.hub.close();
});

test("a start that is put off does not count as a death each time that the hub is opened", async () => {
  let tab = openTab({ registry: registry(), maxDeaths: 2 });
  await tab.hub.worker.start();
  const startAt = new Date(tab.clock.now() + 60_000);
  await tab.hub.client.scheduleNewOrchestration("one", undefined, { instanceId: "i", startAt });
  for (let opened = 0; opened < 5; opened++) {
    await tab.hub.close();
    tab = openTab({ registry: registry(), disk: tab.disk, clock: tab.clock, maxDeaths: 2 });
    await tab.hub.worker.start();
    await tab.clock.rest();
  }
  await tab.clock.advance(61_000);
  expect((await tab.hub.client.fetchOrchestrationMetadata("i")).runtimeStatus).toBe("COMPLETED");
  await tab.hub.close();
});

test("an instance that has ended is never parked for the deaths of its hosts", async () => {
  let tab = openTab({ registry: registry(), maxDeaths: 1 });
  await tab.hub.worker.start();
  await tab.hub.client.scheduleNewOrchestration("one", undefined, { instanceId: "i" });
  await tab.clock.runUntil(tab.hub.client.waitForOrchestrationCompletion("i"));
  await tab.hub.close();
  // Something comes for it that no turn takes before the hub ends again.
  const guest = openTab({ registry: registry(), disk: tab.disk, clock: tab.clock, ports: { signals: deaf() } });
  await guest.hub.client.terminateOrchestration("i", { recursive: true });
  for (let opened = 0; opened < 4; opened++) {
    tab = openTab({ registry: new TaskRegistry(), disk: tab.disk, clock: tab.clock, maxDeaths: 1 });
    await tab.partition.start();
    await tab.clock.rest();
    await tab.partition.stop();
  }
  expect((await guest.hub.client.fetchOrchestrationMetadata("i")).runtimeStatus).toBe("COMPLETED");
});
