import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newSnapshotBackend, openSnapshotTaskHub } from "../../examples/snapshot-backend/open-snapshot-task-hub.ts";
import { SnapshotStore } from "../../examples/snapshot-backend/snapshot-store.ts";
import {
  defineActivity,
  defineOrchestrator,
  type InstanceRow,
  type InstanceWrite,
  silentLogger,
  TaskRegistry,
} from "../../src/core/index.ts";
import {
  backendContract,
  CONTRACT_MAX_PAYLOAD_BYTES,
  type ContractSetup,
  contractRegistry,
  lateReferences,
  MemoryRecorder,
  VirtualClock,
} from "../../src/testing/index.ts";

let folder = "";
let files = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "perdura-snapshot-"));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const newPath = (): string => join(folder, `hub-${++files}`);

/** What a virtual clock gives a hub. */
const timeOf = (clock: VirtualClock) => ({ clock, timers: clock, settle: clock.settle });

const setup: ContractSetup = {
  time: "virtual",
  async openHub({ cache, unregistered = "park" }) {
    const clock = new VirtualClock();
    const recorder = new MemoryRecorder();
    const code = { recorder, sleep: clock.sleep };
    const registry = contractRegistry(code);
    const path = newPath();
    const options = {
      registry,
      unregistered,
      cacheSize: cache === "kept" ? 1000 : 0,
      logger: silentLogger(),
      maxPayloadBytes: CONTRACT_MAX_PAYLOAD_BYTES,
    };
    // A new store each time: what it knows, it knows from the file.
    const open = () => openSnapshotTaskHub(new SnapshotStore(path, false), options, timeOf(clock));
    let hub = await open();
    return {
      get client() {
        return hub.client;
      },
      recorder,
      after: (ms) => clock.advance(ms),
      until: (promise) => clock.runUntil(promise),
      addLateCode: async () => {
        registry.add(...lateReferences(code));
      },
      reopen: async () => {
        await hub.close();
        hub = await open();
      },
      close: () => hub.close(),
    };
  },
  async openBackend() {
    const clock = new VirtualClock();
    const options = { logger: silentLogger(), maxPayloadBytes: CONTRACT_MAX_PAYLOAD_BYTES };
    const backend = newSnapshotBackend(new SnapshotStore(newPath(), false), options, timeOf(clock));
    return { backend, after: (ms) => clock.advance(ms), now: () => clock.now(), close: () => backend.stop() };
  },
};

describe("the snapshot backend", () => {
  // A thousand events are a thousand files.
  const patiently = (name: string, body: () => Promise<void>): void => it(name, { timeout: 30_000 }, body);
  backendContract({ describe, it: patiently }, setup);
});

const greet = defineActivity("greet", async (_ctx, name: string) => `hello ${name}`);
const patient = defineOrchestrator("patient", async (ctx, name: string) => {
  const greeting = await ctx.callActivity(greet, name);
  await ctx.createTimer("3d");
  const event = await ctx.waitForExternalEvent<string>("go");
  return `${greeting}, ${event}`;
});
const registry = new TaskRegistry().add(greet, patient);

describe("a hub in a file", () => {
  it("survives a reopen: its host is gone without a word, and another one goes on from the file", async () => {
    const path = newPath();
    const clock = new VirtualClock();
    const options = { registry, logger: silentLogger() };
    const first = await openSnapshotTaskHub(new SnapshotStore(path), options, timeOf(clock));
    const id = await first.client.scheduleNewOrchestration(patient, "you");
    await clock.rest();
    // What a crash in the middle of a write leaves behind is no obstacle.
    writeFileSync(`${path}.tmp`, "half a snapsh");
    const second = await openSnapshotTaskHub(new SnapshotStore(path), options, timeOf(clock));
    const { waitingOn, runtimeStatus } = await second.client.fetchOrchestrationMetadata(id);
    expect([runtimeStatus, waitingOn.timers.length]).toEqual(["RUNNING", 1]);
    await second.client.raiseEvent(id, "go", "go on");
    expect((await clock.runUntil(second.client.waitForOrchestrationCompletion(id))).output).toBe('"hello you, go on"');
    const third = await openSnapshotTaskHub(new SnapshotStore(path), options, timeOf(clock));
    expect((await third.client.getInstanceHistory(id)).at(-1)?.eventType.case).toBe("executionCompleted");
    await third.close();
  });
});

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

const row = (incarnation: string, instanceId = "a", purged = false): InstanceRow => ({
  instanceId,
  incarnation,
  record: bytes(1),
  summary: {
    name: "main",
    status: "RUNNING",
    tags: {},
    createdAtMs: 1,
    lastUpdatedAtMs: 1,
    completedAtMs: undefined,
    parentInstanceId: undefined,
    purged,
  },
  unfinished: false,
  wakeAt: undefined,
});

/** A store with an owner and one instance, which has something of everything. */
async function furnished() {
  const path = newPath();
  const store = new SnapshotStore(path, false);
  await store.createHub();
  const epoch = store.nextEpoch();
  const commit = (write: Partial<InstanceWrite>) =>
    store.commit({ epoch, writes: [{ instanceId: "a", incarnation: "one", ...write }] });
  await store.append("a", () => ({ row: { ...row("one"), wipe: false }, answer: 0 }));
  await commit({
    history: { truncate: false, append: { segment: 0, bytes: bytes(10) } },
    inbox: [{ key: "k", bytes: bytes(20) }],
    outboxAdd: [{ seq: 1, bytes: bytes(30) }],
  });
  const held = async () => {
    const loaded = await store.load("a");
    const segments = await store.readSegments("a", 0, 9);
    return loaded && [loaded.row.incarnation, segments.length, loaded.inbox.length, loaded.outbox.length];
  };
  return { path, store, epoch, commit, held };
}

describe("the snapshot store", () => {
  it("refuses a commit of an earlier epoch, also when another store gave the later one, and stores nothing of it", async () => {
    const { path, store, commit } = await furnished();
    new SnapshotStore(path, false).nextEpoch();
    const before = readFileSync(path);
    await expect(commit({ row: row("two") })).rejects.toMatchObject({ code: "work_item_lock_lost" });
    expect(readFileSync(path)).toEqual(before);
    expect((await store.load("a"))?.row.incarnation).toBe("one");
  });

  it("fences off who owned a hub that was deleted", async () => {
    const { store, epoch } = await furnished();
    expect([await store.deleteHub(), await store.deleteHub(), await store.createHub()]).toEqual([true, false, true]);
    expect([await store.load("a"), store.nextEpoch() > epoch]).toEqual([undefined, true]);
  });

  it("commits on the incarnation that was planned on, a whole batch or nothing", async () => {
    const { store, epoch, commit, held } = await furnished();
    await expect(commit({ incarnation: "other", wipe: true })).rejects.toMatchObject({ code: "work_item_lock_lost" });
    const good = { instanceId: "b", incarnation: "", row: row("new", "b") };
    const bad = { instanceId: "a", incarnation: "", row: row("new") };
    await expect(store.commit({ epoch, writes: [good, bad] })).rejects.toMatchObject({ code: "work_item_lock_lost" });
    expect([await store.load("b"), await held()]).toEqual([undefined, ["one", 1, 1, 1]]);
    await commit({ row: row("two", "a", true) });
    await commit({ incarnation: "", row: row("three") });
    expect((await store.load("a"))?.row.incarnation).toBe("three");
  });

  it("lets a client that is not the owner create, and nothing else", async () => {
    const { store } = await furnished();
    const create = (instanceId: string, incarnation: string) =>
      store.commit({ epoch: undefined, writes: [{ instanceId, incarnation, row: row("new", instanceId) }] });
    await expect(create("a", "one")).rejects.toMatchObject({ code: "work_item_lock_lost" });
    await expect(create("a", "")).rejects.toMatchObject({ code: "work_item_lock_lost" });
    await create("b", "");
    expect((await store.load("b"))?.row.incarnation).toBe("new");
  });

  it("takes appends from anybody, one item for each key, and has the instance looked at", async () => {
    const { path, store, held } = await furnished();
    const guest = new SnapshotStore(path, false);
    store.nextEpoch();
    const add = (key: string | undefined, visibleAt?: number) =>
      guest.append("a", () => ({ item: { key, bytes: bytes(1), visibleAt }, answer: 0 }));
    expect([(await add("k")).seq, await store.nextDeadline(0), await store.due(0, false)]).toEqual([
      undefined,
      undefined,
      [],
    ]);
    const first = await add("later", 500);
    const second = await add(undefined);
    expect((second.seq ?? 0) > (first.seq ?? 0)).toBe(true);
    expect([await held(), await store.nextDeadline(0), await store.due(500, false)]).toEqual([
      ["one", 1, 3, 1],
      500,
      ["a"],
    ]);
    expect(await store.due(0, true)).toEqual(["a"]);
    expect((await store.readInbox("a", first.seq ?? 0)).length).toBe(1);
  });

  it("stores nothing of an append whose decision throws, and adds nothing for an instance that is not there", async () => {
    const { path, store } = await furnished();
    const before = readFileSync(path);
    const decide = () => {
      throw new Error("no");
    };
    await expect(store.append("a", decide)).rejects.toThrow("no");
    expect(readFileSync(path)).toEqual(before);
    const item = { key: undefined, bytes: bytes(1), visibleAt: undefined };
    const reply = { instanceId: "nobody", key: "r", bytes: bytes(1) };
    const appended = await store.append("b", () => ({ item, reply, answer: "said" }));
    expect(appended).toEqual({ instanceId: "b", answer: "said", created: false });
    expect(await store.load("b")).toBeUndefined();
  });

  it("keeps the outbox of what is wiped while a row stays or comes, and nothing otherwise", async () => {
    const replaced = await furnished();
    await replaced.store.append("a", () => ({ row: { ...row("two"), wipe: true }, answer: 0 }));
    expect(await replaced.held()).toEqual(["two", 0, 0, 1]);
    const purged = await furnished();
    await purged.commit({ wipe: true, row: row("two", "a", true) });
    expect(await purged.held()).toEqual(["two", 0, 0, 1]);
    await purged.commit({ incarnation: "two", wipe: true });
    expect(await purged.held()).toBeUndefined();
    const removed = await furnished();
    expect((await removed.store.append("a", () => ({ remove: true, answer: 0 }))).created).toBe(true);
    expect(await removed.held()).toBeUndefined();
  });
});
