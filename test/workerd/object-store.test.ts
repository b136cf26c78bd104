import { env, runInDurableObject } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import { objectPorts } from "../../src/backends/durable-object/object-ports.ts";
import { LocalRouter } from "../../src/backends/memory/index.ts";
import type { InstanceRow, Store } from "../../src/core/index.ts";
import { newRecord, rowOf } from "../../src/core/partition/record.ts";
import { executionStarted } from "../../src/core/protocol/events.ts";

const { BARE } = env as unknown as { readonly BARE: DurableObjectNamespace };

/** Runs a test over the store of a new object. */
function withStore(body: (store: Store, sql: SqlStorage) => Promise<void>): Promise<void> {
  return runInDurableObject(BARE.get(BARE.newUniqueId()), async (_object, state) => {
    const { store } = objectPorts(state.storage, { router: new LocalRouter(), isImplicitHub: true });
    await body(store, state.storage.sql);
  });
}

function idleRow(instanceId: string): InstanceRow {
  const start = executionStarted({ name: "any", instanceId, executionId: `${instanceId}-execution` }, 1000);
  if (start.eventType.case !== "executionStarted") throw new Error("no start");
  return rowOf(newRecord(start.eventType.value, 1000), { unfinished: false, wakeAt: undefined });
}

async function put(store: Store, row: InstanceRow): Promise<void> {
  await store.append(row.instanceId, () => ({ row: { ...row, wipe: false }, answer: undefined }));
}

const bytes = new Uint8Array([1, 2, 3]);

describe("the store of an object", () => {
  test("finds what was appended before a commit whose row was planned without it", () =>
    withStore(async (store) => {
      const row = idleRow("a");
      await put(store, row);
      await store.append("a", () => ({ item: { key: undefined, bytes, visibleAt: undefined }, answer: undefined }));
      await store.commit({ epoch: 1, writes: [{ instanceId: "a", incarnation: row.incarnation, row }] });
      expect(await store.due(0, true)).toEqual(["a"]);
    }));

  test("lets an instance sleep whose only item waits for its time", () =>
    withStore(async (store) => {
      const row = { ...idleRow("a"), wakeAt: 9000 };
      await put(store, row);
      await store.append("a", () => ({ item: { key: undefined, bytes, visibleAt: 9000 }, answer: undefined }));
      await store.commit({ epoch: 1, writes: [{ instanceId: "a", incarnation: row.incarnation, row }] });
      expect(await store.due(0, true)).toEqual([]);
      expect(await store.nextDeadline(0)).toBe(9000);
    }));

  test("shows a damaged record to who decides, and keeps the other instances going", () =>
    withStore(async (store, sql) => {
      await put(store, idleRow("damaged"));
      await put(store, { ...idleRow("sound"), unfinished: true });
      sql.exec("UPDATE instances SET record = ? WHERE instance_id = 'damaged'", new Uint8Array([255, 255]).buffer);
      const seen = await store.append("damaged", (row) => ({ answer: row?.record.length }));
      expect(seen.answer).toBe(2);
      expect(await store.due(0, true)).toEqual(["sound"]);
    }));

  test("keeps nothing for an instance that is not there", () =>
    withStore(async (store, sql) => {
      await put(store, idleRow("a"));
      const reply = { instanceId: "elsewhere", key: "k", bytes };
      const item = { key: undefined, bytes, visibleAt: undefined };
      const appended = await store.append("nobody", () => ({ item, reply, answer: undefined }));
      expect(appended.seq).toBeUndefined();
      expect(appended.repliedTo).toBeUndefined();
      expect(sql.exec("SELECT COUNT(*) AS n FROM messages").one()).toEqual({ n: 0 });
    }));

  test("undoes all of a transaction that fails, what it knows in memory included", () =>
    withStore(async (store) => {
      const row = idleRow("a");
      await put(store, row);
      const good = { instanceId: "a", incarnation: row.incarnation, row: { ...row, unfinished: true } };
      const bad = { instanceId: "b", incarnation: "unknown" };
      await expect(store.commit({ epoch: 1, writes: [good, bad] })).rejects.toThrow("lock on work-item was lost");
      expect(await store.due(0, true)).toEqual([]);
    }));

  test("splits a record above a megabyte and puts it together again", () =>
    withStore(async (store, sql) => {
      const small = idleRow("a");
      const record = new Uint8Array(2_500_000).fill(7);
      await put(store, { ...small, record });
      const read = await store.append("a", (row) => ({ answer: row?.record }));
      expect(read.answer?.length).toBe(record.length);
      expect(sql.exec("SELECT MAX(length(bytes)) AS size FROM history").one()).toEqual({ size: 1024 * 1024 });
      await store.commit({ epoch: 1, writes: [{ instanceId: "a", incarnation: small.incarnation, row: small }] });
      expect(sql.exec("SELECT COUNT(*) AS n FROM history").one()).toEqual({ n: 0 });
    }));
});
