import { describe, expect, it } from "vitest";
import {
  databaseName,
  type HostEnvironment,
  hostEnvironment,
  MIGRATIONS,
} from "../../../src/backends/indexeddb/index.ts";
import { defineActivity, defineOrchestrator, TaskRegistry } from "../../../src/core/index.ts";
import { codeOf, count, heard, newHubName, openHub, run, sleep, until, wait } from "./hubs.ts";
import { deleteDatabase } from "./setup.ts";

function rawOpen(hub: string, version?: number): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(databaseName(hub), version);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** One more version, as a later release would bring it. */
const NEXT = [
  ...MIGRATIONS,
  (database: { createObjectStore(name: never): unknown }) => database.createObjectStore("later" as never),
];

describe("schema", () => {
  it("a newer schema on disk is a typed error, and nothing is touched", async () => {
    const name = newHubName();
    const newer = await openHub({ name }, { migrations: NEXT });
    await run(newer, 1);
    await newer.close();
    expect(await codeOf(openHub({ name }))).toBe("storage_newer_schema");
    const again = await openHub({ name }, { migrations: NEXT });
    expect((await again.client.listInstanceIds()).instanceIds).toHaveLength(1);
  });

  it("an upgrade makes the old hub close with a typed event, and finds its instances", async () => {
    const name = newHubName();
    const old = await openHub({ name });
    const closed = heard(old, "closed");
    const id = await old.client.scheduleNewOrchestration(wait);
    await old.client.waitForOrchestrationStart(id);
    const newer = await openHub({ name }, { migrations: NEXT });
    await until(() => closed.length > 0);
    expect(closed[0]?.error.code).toBe("storage_newer_schema");
    expect(old.status.role).toBe("closed");
    expect(await codeOf(old.client.fetchOrchestrationMetadata(id))).toBe("storage_newer_schema");
    await newer.client.raiseEvent(id, "go", "on");
    const done = await newer.client.waitForOrchestrationCompletion(id, { timeout: "10s" });
    expect(newer.client.outputOf(done)).toBe("on");
  });

  it("a hub that was asleep while a newer page upgraded the database closes with a typed event when it wakes", async () => {
    const name = newHubName();
    let sleepNow = (): void => undefined;
    let resumeNow = (): void => undefined;
    const environment: HostEnvironment = {
      ...hostEnvironment(),
      onSleep: (onSleep, onResume) => {
        [sleepNow, resumeNow] = [onSleep, onResume];
        return () => undefined;
      },
    };
    const old = await openHub({ name }, { environment });
    const closed = heard(old, "closed");
    sleepNow();
    await (await openHub({ name }, { migrations: NEXT })).close();
    resumeNow();
    await until(() => closed.length > 0);
    expect(closed.map(({ error }) => error.code)).toEqual(["storage_newer_schema"]);
    expect(old.status.role).toBe("closed");
    expect(await codeOf(old.client.listInstanceIds())).toBe("storage_newer_schema");
  });

  it("a blocked upgrade is an event at once and a typed error in time, never a pending promise", async () => {
    const name = newHubName();
    await (await openHub({ name })).close();
    const rude = await rawOpen(name);
    const beganMs = Date.now();
    expect(await codeOf(openHub({ name, openTimeout: 400 }, { migrations: NEXT }))).toBe("storage_blocked");
    expect(Date.now() - beganMs).toBeLessThan(3000);
    rude.close();
  });

  it("a blocked upgrade goes on when the other tab gives way", async () => {
    const name = newHubName();
    await (await openHub({ name })).close();
    const rude = await rawOpen(name);
    setTimeout(() => rude.close(), 300);
    const told: string[] = [];
    const opening = openHub(
      { name, onEvent: (event) => event.type === "blocked" && told.push(event.error.message) },
      { migrations: NEXT },
    );
    // Before it is open, so that the person can do something about it.
    await until(() => told.length > 0, 250);
    const hub = await opening;
    expect(told[0]).toContain("close");
    expect(heard(hub, "blocked")[0]?.error.code).toBe("storage_blocked");
    expect(await run(hub, 2)).toBe(2);
  });

  it("an open request that the browser forgets is made once more, and two are a typed error", async () => {
    const original = IDBFactory.prototype.open;
    let forgotten = 0;
    let forgets = 1;
    IDBFactory.prototype.open = function open(...args): IDBOpenDBRequest {
      const request = original.apply(this, args);
      if (forgotten++ < forgets) {
        request.addEventListener("success", (event) => {
          event.stopImmediatePropagation();
          // Nobody else will, and it would stand in the way of the clean-up.
          request.result.close();
        });
      }
      return request;
    };
    try {
      const hub = await openHub({ name: newHubName(), openTimeout: 400 });
      expect(await run(hub, 2)).toBe(2);
      expect(forgotten).toBe(2);
      forgets = 10;
      expect(await codeOf(openHub({ name: newHubName(), openTimeout: 400 }))).toBe("storage");
    } finally {
      IDBFactory.prototype.open = original;
    }
  });
});

describe("lost storage", () => {
  it("a database that is gone at the next visit is reported, and a new hub works", async () => {
    const name = newHubName();
    const hub = await openHub({ name });
    await run(hub, 1);
    await hub.client.waitForOrchestrationStart(await hub.client.scheduleNewOrchestration(wait));
    hub.wake("message");
    await until(() => localStorage.getItem(databaseName(name))?.includes('"unfinished":1') === true);
    await hub.close();
    await new Promise((resolve) => {
      indexedDB.deleteDatabase(databaseName(name)).onsuccess = resolve;
    });
    const again = await openHub({ name });
    const [lost] = heard(again, "lost");
    expect(lost?.error).toMatchObject({ code: "storage_lost", unfinished: 1 });
    expect(lost?.error.message).toContain("1 of them were unfinished");
    expect(await run(again, 2)).toBe(2);
    await again.close();
    expect(heard(await openHub({ name }), "lost")).toHaveLength(0);
  });

  it("a database that is deleted under an open hub closes it with a typed error", async () => {
    const name = newHubName();
    const hub = await openHub({ name });
    const closed = heard(hub, "closed");
    await deleteDatabase(name);
    await until(() => closed.length > 0);
    expect(closed[0]?.error.code).toBe("storage_lost");
    expect(await codeOf(hub.client.listInstanceIds())).toBe("storage_lost");
  });
});

describe("the note that a database was here", () => {
  it("is understood as a former version wrote it", async () => {
    const name = newHubName();
    localStorage.setItem(databaseName(name), "some-database");
    expect(heard(await openHub({ name }), "lost")[0]?.error).toMatchObject({
      code: "storage_lost",
      unfinished: undefined,
    });
  });
});

describe("a damaged note that a database was here", () => {
  it.each(['{"databaseId":"ab', '{"databaseId":5}', "{}", '{"databaseId":""}', '{"databaseId":null,"unfinished":3}'])(
    "says nothing and is replaced: %s",
    async (note) => {
      const name = newHubName();
      localStorage.setItem(databaseName(name), note);
      const hub = await openHub({ name });
      expect(heard(hub, "lost")).toEqual([]);
      await until(() => JSON.parse(localStorage.getItem(databaseName(name)) ?? "{}").unfinished === 0);
    },
  );

  it("counts nothing where its number is none", async () => {
    const name = newHubName();
    localStorage.setItem(databaseName(name), '{"databaseId":"some-database","unfinished":"many"}');
    const [lost] = heard(await openHub({ name }), "lost");
    expect(lost?.error).toMatchObject({ code: "storage_lost", unfinished: undefined });
    expect(lost?.error.message).not.toContain("many");
  });
});

describe("no room", () => {
  it("to open the database at all is an error of its own", async () => {
    const original = IDBFactory.prototype.open;
    IDBFactory.prototype.open = () => {
      throw new DOMException("the disk is full", "QuotaExceededError");
    };
    try {
      expect(await codeOf(openHub({ name: newHubName() }))).toBe("storage_quota_open");
    } finally {
      IDBFactory.prototype.open = original;
    }
  });
});

describe("no storage", () => {
  it("without IndexedDB memory serves, and says that it does not last", async () => {
    const name = newHubName();
    const descriptor = Object.getOwnPropertyDescriptor(globalThis, "indexedDB");
    Object.defineProperty(globalThis, "indexedDB", { value: undefined, configurable: true });
    try {
      const hub = await openHub({ name });
      expect(hub.status.durable).toBe(false);
      expect(heard(hub, "not-durable")[0]?.error.code).toBe("storage_unavailable");
      expect(await run(hub, 3)).toBe(3);
      expect(await codeOf(openHub({ name, fallback: "fail" }))).toBe("storage_unavailable");
      let isOnline = false;
      const send = defineActivity("send", (): string => "sent", { runWhen: "online" });
      const upload = defineOrchestrator("upload", async (ctx) => ctx.callActivity(send));
      const gated = await openHub(
        { name, registry: new TaskRegistry().add(send, upload) },
        { environment: { ...hostEnvironment(), online: () => isOnline } },
      );
      const id = await gated.client.scheduleNewOrchestration(upload);
      await until(
        async () =>
          (await gated.client.fetchOrchestrationMetadata(id)).waitingOn.activities[0]?.parkedReason?.includes(
            "online",
          ) === true,
      );
      isOnline = true;
      gated.wake("online");
      const done = await gated.client.waitForOrchestrationCompletion(id, { timeout: "10s" });
      expect(done.output).toBe('"sent"');
    } finally {
      if (descriptor === undefined) Reflect.deleteProperty(globalThis, "indexedDB");
      else Object.defineProperty(globalThis, "indexedDB", descriptor);
    }
  });
});

describe("a hub in memory", () => {
  it("says who runs it and since when it does not last, keeps to its retention, and ends", async () => {
    const descriptor = Object.getOwnPropertyDescriptor(globalThis, "indexedDB");
    Object.defineProperty(globalThis, "indexedDB", { value: undefined, configurable: true });
    const original = globalThis.setInterval;
    const everyTenMinutes: (() => void)[] = [];
    globalThis.setInterval = ((run: () => void, ms: number) => {
      if (ms === 600_000) everyTenMinutes.push(run);
      return original(run, ms);
    }) as typeof setInterval;
    try {
      const hub = await openHub({ name: newHubName(), buildId: "b1", retention: { count: 0 } });
      expect(hub.status).toMatchObject({
        role: "runner",
        epoch: 1,
        persisted: false,
        estimate: undefined,
        full: false,
      });
      expect(hub.status.runner).toMatchObject({ buildId: "b1", epoch: 1, host: "page", activities: ["add"] });
      const at = hub.status.lastError?.at;
      await sleep(20);
      expect(hub.status.lastError?.at).toEqual(at);
      await run(hub, 1);
      expect(await hub.countInstances()).toMatchObject({ COMPLETED: 1 });
      for (const sweep of everyTenMinutes) sweep();
      await until(async () => (await hub.countInstances()).COMPLETED === 0);
      await hub.close();
      expect([hub.status.role, hub.status.runner, hub.status.epoch]).toEqual(["closed", undefined, undefined]);
    } finally {
      globalThis.setInterval = original;
      if (descriptor === undefined) Reflect.deleteProperty(globalThis, "indexedDB");
      else Object.defineProperty(globalThis, "indexedDB", descriptor);
    }
  });
});

describe("a page without a secure context", () => {
  it("has neither Web Locks nor randomUUID, and serves all the same", async () => {
    const descriptor = Object.getOwnPropertyDescriptor(crypto, "randomUUID");
    Object.defineProperty(crypto, "randomUUID", { value: undefined, configurable: true });
    try {
      const hub = await openHub({ name: newHubName() }, { locks: null });
      expect(await run(hub, 3)).toBe(3);
      const id = await hub.client.scheduleNewOrchestration(wait);
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    } finally {
      if (descriptor === undefined) Reflect.deleteProperty(crypto, "randomUUID");
      else Object.defineProperty(crypto, "randomUUID", descriptor);
    }
  });
});

describe("healing", () => {
  it("a connection that breaks under the hub is opened anew, counted, and nothing is lost", async () => {
    const name = newHubName();
    const handles: IDBDatabase[] = [];
    const original = IDBFactory.prototype.open;
    IDBFactory.prototype.open = function open(...args): IDBOpenDBRequest {
      const request = original.apply(this, args);
      request.addEventListener("success", () => handles.push(request.result));
      return request;
    };
    try {
      const hub = await openHub({ name });
      const healed = heard(hub, "healed");
      const id = await hub.client.scheduleNewOrchestration(count, 300);
      for (let n = 0; n < 3; n++) {
        await sleep(60);
        // What Safari does to a tab in the background: the handle is there, and every use of it fails.
        handles.at(-1)?.close();
      }
      const done = await hub.client.waitForOrchestrationCompletion(id, { timeout: "30s" });
      expect(hub.client.outputOf(done)).toBe(300);
      expect(healed.length).toBeGreaterThan(0);
      expect(hub.status.reopened).toBe(healed.length);
    } finally {
      IDBFactory.prototype.open = original;
    }
  });

  it.each(["committed", "rolled back"] as const)(
    "a transaction that was %s and never says so, its connection closed by the browser, holds nothing up",
    async (end) => {
      const hub = await openHub({ name: newHubName() });
      await run(hub, 1);
      const original = IDBTransaction.prototype.commit;
      let left = 3;
      IDBTransaction.prototype.commit = function commit(this: IDBTransaction): void {
        if (this.mode !== "readwrite" || this.objectStoreNames.length === 1 || left-- <= 0) {
          original.call(this);
          return;
        }
        // As seen in Chromium when site data is cleared in the middle of a commit.
        this.oncomplete = null;
        this.onabort = null;
        if (end === "committed") original.call(this);
        else this.abort();
        this.db.dispatchEvent(new Event("close"));
      };
      try {
        const id = await hub.client.scheduleNewOrchestration(count, 6, { idempotencyKey: "once" });
        const done = await hub.client.waitForOrchestrationCompletion(id, { timeout: "20s" });
        expect(done.output).toBe("6");
        const events = await hub.client.getInstanceHistory(id);
        const results = events.flatMap(({ eventType }) =>
          eventType.case === "taskCompleted" ? [eventType.value.taskScheduledId] : [],
        );
        expect(results).toEqual([...new Set(results)]);
        expect(results).toHaveLength(6);
      } finally {
        IDBTransaction.prototype.commit = original;
      }
    },
  );

  it("it gives up after three tries, with a typed error that keeps its cause", async () => {
    const name = newHubName();
    const hub = await openHub({ name, run: false });
    const original = IDBDatabase.prototype.transaction;
    let tries = 0;
    IDBDatabase.prototype.transaction = () => {
      tries++;
      throw new DOMException(
        "Connection to Indexed Database server lost. Refresh the page to try again",
        "UnknownError",
      );
    };
    try {
      let error: { code?: string; cause?: unknown } = {};
      await hub.client.listInstanceIds().catch((caught: typeof error) => {
        error = caught;
      });
      expect(error.code).toBe("storage");
      expect(error.cause).toBeInstanceOf(DOMException);
      // Each reopening also reads the database's name tag, which fails the same way.
      expect(tries).toBeLessThanOrEqual(20);
    } finally {
      IDBDatabase.prototype.transaction = original;
    }
    expect((await hub.client.listInstanceIds()).instanceIds).toEqual([]);
  });

  it("a commit that is aborted after its requests succeeded is not acknowledged, and is made again", async () => {
    const name = newHubName();
    const hub = await openHub({ name });
    await run(hub, 1);
    const original = IDBTransaction.prototype.commit;
    let aborts = 0;
    IDBTransaction.prototype.commit = function commit(this: IDBTransaction): void {
      if (this.mode === "readwrite" && aborts < 2) {
        aborts++;
        this.abort();
        return;
      }
      original.call(this);
    };
    try {
      expect(await run(hub, 5)).toBe(5);
      expect(aborts).toBe(2);
    } finally {
      IDBTransaction.prototype.commit = original;
    }
  });
});

describe("what is stored", () => {
  it("in steady state a sequential step is one readwrite transaction and one history record", async () => {
    const name = newHubName();
    const hub = await openHub({ name });
    await run(hub, 2);
    const original = IDBDatabase.prototype.transaction;
    let writes = 0;
    IDBDatabase.prototype.transaction = function transaction(...args): IDBTransaction {
      if (args[1] === "readwrite") writes++;
      return original.apply(this, args);
    };
    try {
      const id = await hub.client.scheduleNewOrchestration(count, 50);
      await hub.client.waitForOrchestrationCompletion(id);
      // The start, its first turn, and one for each step.
      expect(writes).toBeLessThanOrEqual(52);
      await hub.close();
      const database = await rawOpen(name);
      const segments = await new Promise<Uint8Array[]>((resolve) => {
        const request = database
          .transaction("history")
          .objectStore("history")
          .getAll(IDBKeyRange.bound([id], [id, []]));
        request.onsuccess = () => resolve(request.result);
      });
      expect(segments).toHaveLength(51);
      // A view would have been stored with all of its buffer.
      for (const segment of segments) expect(segment.byteLength).toBe(segment.buffer.byteLength);
      expect(Math.max(...segments.map(({ byteLength }) => byteLength))).toBeLessThan(1000);
      database.close();
    } finally {
      IDBDatabase.prototype.transaction = original;
    }
  });

  it("durability is strict for what was accepted and relaxed for turns, unless asked otherwise", async () => {
    const seen: string[] = [];
    const original = IDBDatabase.prototype.transaction;
    IDBDatabase.prototype.transaction = function transaction(...args): IDBTransaction {
      if (args[1] === "readwrite" && !(args[0] as string[]).every((store) => store === "meta"))
        seen.push(args[2]?.durability ?? "");
      return original.apply(this, args);
    };
    try {
      const hub = await openHub({ name: newHubName() });
      await until(() => hub.status.role === "runner");
      seen.length = 0;
      await run(hub, 3);
      expect(seen).toEqual(["strict", "relaxed", "relaxed", "relaxed", "relaxed"]);
      const careful = await openHub({ name: newHubName(), durability: { accept: "relaxed", activities: "strict" } });
      await until(() => careful.status.role === "runner");
      seen.length = 0;
      await run(careful, 3);
      expect(seen).toEqual(["relaxed", "strict", "strict", "strict", "relaxed"]);
    } finally {
      IDBDatabase.prototype.transaction = original;
    }
  });

  it("ended instances past their retention are purged, others are not", async () => {
    const name = newHubName();
    const hub = await openHub({ name, retention: { count: 2 } });
    const waiting = await hub.client.scheduleNewOrchestration(wait);
    for (let n = 0; n < 4; n++) await run(hub, 1);
    await hub.sweep();
    const { instanceIds } = await hub.client.listInstanceIds();
    expect(instanceIds).toHaveLength(3);
    expect(instanceIds).toContain(waiting);
    await hub.close();
    const strict = await openHub({ name, retention: { age: 0 } });
    await strict.sweep();
    expect((await strict.client.listInstanceIds()).instanceIds).toEqual([waiting]);
  });
});
