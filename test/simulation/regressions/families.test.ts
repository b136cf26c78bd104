/** What the simulation found about whole families of instances, and about runs that begin in the middle. */
import { expect, test } from "vitest";
import { type Purger, purgeRecursively } from "../../../src/core/hub/purge.ts";
import { TaskRegistry } from "../../../src/core/orchestration/registry.ts";
import { timestampToMs } from "../../../src/core/protocol/timestamp.ts";
import { VirtualClock } from "../../../src/testing/index.ts";
import { openTab, type Tab } from "./tab.ts";

async function turnTimes(tab: Tab, instanceId: string): Promise<number[]> {
  const events = await tab.partition.getInstanceHistory(instanceId);
  return events.flatMap(({ eventType, timestamp }) =>
    eventType.case === "orchestratorStarted" && timestamp !== undefined ? [timestampToMs(timestamp)] : [],
  );
}

test("a termination of what has ended reaches its children once, so that in a circle of them it comes to an end", async () => {
  const registry = new TaskRegistry()
    .addOrchestrator("child", async (ctx) => ctx.waitForExternalEvent("never"))
    .addOrchestrator("parent", async (ctx) => ctx.callSubOrchestrator("child", undefined, { instanceId: "child" }));
  const tab = openTab({ registry });
  await tab.hub.worker.start();
  await tab.hub.client.scheduleNewOrchestration("parent", undefined, { instanceId: "parent" });
  await tab.clock.rest();
  await tab.hub.client.terminateOrchestration("parent", { recursive: true });
  await tab.clock.rest();
  const commits = tab.store.asked.get("commit") ?? 0;
  await tab.hub.client.terminateOrchestration("parent", { recursive: true });
  await tab.clock.rest();
  // The parent takes note of it; the child hears nothing.
  expect(tab.store.asked.get("commit")).toBe(commits + 1);
  expect((await tab.hub.client.fetchOrchestrationMetadata("child")).runtimeStatus).toBe("TERMINATED");
  await tab.hub.close();
});

test("a purge that goes round in a circle of children ends", async () => {
  const purged: string[] = [];
  const purger: Purger = {
    childrenOf: async (id) => (id === "a" ? ["b"] : ["a"]),
    purgeOne: async (id) => void purged.push(id),
  };
  expect([await purgeRecursively(purger, "a", {}), purged]).toEqual([2, ["b", "a"]]);
});

test("a child whose id was taken is somebody else's: neither a termination nor a purge reaches it", async () => {
  const registry = new TaskRegistry()
    .addOrchestrator("other", async (ctx) => ctx.waitForExternalEvent("never"))
    .addOrchestrator("parent", async (ctx) => {
      await ctx.whenAllSettled([ctx.callSubOrchestrator("other", undefined, { instanceId: "other" })]);
      await ctx.waitForExternalEvent("never");
    });
  const tab = openTab({ registry });
  await tab.hub.worker.start();
  await tab.hub.client.scheduleNewOrchestration("other", undefined, { instanceId: "other" });
  await tab.hub.client.scheduleNewOrchestration("parent", undefined, { instanceId: "parent" });
  await tab.clock.rest();
  await tab.hub.client.terminateOrchestration("parent", { recursive: true });
  await tab.clock.rest();
  await tab.hub.client.purgeOrchestrationState("parent", { force: true });
  expect((await tab.hub.client.fetchOrchestrationMetadata("other")).runtimeStatus).toBe("RUNNING");
  await tab.hub.close();
});

test("of two terminations that come in one turn, the recursive one reaches the children", async () => {
  const registry = new TaskRegistry()
    .addOrchestrator("child", async (ctx) => ctx.waitForExternalEvent("never"))
    .addOrchestrator("parent", async (ctx) => ctx.callSubOrchestrator("child", undefined, { instanceId: "child" }));
  const tab = openTab({ registry });
  await tab.hub.worker.start();
  await tab.hub.client.scheduleNewOrchestration("parent", undefined, { instanceId: "parent" });
  await tab.clock.rest();
  await Promise.all([
    tab.hub.client.terminateOrchestration("parent", { recursive: false }),
    tab.hub.client.terminateOrchestration("parent", { recursive: true }),
  ]);
  await tab.clock.rest();
  expect((await tab.hub.client.fetchOrchestrationMetadata("child")).runtimeStatus).toBe("TERMINATED");
  await tab.hub.close();
});

test("a rewound run gets the results anew that came in the turn in which it failed", async () => {
  let isMended = false;
  const registry = new TaskRegistry()
    .addActivity("work", () => "done")
    .addOrchestrator("fragile", async (ctx) => {
      const result = await ctx.callActivity<string>("work");
      if (!isMended) throw new Error("not yet");
      return result;
    });
  const tab = openTab({ registry });
  await tab.hub.worker.start();
  await tab.hub.client.scheduleNewOrchestration("fragile", undefined, { instanceId: "i" });
  await tab.clock.runUntil(tab.hub.client.waitForOrchestrationCompletion("i"));
  isMended = true;
  await tab.hub.client.rewindOrchestration("i");
  const end = await tab.clock.runUntil(tab.hub.client.waitForOrchestrationCompletion("i"));
  expect([end.runtimeStatus, end.output]).toEqual(["COMPLETED", '"done"']);
  await tab.hub.close();
});

test("turn time does not go back in a rewound run after the clock did", async () => {
  const registry = new TaskRegistry()
    .addActivity("work", () => {
      throw new Error("it fails");
    })
    .addOrchestrator("fragile", async (ctx) => ctx.callActivity("work"));
  const tab = openTab({ registry });
  await tab.hub.worker.start();
  await tab.hub.client.scheduleNewOrchestration("fragile", undefined, { instanceId: "i" });
  await tab.clock.runUntil(tab.hub.client.waitForOrchestrationCompletion("i"));
  tab.clock.jump(tab.clock.now() - 3_600_000);
  await tab.hub.client.rewindOrchestration("i");
  await tab.clock.rest();
  const times = await turnTimes(tab, "i");
  expect(times).toEqual(times.toSorted((one, other) => one - other));
  await tab.hub.close();
});

test("turn time does not go back in the turns after a rewind either", async () => {
  const registry = new TaskRegistry()
    .addActivity("work", () => {
      throw new Error("it fails");
    })
    .addOrchestrator("fragile", async (ctx) => ctx.callActivity("work"));
  const tab = openTab({ registry });
  await tab.hub.worker.start();
  await tab.hub.client.scheduleNewOrchestration("fragile", undefined, { instanceId: "i" });
  await tab.clock.runUntil(tab.hub.client.waitForOrchestrationCompletion("i"));
  await tab.clock.advance(60_000);
  await tab.hub.client.rewindOrchestration("i");
  // The rewind has read the time; the turn that follows finds a clock that went back.
  const release = tab.store.hold("commit");
  await tab.clock.rest();
  tab.clock.jump(tab.clock.now() - 3_600_000);
  release();
  await tab.clock.rest();
  const times = await turnTimes(tab, "i");
  expect(times).toEqual(times.toSorted((one, other) => one - other));
  await tab.hub.close();
});

test("turn time does not go back in a run that was cut from one with a later clock", async () => {
  const registry = new TaskRegistry()
    .addActivity("work", () => "done")
    .addOrchestrator("one", async (ctx) => ctx.callActivity("work"));
  const clock = new VirtualClock();
  const tab = openTab({ registry, clock });
  await tab.hub.worker.start();
  await tab.hub.client.scheduleNewOrchestration("one", undefined, { instanceId: "i" });
  await clock.runUntil(tab.hub.client.waitForOrchestrationCompletion("i"));
  clock.jump(clock.now() - 3_600_000);
  await tab.hub.client.rerunWorkflowFromEvent("i", 0, { newInstanceId: "j" });
  await clock.runUntil(tab.hub.client.waitForOrchestrationCompletion("j"));
  const times = await turnTimes(tab, "j");
  expect(times).toEqual(times.toSorted((one, other) => one - other));
  await tab.hub.close();
});
