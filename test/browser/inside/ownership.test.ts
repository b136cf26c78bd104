import { describe, expect, it } from "vitest";
import { databaseName, type HostEnvironment } from "../../../src/backends/indexeddb/index.ts";
import { defineActivity, defineOrchestrator } from "../../../src/core/index.ts";
import { basicRegistry, count, heard, newHubName, openHub, run, sleep, until, wait } from "./hubs.ts";

const still: HostEnvironment = {
  online: () => true,
  visible: () => true,
  metered: () => false,
  charging: () => undefined,
  onWake: () => () => undefined,
  onSleep: () => () => undefined,
};

/** Real locks; the listener is told whenever one is granted, in the middle of it. */
function watchedLocks(onGrant: () => void): LockManager {
  const request = (name: string, options: LockOptions, hold: () => Promise<void>): Promise<void> =>
    navigator.locks.request(name, options, () => {
      const held = hold();
      onGrant();
      return held;
    });
  return { request } as unknown as LockManager;
}

/** A connection whose transaction can keep all others waiting until it is told to end. */
async function busyConnection(name: string): Promise<{ begin(): void; end(): void }> {
  const database = await new Promise<IDBDatabase>((resolve) => {
    const request = indexedDB.open(databaseName(name));
    request.onsuccess = () => resolve(request.result);
  });
  let isOver = false;
  return {
    begin(): void {
      const store = database.transaction("meta", "readwrite").objectStore("meta");
      const ask = (): void => {
        store.get("hub").onsuccess = () => (isOver ? undefined : ask());
      };
      ask();
    },
    end(): void {
      isOver = true;
      database.close();
    },
  };
}

/** Histories tell how often each activity had an effect. */
async function expectEachOnce(hub: Awaited<ReturnType<typeof openHub>>, id: string): Promise<void> {
  const events = await hub.client.getInstanceHistory(id);
  const results = events.flatMap(({ eventType }) =>
    eventType.case === "taskCompleted" ? [eventType.value.taskScheduledId] : [],
  );
  expect(new Set(results).size).toBe(results.length);
}

describe("the right to run", () => {
  it("belongs to one of three, and passes on when its holder closes", async () => {
    const name = newHubName();
    const hubs = [await openHub({ name }), await openHub({ name }), await openHub({ name })];
    const runners = () => hubs.filter(({ status }) => status.role === "runner");
    await until(() => runners().length === 1);
    const id = await hubs[2]?.client.scheduleNewOrchestration(count, 60);
    const [first] = runners();
    await sleep(50);
    await first?.close();
    await until(() => runners().length === 1);
    const [second] = runners();
    const done = await second?.client.waitForOrchestrationCompletion(id ?? "", { timeout: "20s" });
    expect(done?.output).toBe("60");
    expect((second?.status.epoch ?? 0) > 1).toBe(true);
    if (second !== undefined) await expectEachOnce(second, id ?? "");
  });

  it("is lost to whoever steals the lock: the victim becomes a follower without harm, and comes back", async () => {
    const name = newHubName();
    const hub = await openHub({ name });
    await until(() => hub.status.role === "runner");
    const id = await hub.client.scheduleNewOrchestration(count, 80);
    await sleep(40);
    const epoch = hub.status.epoch ?? 0;
    await navigator.locks.request(databaseName(name), { steal: true }, async () => {
      await until(() => hub.status.role === "follower");
      await sleep(50);
    });
    await until(() => hub.status.role === "runner");
    expect(hub.status.epoch).toBeGreaterThan(epoch);
    expect((await hub.client.waitForOrchestrationCompletion(id, { timeout: "20s" })).output).toBe("80");
    await expectEachOnce(hub, id);
  });

  it("is fenced by the epoch: an owner that does not know that it is none cannot commit", async () => {
    const name = newHubName();
    // Its locks are its own: it never hears that another one runs.
    const alone = {
      request: (_name: string, _options: unknown, run: () => Promise<void>) => run(),
    } as unknown as LockManager;
    const zombie = await openHub({ name }, { locks: alone });
    await until(() => zombie.status.role === "runner");
    const id = await zombie.client.scheduleNewOrchestration(wait);
    await zombie.client.waitForOrchestrationStart(id);
    const real = await openHub({ name });
    await until(() => real.status.role === "runner");
    await real.client.raiseEvent(id, "go", "x");
    expect((await real.client.waitForOrchestrationCompletion(id, { timeout: "10s" })).runtimeStatus).toBe("COMPLETED");
    const events = await real.client.getInstanceHistory(id);
    expect(events.filter(({ eventType }) => eventType.case === "executionCompleted")).toHaveLength(1);
  });

  it("is taken from a runner that gives no sign of life, once in a while only", async () => {
    const name = newHubName();
    // A frozen page, as the others see it: it has the lock, and does not answer.
    let thaw = (): void => undefined;
    const frozen = navigator.locks
      .request(databaseName(name), () => new Promise<void>((resolve) => (thaw = resolve)))
      .catch((error: Error) => error.name);
    await sleep(50);
    const hub = await openHub({ name, silence: 300, stealEvery: "1h" }, { environment: still });
    const stolen = heard(hub, "stolen");
    const id = await hub.client.scheduleNewOrchestration(count, 3);
    await until(() => hub.status.role === "runner", 15_000);
    expect(stolen).toHaveLength(1);
    expect(await frozen).toBe("AbortError");
    expect((await hub.client.waitForOrchestrationCompletion(id, { timeout: "10s" })).output).toBe("3");
    thaw();
  });

  it("without Web Locks it is a lease: one runner, and another one soon after it is gone", async () => {
    const name = newHubName();
    const first = await openHub({ name }, { locks: null });
    await until(() => first.status.role === "runner");
    const second = await openHub({ name }, { locks: null });
    await sleep(1500);
    expect([first.status.role, second.status.role]).toEqual(["runner", "follower"]);
    expect(await run(second, 3)).toBe(3);
    await first.close();
    await until(() => second.status.role === "runner");
    expect(await run(second, 3)).toBe(3);
  });

  it("goes to the newer code, which asks for it, after what runs has finished", async () => {
    const name = newHubName();
    let begun = 0;
    let aborted = 0;
    const slow = defineActivity("slow", async (ctx): Promise<string> => {
      begun++;
      ctx.signal.addEventListener("abort", () => aborted++);
      await sleep(400);
      return "done";
    });
    const once = defineOrchestrator("once", async (ctx) => ctx.callActivity(slow));
    const registry = () => basicRegistry().add(slow, once);
    const old = await openHub({ name, buildId: "1", buildOrder: 1, registry: registry() });
    await until(() => old.status.role === "runner");
    const id = await old.client.scheduleNewOrchestration(once);
    await until(() => begun === 1);
    const newer = await openHub({ name, buildId: "2", buildOrder: 2, registry: registry() });
    const handed = heard(old, "handed-over");
    await until(() => newer.status.role === "runner");
    expect(handed.map(({ to }) => to)).toEqual(["2"]);
    expect(old.status.role).toBe("follower");
    await until(() => old.status.runner?.buildId === "2");
    expect(old.status.runner?.orchestrators).toContain("once");
    expect((await newer.client.waitForOrchestrationCompletion(id, { timeout: "10s" })).output).toBe('"done"');
    expect([begun, aborted]).toEqual([1, 0]);
    const third = await openHub({ name, buildId: "1", buildOrder: 1, registry: registry() });
    await sleep(300);
    expect([newer.status.role, third.status.role]).toEqual(["runner", "follower"]);
  });

  it("a context that does not want to run is a client of those that do", async () => {
    const name = newHubName();
    const client = await openHub({ name, run: false });
    const id = await client.client.scheduleNewOrchestration("count", 4);
    await sleep(100);
    expect(client.status.role).toBe("client");
    const hub = await openHub({ name });
    expect((await client.client.waitForOrchestrationCompletion(id, { timeout: "10s" })).output).toBe("4");
    expect(hub.status.role).toBe("runner");
    expect(client.status.role).toBe("client");
  });

  it("a deleted hub's runner stops, and does not come to life in the next hub", async () => {
    const name = newHubName();
    const runner = await openHub({ name });
    await until(() => runner.status.role === "runner");
    const id = await runner.client.scheduleNewOrchestration(count, 500);
    const other = await openHub({ name, run: false });
    await sleep(30);
    await other.backend.deleteTaskHub();
    await other.backend.createTaskHub();
    await sleep(100);
    expect((await other.client.listInstanceIds()).instanceIds).toEqual([]);
    await expect(other.client.fetchOrchestrationMetadata(id)).rejects.toMatchObject({ code: "instance_not_found" });
    expect(await run(other, 2)).toBe(2);
  });

  it("is let go by a hub that is closed in the middle of its election", async () => {
    const name = newHubName();
    const hub = await openHub({ name }, { locks: watchedLocks(() => void hub.close()) });
    await until(() => hub.status.role === "closed");
    const next = await openHub({ name });
    await until(() => next.status.role === "runner", 3000);
    expect(await run(next, 2)).toBe(2);
  });

  it("is let go by a hub that is closed by who hears that it runs", async () => {
    const name = newHubName();
    const hub = await openHub({ name, onEvent: (event) => event.type === "role" && void hub.close() });
    await until(() => hub.status.role === "closed");
    const next = await openHub({ name });
    await until(() => next.status.role === "runner", 3000);
    expect(hub.status.epoch).toBeUndefined();
  });

  it("that is stolen before its epoch is recorded counts as none, and is waited for again", async () => {
    const name = newHubName();
    await (await openHub({ name, run: false })).close();
    const busy = await busyConnection(name);
    let grants = 0;
    const hub = await openHub(
      { name },
      {
        locks: watchedLocks(() => {
          if (++grants > 1) return;
          busy.begin();
          void navigator.locks.request(databaseName(name), { steal: true }, async () => busy.end());
        }),
      },
    );
    await until(() => hub.status.role === "runner");
    expect(await run(hub, 3)).toBe(3);
    const held = (await navigator.locks.query()).held?.filter((lock) => lock.name === databaseName(name));
    expect([grants, held]).toEqual([2, [expect.anything()]]);
  });

  it("is waited for again by a follower that slept and woke in the same breath", async () => {
    const name = newHubName();
    const first = await openHub({ name });
    await until(() => first.status.role === "runner");
    const sleepers: { sleep(): void; resume(): void }[] = [];
    const second = await openHub(
      { name },
      {
        environment: {
          ...still,
          onSleep: (sleepNow, resume) => {
            sleepers.push({ sleep: sleepNow, resume });
            return () => undefined;
          },
        },
      },
    );
    await sleep(100);
    for (let n = 0; n < 3; n++) {
      sleepers[0]?.sleep();
      expect(second.status.role).toBe("asleep");
      sleepers[0]?.resume();
    }
    expect(second.status.role).toBe("follower");
    await first.close();
    await until(() => second.status.role === "runner", 3000);
    expect(await run(second, 2)).toBe(2);
    await second.close();
    const third = await openHub({ name });
    await until(() => third.status.role === "runner", 3000);
  });
});

describe("a context that was asleep", () => {
  /** The host's clock jumps ahead, as it does for a machine that slept. */
  async function jump(ms: number, during: () => Promise<void>): Promise<void> {
    const original = Date.now;
    Date.now = () => original.call(Date) + ms;
    try {
      await during();
    } finally {
      Date.now = original;
    }
  }

  it("notices it by the gap between two ticks, says so, and looks at what fell due meanwhile", async () => {
    const nap = defineOrchestrator("nap", async (ctx) => {
      await ctx.createTimer("30m");
      return "rested";
    });
    const hub = await openHub({ name: newHubName(), registry: basicRegistry().add(nap) }, { environment: still });
    const resumed = heard(hub, "resumed");
    const id = await hub.client.scheduleNewOrchestration(nap);
    await until(async () => (await hub.client.fetchOrchestrationMetadata(id)).waitingOn.timers.length === 1);
    await jump(3_600_000, async () => {
      const done = await hub.client.waitForOrchestrationCompletion(id, { timeout: "10s" });
      expect(done.output).toBe('"rested"');
      await until(() => resumed.length === 1);
    });
    expect(hub.status.suspensions).toBe(1);
    expect(resumed[0]?.asleepMs).toBeGreaterThan(3_500_000);
  });

  it("a page that was hidden for a while, with a tick a minute, was not asleep", async () => {
    let isVisible = false;
    const hub = await openHub({ name: newHubName() }, { environment: { ...still, visible: () => isVisible } });
    // One tick while it is hidden.
    await sleep(5500);
    await jump(50_000, async () => {
      isVisible = true;
      await sleep(5500);
    });
    expect(hub.status.suspensions).toBe(0);
  });
});
