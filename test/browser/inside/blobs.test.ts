import { openDB } from "idb";
import { describe, expect, it } from "vitest";
import {
  type BlobRef,
  databaseName,
  MIGRATIONS,
  type OpenTaskHubOptions,
  type TaskHub,
} from "../../../src/backends/indexeddb/index.ts";
import { defineActivity, defineOrchestrator, type TaskRegistry } from "../../../src/core/index.ts";
import { basicRegistry, codeOf, heard, newHubName, openHub, run, until, wait } from "./hubs.ts";

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
