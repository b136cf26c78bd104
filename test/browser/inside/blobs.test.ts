import { openDB } from "idb";
import { describe, expect, it } from "vitest";
import { Connection } from "../../../src/backends/indexeddb/connection.ts";
import { Durability } from "../../../src/backends/indexeddb/durability.ts";
import {
  type BlobRef,
  databaseName,
  MemoryBlobs,
  MIGRATIONS,
  type OpenTaskHubOptions,
  type TaskHub,
} from "../../../src/backends/indexeddb/index.ts";
import { IndexedDbStore } from "../../../src/backends/indexeddb/store.ts";
import { defineActivity, defineOrchestrator, type TaskRegistry } from "../../../src/core/index.ts";
import { basicRegistry, codeOf, count, heard, newHubName, openHub, run, until, wait } from "./hubs.ts";

const DAY_MS = 24 * 3_600_000;

/** A file that is larger than any payload may be. */
const photo = (): File =>
  new File([new Uint8Array(5_000_000).fill(7)], "photo.jpg", { type: "image/jpeg", lastModified: 1_700_000_000_000 });

/** A registry whose `measure` activity reads a kept blob from the hub that `hub` gives. */
function measuring(hub: () => TaskHub): TaskRegistry {
  const measure = defineActivity("measure", async (_ctx, ref: BlobRef) => {
    const bytes = new Uint8Array(await (await hub().blobs.get(ref)).arrayBuffer());
    return { bytes: bytes.length, last: bytes.at(-1) };
  });
  const upload = defineOrchestrator("upload", async (ctx, ref: BlobRef) => {
    const measured = await ctx.callActivity(measure, ref);
    await ctx.waitForExternalEvent("go");
    return measured;
  });
  return basicRegistry().add(measure, upload);
}

async function openMeasuring(options: Partial<OpenTaskHubOptions> & { readonly name: string }): Promise<TaskHub> {
  const hub: TaskHub = await openHub({ ...options, registry: measuring(() => hub) });
  return hub;
}

describe("blobs", () => {
  it("a file is kept before its start, read by an activity in another context, and gone with its instance", async () => {
    const name = newHubName();
    const page = await openHub({ name, run: false });
    const ref = await page.blobs.put("upload-1", photo());
    expect(ref).toMatchObject({ instanceId: "upload-1", size: 5_000_000, type: "image/jpeg", name: "photo.jpg" });
    await page.client.scheduleNewOrchestration("upload", ref, { instanceId: "upload-1" });
    const engine = await openMeasuring({ name });
    await until(async () => (await page.client.fetchOrchestrationMetadata("upload-1")).waitingOn.events.length === 1);
    const again = await page.blobs.get(JSON.parse(JSON.stringify(ref)));
    expect([again instanceof File && again.name, again.type, again.size]).toEqual([
      "photo.jpg",
      "image/jpeg",
      5_000_000,
    ]);
    await page.client.raiseEvent("upload-1", "go");
    const done = await page.client.waitForOrchestrationCompletion("upload-1", { timeout: "10s" });
    expect(page.client.outputOf(done)).toEqual({ bytes: 5_000_000, last: 7 });
    expect(await engine.blobs.list("upload-1")).toEqual([ref]);
    await page.client.purgeOrchestrationState("upload-1");
    expect(await page.blobs.list()).toEqual([]);
    expect(await codeOf(page.blobs.get(ref))).toBe("blob_not_found");
  });

  it.each(["runner", "follower"] as const)(
    "a purge by the %s takes the blobs of that instance, and of no other",
    async (role) => {
      const name = newHubName();
      const runner = await openHub({ name });
      await until(() => runner.status.role === "runner");
      const hub = role === "runner" ? runner : await openHub({ name });
      const id = await hub.client.scheduleNewOrchestration("count", 0);
      await hub.client.waitForOrchestrationCompletion(id, { timeout: "10s" });
      await hub.blobs.put(id, new Blob(["mine"]));
      await hub.blobs.put(`${id}x`, new Blob(["another's"]));
      await hub.client.purgeOrchestrationState(id);
      await until(async () => (await hub.blobs.list()).length === 1);
      expect((await hub.blobs.list()).map(({ instanceId }) => instanceId)).toEqual([`${id}x`]);
    },
  );

  it("a run that begins anew under its id finds the blobs of the former", async () => {
    const hub = await openMeasuring({ name: newHubName() });
    const ref = await hub.blobs.put("again", new Blob(["text"]));
    await hub.client.scheduleNewOrchestration("upload", ref, { instanceId: "again" });
    await hub.client.raiseEvent("again", "go");
    await hub.client.waitForOrchestrationCompletion("again", { timeout: "10s" });
    await hub.client.restartOrchestration("again");
    await hub.client.raiseEvent("again", "go");
    const done = await hub.client.waitForOrchestrationCompletion("again", { timeout: "10s" });
    expect(hub.client.outputOf(done)).toEqual({ bytes: 4, last: 116 });
    expect(await (await hub.blobs.get(ref)).text()).toBe("text");
  });

  it("a blob whose instance is never started goes after a day, one that has an instance stays", async () => {
    let nowMs = Date.now();
    const hub = await openHub({ name: newHubName() }, { clock: { now: () => nowMs } });
    const owner = await hub.client.scheduleNewOrchestration(wait);
    await hub.blobs.put(owner, new Blob(["owned"]));
    await hub.blobs.put("never", new Blob(["orphan"]));
    nowMs += DAY_MS - 1;
    await hub.sweep();
    expect(await hub.blobs.list()).toHaveLength(2);
    nowMs += 2;
    await hub.sweep();
    expect((await hub.blobs.list()).map(({ instanceId }) => instanceId)).toEqual([owner]);
  });

  it("one put for the next run of a purged id outlives the tombstone, and goes after a day without that run", async () => {
    const name = newHubName();
    let nowMs = Date.now();
    const hub = await openHub({ name }, { clock: { now: () => nowMs } });
    await until(() => hub.status.role === "runner");
    const ids = [
      await hub.client.scheduleNewOrchestration(count, 0),
      await hub.client.scheduleNewOrchestration(count, 0),
    ];
    for (const id of ids) await hub.client.waitForOrchestrationCompletion(id, { timeout: "10s" });
    // As an outbox that is not empty yet would leave it.
    const database = await openDB(databaseName(name));
    for (const id of ids) {
      const row = await database.get("instances", id);
      await database.put("instances", { ...row, summary: { ...row.summary, purged: true } });
      await hub.blobs.put(id, new Blob(["for the next run"]));
    }
    database.close();
    const connection = new Connection({ name: databaseName(name), events: hub.events });
    const store = new IndexedDbStore(connection, new Durability());
    await store.append(ids[0] ?? "", () => ({ remove: true, answer: undefined }));
    connection.close();
    expect(await hub.blobs.list()).toHaveLength(2);
    nowMs += DAY_MS + 1;
    await hub.sweep();
    expect(await hub.blobs.list()).toEqual([]);
  });

  it("an instance that moved away and comes back finds its blobs", async () => {
    const hub = await openMeasuring({ name: newHubName() });
    const ref = await hub.blobs.put("traveller", new Blob(["text"]));
    await hub.client.scheduleNewOrchestration("upload", ref, { instanceId: "traveller" });
    await hub.client.waitForOrchestrationStart("traveller");
    const file = await hub.exportInstance("traveller", { move: true });
    expect(await hub.blobs.list("traveller")).toEqual([ref]);
    await hub.importInstance(file);
    expect(await (await hub.blobs.get(ref)).text()).toBe("text");
    await hub.client.raiseEvent("traveller", "go");
    const done = await hub.client.waitForOrchestrationCompletion("traveller", { timeout: "10s" });
    expect(hub.client.outputOf(done)).toEqual({ bytes: 4, last: 116 });
  });

  it("an old one is judged and deleted in one transaction: a start cannot come between and lose it", async () => {
    let nowMs = Date.now();
    const hub = await openHub({ name: newHubName(), run: false }, { clock: { now: () => nowMs } });
    const ref = await hub.blobs.put("late", new Blob(["text"]));
    nowMs += 2 * DAY_MS;
    const original = IDBDatabase.prototype.transaction;
    const touching: string[] = [];
    IDBDatabase.prototype.transaction = function transaction(stores, mode, ...rest): IDBTransaction {
      if ([stores].flat().includes("blobs")) touching.push(mode ?? "readonly");
      return original.call(this, stores, mode, ...rest);
    };
    try {
      await hub.sweep();
    } finally {
      IDBDatabase.prototype.transaction = original;
    }
    expect(touching).toEqual(["readwrite"]);
    expect(await codeOf(hub.blobs.get(ref))).toBe("blob_not_found");
  });

  it.each(["a database", "memory"] as const)(
    "in %s, what is no blob, no reference or no id is refused",
    async (place) => {
      const hub = place === "memory" ? { blobs: new MemoryBlobs() } : await openHub({ name: newHubName() });
      const { blobs } = hub;
      for (const content of ["text", new Uint8Array(3), undefined, { size: 1 }])
        expect(await codeOf(blobs.put("i", content as never))).toBe("invalid_argument");
      for (const id of ["", undefined, 5, "a".repeat(10_000), "\ud800"])
        expect(await codeOf(blobs.put(id as never, new Blob(["x"])))).toBe("invalid_argument");
      const ref = await blobs.put("i/\u0000ö", new Blob(["x"]));
      for (const bad of [undefined, null, "x", {}, { instanceId: "i" }]) {
        expect(await codeOf(blobs.get(bad as never))).toBe("invalid_argument");
        expect(await codeOf(blobs.remove(bad as never))).toBe("invalid_argument");
      }
      await blobs.remove({ ...ref, instanceId: "other" });
      expect(await blobs.list("i/\u0000ö")).toEqual([ref]);
      expect(await codeOf(blobs.get({ ...ref, instanceId: "other" }))).toBe("blob_not_found");
      const frame = document.body.appendChild(document.createElement("iframe"));
      const Foreign = (frame.contentWindow as unknown as { readonly Blob: typeof Blob }).Blob;
      expect((await blobs.put("i", new Foreign(["of another frame"]))).size).toBe(16);
      frame.remove();
    },
  );

  it("a deleted hub has none, takes none, and leaves none to the next of its name", async () => {
    const name = newHubName();
    const hub = await openHub({ name });
    const guest = await openHub({ name, run: false });
    await hub.blobs.put("i", new Blob(["secret"]));
    await hub.backend.deleteTaskHub();
    expect(await codeOf(guest.blobs.put("i", new Blob(["late"])))).toBe("not_initialized");
    await guest.close();
    await hub.close();
    expect(await (await openHub({ name })).blobs.list()).toEqual([]);
  });

  it("one may be removed before its time, twice", async () => {
    const hub = await openHub({ name: newHubName() });
    const ref = await hub.blobs.put("i", new Blob(["x"]));
    await hub.blobs.remove(ref);
    await hub.blobs.remove(ref);
    expect(await hub.blobs.list("i")).toEqual([]);
  });

  it("one that finds no room is a typed error, makes ended instances go, and does not refuse starts", async () => {
    const hub = await openHub({ name: newHubName(), retention: { count: 0 } });
    await run(hub, 1);
    const quota = heard(hub, "quota");
    const original = IDBObjectStore.prototype.put;
    IDBObjectStore.prototype.put = function put(...args): IDBRequest<IDBValidKey> {
      if (this.name === "blobs") throw new DOMException("full", "QuotaExceededError");
      return original.apply(this, args);
    };
    try {
      expect(await codeOf(hub.blobs.put("i", new Blob(["x"])))).toBe("storage_quota");
    } finally {
      IDBObjectStore.prototype.put = original;
    }
    expect(quota.map(({ purged }) => purged)).toEqual([1]);
    expect(hub.status.full).toBe(false);
    expect(await run(hub, 1)).toBe(1);
  });

  it("a database of the version before blobs gets room for them, and keeps its instances", async () => {
    const name = newHubName();
    const scratch = newHubName();
    const now = await openHub({ name: scratch });
    await run(now, 1);
    await now.close();
    const before = await openDB(databaseName(name), 1, { upgrade: (database) => MIGRATIONS[0]?.(database as never) });
    const source = await openDB(databaseName(scratch));
    for (const store of [...before.objectStoreNames]) {
      const [keys, values] = await Promise.all([source.getAllKeys(store), source.getAll(store)]);
      const isKeyed = source.transaction(store).store.keyPath !== null;
      for (const [at, value] of values.entries()) await before.put(store, value, isKeyed ? undefined : keys[at]);
    }
    expect([...before.objectStoreNames]).not.toContain("blobs");
    before.close();
    source.close();
    const hub = await openHub({ name });
    const { instanceIds } = await hub.client.listInstanceIds();
    expect(instanceIds).toHaveLength(1);
    const ref = await hub.blobs.put(instanceIds[0] ?? "", new Blob(["x"]));
    expect(await hub.blobs.list(instanceIds[0])).toEqual([ref]);
    expect(await run(hub, 2)).toBe(2);
  });

  it("a hub in memory keeps them for as long as it lives", async () => {
    const descriptor = Object.getOwnPropertyDescriptor(globalThis, "indexedDB");
    Object.defineProperty(globalThis, "indexedDB", { value: undefined, configurable: true });
    try {
      const hub = await openHub({ name: newHubName() });
      const ref = await hub.blobs.put("i", photo());
      expect(await hub.blobs.list("i")).toEqual([ref]);
      expect((await hub.blobs.get(ref)).size).toBe(5_000_000);
      await hub.blobs.remove(ref);
      expect(await codeOf(hub.blobs.get(ref))).toBe("blob_not_found");
    } finally {
      if (descriptor === undefined) Reflect.deleteProperty(globalThis, "indexedDB");
      else Object.defineProperty(globalThis, "indexedDB", descriptor);
    }
  });
});
