import { runInDurableObject } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import { taskHubClient } from "../../src/backends/durable-object/index.ts";
import { objectName, parseObjectName } from "../../src/backends/durable-object/object-name.ts";
import { RoutedHub } from "../../src/backends/durable-object/routed-hub.ts";
import { objectSettle } from "../../src/backends/durable-object/settle.ts";
import { bindings, client, expectEffectsOnce, rpcOf, stubOf } from "./objects.ts";

async function tablesOf(instanceId: string): Promise<unknown[]> {
  return runInDurableObject(stubOf(instanceId), (_object, state) =>
    state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '_cf%'").toArray(),
  );
}

describe("settling in workerd", () => {
  test("20,000 chained awaits finish in one settle", async () => {
    let steps = 0;
    void (async () => {
      for (; steps < 20_000; steps++) await undefined;
    })();
    await objectSettle();
    expect(steps).toBe(20_000);
  });
});

describe("object names", () => {
  test("no two triples of hub, incarnation and instance give one name", () => {
    const names = new Set<string>();
    for (const hub of ["a", "a-1", "1"]) {
      for (const incarnation of [1, 11]) {
        for (const instanceId of ["a", "1/a", "/", "a/1/a", "é\n"]) {
          const identity = { hub, incarnation, instanceId };
          names.add(objectName(identity));
          expect(parseObjectName(objectName(identity))).toEqual(identity);
        }
      }
    }
    expect(names.size).toBe(3 * 2 * 5);
  });

  test("a bad hub name is refused", () => {
    for (const hub of ["", "a/b", "x".repeat(65), "ä"])
      expect(() => taskHubClient(bindings, { hub })).toThrow("no hub name");
  });
});

describe("payloads", () => {
  test("a payload of 3 MB passes, in rows of at most 1 MB", async () => {
    const id = await client.scheduleNewOrchestration("boulder", 3_000_000);
    const done = await client.waitForOrchestrationCompletion(id, { timeout: "20s" });
    expect(client.outputOf(done)).toBe(3_000_000);
    const sizes = await runInDurableObject(stubOf(id), (_object, state) =>
      state.storage.sql.exec<{ size: number }>("SELECT max(length(bytes)) AS size FROM history").one(),
    );
    expect(sizes.size).toBeLessThanOrEqual(1024 * 1024);
    expect((await client.getInstanceHistory(id)).length).toBeGreaterThan(5);
  });

  test("an activity's input above the limit fails the orchestration with a typed error, and the object goes on", async () => {
    const id = await client.scheduleNewOrchestration("boulder", 4_300_000);
    const done = await client.waitForOrchestrationCompletion(id, { timeout: "20s" });
    expect(done.runtimeStatus).toBe("FAILED");
    expect(done.failureDetails?.errorType).toBe("PayloadTooLargeError");
    await client.purgeOrchestrationState(id);
  });

  test("a start above the limit is refused and leaves nothing", async () => {
    const instanceId = crypto.randomUUID();
    const start = client.scheduleNewOrchestration("chain", "x".repeat(5_000_000) as never, { instanceId });
    await expect(start).rejects.toMatchObject({ code: "payload_too_large" });
    expect(await tablesOf(instanceId)).toEqual([]);
  });
});

test("a fan-out of 1,000 joins in few turns", { timeout: 30_000 }, async () => {
  const id = await client.scheduleNewOrchestration("crowd", 1000);
  const done = await client.waitForOrchestrationCompletion(id, { timeout: "25s" });
  expect(client.outputOf(done)).toBe(1000);
  const history = await client.getInstanceHistory(id);
  expectEffectsOnce(history);
  const turns = history.filter(({ eventType }) => eventType.case === "orchestratorStarted").length;
  expect(turns).toBeLessThanOrEqual(9);
});

describe("a hub", () => {
  test("that is deleted begins a new incarnation: old instances are gone, old ids are free", async () => {
    const hub = new RoutedHub(bindings, "doomed");
    const doomed = taskHubClient(bindings, { hub: "doomed" });
    await hub.createTaskHub();
    await expect(hub.createTaskHub()).rejects.toMatchObject({ code: "task_hub_exists" });
    await doomed.scheduleNewOrchestration("listener", "never", { instanceId: "one" });
    await expect.poll(async () => (await doomed.listInstanceIds()).instanceIds).toEqual(["one"]);
    await hub.deleteTaskHub();
    await expect(hub.deleteTaskHub()).rejects.toMatchObject({ code: "task_hub_not_found" });
    const again = taskHubClient(bindings, { hub: "doomed" });
    expect((await again.listInstanceIds()).instanceIds).toEqual([]);
    await expect(again.fetchOrchestrationMetadata("one")).rejects.toMatchObject({ code: "instance_not_found" });
    expect(await again.scheduleNewOrchestration("chain", 1, { instanceId: "one" })).toBe("one");
  });

  test("does not see another hub's instances", async () => {
    const one = taskHubClient(bindings, { hub: "tenant-1" });
    const other = taskHubClient(bindings, { hub: "tenant-2" });
    await one.scheduleNewOrchestration("listener", "never", { instanceId: "same" });
    await expect(other.fetchOrchestrationMetadata("same")).rejects.toMatchObject({ code: "instance_not_found" });
    await expect.poll(async () => (await one.listInstanceIds()).instanceIds).toEqual(["same"]);
    expect((await other.listInstanceIds()).instanceIds).toEqual([]);
  });

  test("lists by status, name, tag, prefix and time, page by page", async () => {
    const listed = taskHubClient(bindings, { hub: "listed" });
    for (let index = 0; index < 5; index++) {
      await listed.scheduleNewOrchestration("listener", "never", {
        instanceId: `w-${index}`,
        tags: { even: `${index % 2 === 0}` },
      });
    }
    await listed.scheduleNewOrchestration("chain", 1, { instanceId: "c-0" });
    await listed.waitForOrchestrationCompletion("c-0");
    await expect
      .poll(async () => (await listed.listInstanceIds({ runtimeStatus: ["RUNNING"] })).instanceIds.length)
      .toBe(5);
    await expect
      .poll(async () => (await listed.listInstanceIds({ runtimeStatus: ["COMPLETED"] })).instanceIds)
      .toEqual(["c-0"]);
    expect((await listed.listInstanceIds({ name: "chain" })).instanceIds).toEqual(["c-0"]);
    expect((await listed.listInstanceIds({ tags: { even: "true" }, order: "oldest" })).instanceIds).toEqual([
      "w-0",
      "w-2",
      "w-4",
    ]);
    expect((await listed.listInstanceIds({ instanceIdPrefix: "w-" })).instanceIds.length).toBe(5);
    expect((await listed.listInstanceIds({ createdTo: new Date(0) })).instanceIds).toEqual([]);
    const first = await listed.listInstanceIds({ pageSize: 4, order: "oldest" });
    expect(first.instanceIds).toEqual(["w-0", "w-1", "w-2", "w-3"]);
    const token = first.continuationToken ?? "";
    expect(
      (await listed.listInstanceIds({ pageSize: 4, order: "oldest", continuationToken: token })).instanceIds,
    ).toEqual(["w-4", "c-0"]);
    await expect(listed.listInstanceIds({ pageSize: 0 })).rejects.toMatchObject({ code: "invalid_argument" });
    const [whole] = (await listed.queryInstances({ name: "listener", fetchPayloads: true, order: "oldest" })).instances;
    expect(whole?.waitingOn.events[0]?.name).toBe("never");
  });
});

test("a purged instance leaves the index and then its object, whole", async () => {
  const id = await client.scheduleNewOrchestration("family", [1, 1]);
  await client.waitForOrchestrationCompletion(id);
  await expect.poll(async () => (await client.listInstanceIds({ instanceIdPrefix: id })).instanceIds.length).toBe(3);
  expect(await client.purgeOrchestrationState(id)).toBe(3);
  await expect(client.fetchOrchestrationMetadata(id)).rejects.toMatchObject({ code: "instance_not_found" });
  await expect.poll(async () => (await client.listInstanceIds({ instanceIdPrefix: id })).instanceIds).toEqual([]);
  await expect
    .poll(() =>
      runInDurableObject(stubOf(id), (_object, state) =>
        state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\'").toArray(),
      ),
    )
    .toEqual([]);
  expect(await runInDurableObject(stubOf(id), (_object, state) => state.storage.getAlarm())).toBeNull();
});

test("one idempotency key starts one instance and raises one event", async () => {
  const schedule = (): Promise<string> =>
    client.scheduleNewOrchestration("listener", "go", { idempotencyKey: "order-17" });
  expect(await schedule()).toBe("order-17");
  expect(await schedule()).toBe("order-17");
  await client.raiseEvent("order-17", "go", 1, { idempotencyKey: "e" });
  const done = await client.waitForOrchestrationCompletion("order-17");
  expect(client.outputOf(done)).toBe(1);
});

test("an object refuses a start or a message that is meant for another", async () => {
  const { marshalHistoryEvent } = await import("../../src/core/protocol/marshal.ts");
  const { executionStarted } = await import("../../src/core/protocol/events.ts");
  const start = executionStarted({ name: "chain", instanceId: "other", executionId: "e" }, Date.now());
  const answer = await rpcOf("mine").create(marshalHistoryEvent(start), {});
  expect(answer).toMatchObject({ ok: false, code: "invalid_argument" });
});

test("an event sent to another orchestration reaches it once", async () => {
  await client.scheduleNewOrchestration("listener", "parcel", { instanceId: "receiver" });
  const id = await client.scheduleNewOrchestration("courier", "receiver");
  await client.waitForOrchestrationCompletion(id);
  const done = await client.waitForOrchestrationCompletion("receiver", { timeout: "10s" });
  expect(client.outputOf(done)).toEqual({ from: id });
});

test("what is too much for one call between objects arrives in several, in order", async () => {
  const loads = 10;
  const target = await client.scheduleNewOrchestration("unloader", loads);
  const id = await client.scheduleNewOrchestration("haulier", { target, loads });
  await client.waitForOrchestrationCompletion(id);
  const done = await client.waitForOrchestrationCompletion(target, { timeout: "20s" });
  expect(client.outputOf(done)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("a wait for an unknown instance is answered at once", async () => {
  await expect(client.waitForOrchestrationCompletion("nobody")).rejects.toMatchObject({ code: "instance_not_found" });
});
