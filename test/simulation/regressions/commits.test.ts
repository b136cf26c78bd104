/** What the simulation found about commits and appends of which nobody knows whether they took effect. */
import { expect, test } from "vitest";
import { TaskRegistry } from "../../../src/core/orchestration/registry.ts";
import { openTab } from "./tab.ts";

function registry(runs: string[] = []): TaskRegistry {
  return new TaskRegistry()
    .addActivity<string, string>("work", (_ctx, input) => {
      runs.push(input);
      return `done ${input}`;
    })
    .addOrchestrator("two", async (ctx) => {
      const first = await ctx.callActivity<string>("work", "a");
      const second = await ctx.callActivity<string>("work", "b");
      return [first, second];
    })
    .addOrchestrator("wait", async (ctx) => ctx.waitForExternalEvent<string>("go"));
}

test.each(["fails before", "fails after"] as const)(
  "a commit that %s it took effect neither repeats nor rewrites history",
  async (how) => {
    const { hub, store, clock, history } = openTab({ registry: registry() });
    await hub.worker.start();
    await hub.client.scheduleNewOrchestration("two", undefined, { instanceId: "i" });
    for (let commits = 0; commits < 3; commits++) store.fail("commit", how);
    const end = await clock.runUntil(hub.client.waitForOrchestrationCompletion("i"));
    expect([end.runtimeStatus, end.output]).toEqual(["COMPLETED", '["done a","done b"]']);
    expect(await history("i")).toEqual([
      "executionStarted",
      "taskScheduled",
      "taskCompleted 0",
      "taskScheduled",
      "taskCompleted 1",
      "executionCompleted",
    ]);
    await hub.close();
  },
);

test("a commit that took effect, though its caller was told that it failed, is not committed over", async () => {
  const { hub, store, disk, clock } = openTab({ registry: registry() });
  await hub.worker.start();
  await hub.client.scheduleNewOrchestration("two", undefined, { instanceId: "i" });
  // Two in a row, so that the next try comes at a later time, whose traces would show.
  store.fail("commit", "fails after");
  store.fail("commit", "fails after");
  await clock.rest();
  const [first] = await disk.readSegments("i", 0, 1);
  await clock.runUntil(hub.client.waitForOrchestrationCompletion("i"));
  expect((await disk.readSegments("i", 0, 1))[0]).toEqual(first);
  await hub.close();
});

test("members of a group commit that took effect are not committed again one by one", async () => {
  const { hub, store, clock, history } = openTab({ registry: registry() });
  await hub.worker.start();
  const ids = ["i", "j", "k"];
  store.fail("commit", "fails after");
  await Promise.all(ids.map((instanceId) => hub.client.scheduleNewOrchestration("two", undefined, { instanceId })));
  for (const instanceId of ids) {
    await clock.runUntil(hub.client.waitForOrchestrationCompletion(instanceId));
    expect((await history(instanceId)).filter((word) => word === "taskScheduled")).toHaveLength(2);
  }
  await hub.close();
});

test("an activity's result that waited for a failed commit is not lost with it", async () => {
  const runs: string[] = [];
  const { hub, store, clock } = openTab({ registry: registry(runs) });
  await hub.worker.start();
  await hub.client.scheduleNewOrchestration("two", undefined, { instanceId: "i" });
  await clock.rest();
  const again = openTab({ registry: registry(runs) });
  await again.hub.worker.start();
  await again.hub.client.scheduleNewOrchestration("two", undefined, { instanceId: "i" });
  expect(runs).toEqual(["a", "b"]);
  runs.length = 0;
  again.store.hold("commit")();
  again.store.fail("commit", "fails before");
  await again.clock.runUntil(again.hub.client.waitForOrchestrationCompletion("i"));
  expect(runs).toEqual(["a", "b"]);
  expect(store.asked.get("commit")).toBeGreaterThan(0);
  await hub.close();
  await again.hub.close();
});

test("an event whose append may have failed is worked on when it is in the store", async () => {
  const { hub, store, clock } = openTab({ registry: registry() });
  await hub.worker.start();
  await hub.client.scheduleNewOrchestration("wait", undefined, { instanceId: "i" });
  await clock.rest();
  store.fail("append", "fails after");
  await expect(hub.client.raiseEvent("i", "go", "now")).rejects.toMatchObject({ code: "storage" });
  const end = await clock.runUntil(hub.client.waitForOrchestrationCompletion("i"));
  expect(end.output).toBe('"now"');
  await hub.close();
});
