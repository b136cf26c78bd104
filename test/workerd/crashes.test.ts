import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import { client, expectEffectsOnce, stubOf } from "./objects.ts";

/** Kills the object where it stands. */
async function abort(instanceId: string): Promise<void> {
  await runInDurableObject(stubOf(instanceId), (_object, state) => state.abort("test")).catch(() => undefined);
}

/** The two ways in which an object leaves memory. An eviction waits for timers of the process, an abort for nothing. */
const ENDS: readonly { readonly name: string; readonly end: (instanceId: string) => Promise<void> }[] = [
  { name: "evicted", end: (instanceId) => evictDurableObject(stubOf(instanceId)) },
  { name: "aborted", end: abort },
];

/** Wakes the object as the platform would: by its alarm, which must stand whenever something is unfinished. */
async function wakeByAlarm(instanceId: string): Promise<void> {
  expect(await runDurableObjectAlarm(stubOf(instanceId)), "an alarm stood").toBe(true);
}

async function expectOutput(instanceId: string, output: unknown): Promise<void> {
  const done = await client.waitForOrchestrationCompletion(instanceId, { timeout: "20s" });
  expect(done.failureDetails).toBeUndefined();
  expect(client.outputOf(done)).toEqual(output);
  expectEffectsOnce(await client.getInstanceHistory(instanceId));
}

async function untilWaiting(instanceId: string, what: "activities" | "timers" | "events" | "children"): Promise<void> {
  await expect
    .poll(async () => (await client.fetchOrchestrationMetadata(instanceId)).waitingOn[what].length, { timeout: 10_000 })
    .toBeGreaterThan(0);
}

describe.each(ENDS)("an object that is $name", ({ end }) => {
  test("with an activity in flight runs it again and goes on", async () => {
    const id = await client.scheduleNewOrchestration("worker", 300);
    await untilWaiting(id, "activities");
    await end(id);
    await wakeByAlarm(id);
    await expectOutput(id, "done");
  });

  test("with a timer goes on when it is due", async () => {
    const id = await client.scheduleNewOrchestration("sleeper", 1000);
    await untilWaiting(id, "timers");
    await end(id);
    await wakeByAlarm(id);
    await expectOutput(id, "awake");
  });

  test("while it waits for an event takes the event and goes on", async () => {
    const id = await client.scheduleNewOrchestration("listener", "go");
    await untilWaiting(id, "events");
    await end(id);
    await client.raiseEvent(id, "go", 42);
    await expectOutput(id, 42);
  });

  test("while it waits for a child hears of its end", async () => {
    const id = await client.scheduleNewOrchestration("guardian", 800);
    await untilWaiting(id, "children");
    await untilWaiting(`${id}:0000`, "timers");
    await end(id);
    await end(`${id}:0000`);
    await wakeByAlarm(`${id}:0000`);
    await expectOutput(id, "awake");
  });

  test("with an undelivered message in its outbox delivers it", async () => {
    const parent = `outbox-${crypto.randomUUID()}`;
    // An own property hides the method from callers, so that every delivery to the child fails until it is built anew.
    await runInDurableObject(stubOf(`${parent}:0000`), (object) => {
      Object.defineProperty(object, "receive", { value: "not a method" });
    });
    await client.scheduleNewOrchestration("guardian", 10, { instanceId: parent });
    await untilWaiting(parent, "children");
    await expect(client.fetchOrchestrationMetadata(`${parent}:0000`)).rejects.toThrow("no such instance");
    await end(parent);
    await end(`${parent}:0000`);
    await wakeByAlarm(parent);
    await expectOutput(parent, "awake");
  });
});

test("a timer beyond the near ones wakes an evicted object by the alarm alone", { timeout: 30_000 }, async () => {
  const id = await client.scheduleNewOrchestration("sleeper", 11_000);
  await untilWaiting(id, "timers");
  await evictDurableObject(stubOf(id));
  await new Promise((resolve) => setTimeout(resolve, 11_500));
  const metadata = await client.fetchOrchestrationMetadata(id);
  expect(metadata.runtimeStatus).toBe("COMPLETED");
  expect(metadata.completedAt?.getTime()).toBeLessThan(Date.now() - 200);
});

describe("an instance whose object dies again and again with work in flight", () => {
  /** Kills it until it is parked. */
  async function crashLoop(): Promise<string> {
    const id = await client.scheduleNewOrchestration("worker", 300);
    await untilWaiting(id, "activities");
    for (let death = 0; death < 6; death++) {
      await abort(id);
      await client.fetchOrchestrationMetadata(id);
    }
    const parked = await client.fetchOrchestrationMetadata(id);
    expect(parked.runtimeStatus).toBe("STALLED");
    expect(parked.waitingOn.parked?.code).toBe("crash_loop");
    return id;
  }

  test("is parked, and can be terminated", async () => {
    const id = await crashLoop();
    await client.terminateOrchestration(id, { output: "given up" });
    const done = await client.waitForOrchestrationCompletion(id, { timeout: "10s" });
    expect(done.runtimeStatus).toBe("TERMINATED");
    expect(done.output).toBe('"given up"');
  });

  test("goes on when it is resumed", async () => {
    const id = await crashLoop();
    await client.resumeOrchestration(id, "mended");
    await expectOutput(id, "done");
  });
});

test("an object that was only asked about keeps nothing", async () => {
  const id = `nobody-${crypto.randomUUID()}`;
  await expect(client.fetchOrchestrationMetadata(id)).rejects.toThrow("no such instance exists");
  await expect(client.raiseEvent(id, "go")).rejects.toThrow("no such instance exists");
  const tables = await runInDurableObject(stubOf(id), (_object, state) =>
    state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '_cf%'").toArray(),
  );
  expect(tables).toEqual([]);
});
