import { describe, expect, it } from "vitest";
import {
  databaseName,
  type HostEnvironment,
  requestPersistence,
  runTaskHubSlice,
  type WakeReason,
} from "../../../src/backends/indexeddb/index.ts";
import { defineActivity, defineOrchestrator, newAesGcmCodec, silentLogger } from "../../../src/core/index.ts";
import { basicRegistry, codeOf, count, newHubName, openHub, run, sleep, until, wait } from "./hubs.ts";

/** Surroundings that a test changes. */
class Surroundings implements HostEnvironment {
  isOnline = true;
  isVisible: boolean | undefined = true;
  isMetered: boolean | undefined = undefined;
  isCharging: boolean | undefined = undefined;
  readonly #listeners = new Set<(reason: WakeReason) => void>();
  online = (): boolean => this.isOnline;
  visible = (): boolean | undefined => this.isVisible;
  metered = (): boolean | undefined => this.isMetered;
  charging = (): boolean | undefined => this.isCharging;
  onSleep = (): (() => void) => () => undefined;
  onWake(listener: (reason: WakeReason) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  wake(reason: WakeReason): void {
    for (const listener of this.#listeners) listener(reason);
  }
}

describe("gates", () => {
  it.each([
    ["online", (around: Surroundings, isOpen: boolean) => (around.isOnline = isOpen), "online"],
    ["visible", (around: Surroundings, isOpen: boolean) => (around.isVisible = isOpen), "visible"],
    ["unmetered", (around: Surroundings, isOpen: boolean) => (around.isMetered = !isOpen), "metered"],
    ["charging", (around: Surroundings, isOpen: boolean) => (around.isCharging = isOpen), "charging"],
  ] as const)("an activity that runs when %s waits without using an attempt, and says so", async (gate, set, word) => {
    const around = new Surroundings();
    set(around, false);
    const attempts: number[] = [];
    const send = defineActivity(
      "send",
      (ctx): string => {
        attempts.push(ctx.attempt);
        return "sent";
      },
      { runWhen: gate, retry: { maxAttempts: 2, firstDelay: 10 } },
    );
    const upload = defineOrchestrator("upload", async (ctx) => ctx.callActivity(send));
    const registry = basicRegistry().add(send, upload);
    const hub = await openHub({ name: newHubName(), registry }, { environment: around });
    const id = await hub.client.scheduleNewOrchestration(upload);
    const reason = async (): Promise<string> =>
      (await hub.client.fetchOrchestrationMetadata(id)).waitingOn.activities[0]?.parkedReason ?? "";
    await until(async () => (await reason()).includes(word));
    await sleep(100);
    expect(attempts).toEqual([]);
    set(around, true);
    around.wake("online");
    expect((await hub.client.waitForOrchestrationCompletion(id, { timeout: "10s" })).output).toBe('"sent"');
    expect(attempts).toEqual([1]);
  });

  it("a gate of the app's own is asked again by itself", async () => {
    let isOpen = false;
    const act = defineActivity("act", (): string => "ok", { runWhen: async () => isOpen });
    const one = defineOrchestrator("one", async (ctx) => ctx.callActivity(act));
    const hub = await openHub({ name: newHubName(), registry: basicRegistry().add(act, one) });
    const id = await hub.client.scheduleNewOrchestration(one);
    await until(
      async () => (await hub.client.fetchOrchestrationMetadata(id)).waitingOn.activities[0]?.parkedReason !== undefined,
    );
    isOpen = true;
    expect((await hub.client.waitForOrchestrationCompletion(id, { timeout: "10s" })).output).toBe('"ok"');
  });
});

describe("a slice of a service worker", () => {
  it.each([
    ["hidden", false],
    ["visible", true],
  ])("with a page that is %s: an activity that wants to be seen runs: %s", async (visibilityState, runs) => {
    const name = newHubName();
    const show = defineActivity("show", (): string => "shown", { runWhen: "visible" });
    const notice = defineOrchestrator("notice", async (ctx) => ctx.callActivity(show));
    const registry = basicRegistry().add(show, notice);
    const page = await openHub({ name, registry, run: false });
    const id = await page.client.scheduleNewOrchestration(notice);
    const clients = { matchAll: async () => [{ visibilityState }] };
    Object.defineProperty(globalThis, "clients", { value: clients, configurable: true });
    try {
      expect((await runTaskHubSlice({ name, registry, logger: silentLogger(), budgetMs: 8000 })).ran).toBe(true);
    } finally {
      Reflect.deleteProperty(globalThis, "clients");
    }
    const { runtimeStatus, waitingOn } = await page.client.fetchOrchestrationMetadata(id);
    expect(runtimeStatus).toBe(runs ? "COMPLETED" : "RUNNING");
    if (!runs) expect(waitingOn.activities[0]?.parkedReason).toContain("visible");
  });
});

describe("what a hub says of itself", () => {
  it("names its host, what that can do, and how much room there is", async () => {
    const hub = await openHub({ name: newHubName() });
    await until(() => hub.status.role === "runner" && hub.status.estimate !== undefined);
    const isChromium = "getBattery" in navigator;
    expect(hub.status.host).toMatchObject({
      kind: "page",
      webLocks: true,
      broadcast: true,
      visibility: true,
      estimate: true,
      persist: true,
      battery: isChromium,
      backgroundSync: isChromium,
      periodicSync: isChromium,
    });
    expect(hub.status.runner?.host).toBe("page");
    expect(hub.status.estimate?.quota).toBeGreaterThan(hub.status.estimate?.usage ?? 0);
  });

  it("an estimate that the browser fails to give is unknown, and harms nothing", async () => {
    const original = StorageManager.prototype.estimate;
    StorageManager.prototype.estimate = () => Promise.reject(new TypeError("internal error"));
    try {
      const hub = await openHub({ name: newHubName() });
      await until(() => hub.status.persisted !== undefined);
      expect(hub.status.estimate).toBeUndefined();
      expect(await run(hub, 1)).toBe(1);
    } finally {
      StorageManager.prototype.estimate = original;
    }
  });

  it("counts its instances by state: pending, failed, done", async () => {
    const bad = defineOrchestrator("bad", async () => {
      throw new Error("no");
    });
    const hub = await openHub({ name: newHubName(), registry: basicRegistry().add(bad) });
    await run(hub, 1);
    await run(hub, 2);
    const failed = await hub.client.scheduleNewOrchestration(bad);
    await hub.client.waitForOrchestrationCompletion(failed, { timeout: "10s" });
    const waiting = await hub.client.scheduleNewOrchestration(wait);
    await hub.client.waitForOrchestrationStart(waiting, { timeout: "10s" });
    expect(await hub.countInstances()).toEqual({
      PENDING: 0,
      RUNNING: 1,
      SUSPENDED: 0,
      STALLED: 0,
      CONTINUED_AS_NEW: 0,
      COMPLETED: 2,
      FAILED: 1,
      TERMINATED: 0,
      CANCELED: 0,
    });
    await hub.client.purgeOrchestrationState(failed);
    expect((await hub.countInstances()).FAILED).toBe(0);
  });
});

describe("encryption", () => {
  const keys = { a: crypto.getRandomValues(new Uint8Array(32)), b: crypto.getRandomValues(new Uint8Array(32)) };

  /** All that is stored of a hub, as one text of bytes. */
  async function stored(name: string): Promise<string> {
    const database = await new Promise<IDBDatabase>((resolve) => {
      const request = indexedDB.open(databaseName(name));
      request.onsuccess = () => resolve(request.result);
    });
    const parts: string[] = [];
    for (const store of [...database.objectStoreNames]) {
      const values = await new Promise<unknown[]>((resolve) => {
        const request = database.transaction(store).objectStore(store).getAll();
        request.onsuccess = () => resolve(request.result);
      });
      const decoder = new TextDecoder("latin1");
      const read = (value: unknown): string =>
        value instanceof Uint8Array
          ? decoder.decode(value)
          : typeof value === "object" && value !== null
            ? Object.values(value).map(read).join(" ")
            : String(value);
      parts.push(...values.map(read));
    }
    database.close();
    return parts.join("\n");
  }

  const echo = defineActivity("echo", (_ctx, text: string): string => `${text}/activity`);
  const talk = defineOrchestrator("talk", async (ctx, text: string): Promise<string> => {
    ctx.setCustomStatus(`${text}/status`);
    const said = await ctx.callActivity(echo, `${text}/input`);
    const heard = await ctx.waitForExternalEvent<string>("word");
    return `${said}/${heard}`;
  });
  const child = defineOrchestrator("outer", async (ctx, text: string) =>
    ctx.callSubOrchestrator(talk, text, { instanceId: "inner" }),
  );

  it("nothing of a payload is stored in clear, and code and client see it in clear", async () => {
    const name = newHubName();
    const codec = newAesGcmCodec({ keys: { a: keys.a }, current: "a" });
    const registry = basicRegistry().add(echo, talk, child);
    const hub = await openHub({ name, registry, codec, cacheSize: 0 });
    const id = await hub.client.scheduleNewOrchestration(child, "SECRET");
    await until(async () => (await codeOf(hub.client.fetchOrchestrationMetadata("inner"))) === undefined);
    await until(async () => (await hub.client.fetchOrchestrationMetadata("inner")).waitingOn.events.length === 1);
    expect(await stored(name)).not.toContain("SECRET");
    expect((await hub.client.fetchOrchestrationMetadata("inner")).customStatus).toBe('"SECRET/status"');
    await hub.client.raiseEvent("inner", "word", "SECRET/event");
    const done = await hub.client.waitForOrchestrationCompletion(id, { timeout: "10s" });
    expect(hub.client.outputOf(done)).toBe("SECRET/input/activity/SECRET/event");
    expect(done.input).toBe('"SECRET"');
    await hub.close();
    const text = await stored(name);
    expect(text).not.toContain("SECRET");
    expect(text).toContain("aesgcm1:a:");
  });

  it("keys can be changed, and without the right one the instance waits for it", async () => {
    const name = newHubName();
    const registry = () => basicRegistry();
    const first = await openHub({
      name,
      registry: registry(),
      codec: newAesGcmCodec({ keys: { a: keys.a }, current: "a" }),
    });
    const id = await first.client.scheduleNewOrchestration(wait, undefined);
    await first.client.raiseEvent(id, "other", "x");
    await first.client.waitForOrchestrationStart(id);
    await first.close();
    const wrong = await openHub({
      name,
      registry: registry(),
      codec: newAesGcmCodec({ keys: { b: keys.b }, current: "b" }),
    });
    await wrong.client.raiseEvent(id, "go", "now");
    await until(
      async () => (await wrong.backend.getOrchestrationMetadata(id)).waitingOn.parked?.code === "payload_codec",
    );
    await wrong.close();
    const both = await openHub({ name, registry: registry(), codec: newAesGcmCodec({ keys, current: "b" }) });
    await both.client.resumeOrchestration(id);
    const done = await both.client.waitForOrchestrationCompletion(id, { timeout: "10s" });
    expect(both.client.outputOf(done)).toBe("now");
  });
});

describe("one instance as a file", () => {
  it("a copy of a running instance goes on in another hub, with its history", async () => {
    const first = await openHub({ name: newHubName() });
    const id = await first.client.scheduleNewOrchestration(wait);
    await until(async () => (await first.client.fetchOrchestrationMetadata(id)).waitingOn.events.length === 1);
    const file = JSON.parse(JSON.stringify(await first.exportInstance(id)));
    const second = await openHub({ name: newHubName() });
    expect(await second.importInstance(file)).toBe(id);
    expect(await codeOf(second.importInstance(file))).toBe("instance_exists");
    for (const hub of [first, second]) {
      await hub.client.raiseEvent(id, "go", "on");
      expect((await hub.client.waitForOrchestrationCompletion(id, { timeout: "10s" })).output).toBe('"on"');
    }
  });

  it("a context that runs nothing exports and imports as well as the runner", async () => {
    const first = await openHub({ name: newHubName() });
    const id = await first.client.scheduleNewOrchestration(wait);
    await until(async () => (await first.client.fetchOrchestrationMetadata(id)).waitingOn.events.length === 1);
    const name = newHubName();
    const runner = await openHub({ name });
    await until(() => runner.status.role === "runner");
    const client = await openHub({ name, run: false });
    await client.importInstance(await first.exportInstance(id));
    await client.client.raiseEvent(id, "go", "over");
    expect((await client.client.waitForOrchestrationCompletion(id, { timeout: "10s" })).output).toBe('"over"');
    expect((await client.exportInstance(id)).runtimeStatus).toBe("COMPLETED");
  });

  it("a moved instance ends here, fenced, and goes on there; moving it again gives the same file", async () => {
    const first = await openHub({ name: newHubName() });
    const id = await first.client.scheduleNewOrchestration(count, 400);
    await until(async () => (await first.client.getInstanceHistory(id)).length > 30);
    const file = await first.exportInstance(id, { move: true });
    const again = await first.exportInstance(id, { move: true });
    expect(again.history).toEqual(file.history);
    const note = await first.client.fetchOrchestrationMetadata(id);
    expect(note.runtimeStatus).toBe("TERMINATED");
    expect(note.movedAt).toBeInstanceOf(Date);
    expect(await codeOf(first.client.raiseEvent(id, "go"))).toBe("instance_moved");
    const lengthOf = async (): Promise<number> => (await first.client.getInstanceHistory(id)).length;
    const length = await lengthOf();
    await sleep(100);
    expect(await lengthOf()).toBe(length);
    const second = await openHub({ name: newHubName() });
    await second.importInstance(file);
    expect((await second.client.waitForOrchestrationCompletion(id, { timeout: "20s" })).output).toBe("400");
    expect(await codeOf(second.importInstance({ ...file, kind: "x" as never }))).toBe("invalid_argument");
    expect(await codeOf(second.importInstance({ ...file, instanceId: "y", record: "!!" }))).toBe("invalid_argument");
  });
});

describe("permission to stay", () => {
  it("is asked for without ever hanging", async () => {
    expect(["granted", "denied", "unknown"]).toContain(await requestPersistence(300));
    const hub = await openHub({ name: newHubName() });
    await until(() => hub.status.persisted === false);
  });
});

describe("many at once", () => {
  it("concurrent starts and turns share transactions", async () => {
    const hub = await openHub({ name: newHubName() });
    await run(hub, 1);
    const original = IDBDatabase.prototype.transaction;
    let writes = 0;
    IDBDatabase.prototype.transaction = function transaction(...args): IDBTransaction {
      if (args[1] === "readwrite") writes++;
      return original.apply(this, args);
    };
    try {
      const results = await Promise.all(Array.from({ length: 100 }, () => run(hub, 3)));
      expect(new Set(results)).toEqual(new Set([3]));
      expect(writes).toBeLessThan(40);
    } finally {
      IDBDatabase.prototype.transaction = original;
    }
  });
});
