import { DurableObject } from "cloudflare:workers";
import { fromBinary } from "@bufbuild/protobuf";
import type { InstanceQuery } from "../../core/hub/query.ts";
import { standsInTheWay } from "../../core/partition/index-entry.ts";
import { readPage, rowQueryOf } from "../../core/partition/paging.ts";
import type { RowQuery } from "../../core/partition/ports.ts";
import { type IndexEntry, IndexEntrySchema } from "../../core/protocol/gen/perdura/model/v1/store_pb.ts";
import { statusFromName, statusName } from "../../core/protocol/status.ts";
import type { HubIndexRpc, IndexPage } from "./bindings.ts";
import { answer, type RpcAnswer } from "./rpc.ts";

interface EntryRow extends Record<string, SqlStorageValue> {
  entry: ArrayBuffer;
  created_at: number;
  instance_id: string;
}

/** How long a deleted instance is remembered, so that late news of it do not bring it back, in ms. */
const DELETED_KEPT_MS = 3_600_000;

/**
 * The list of a hub's instances. It is fed by the instances' objects: what it shows lags behind them by moments. It also
 * keeps the hub's incarnation, which is part of every object's name.
 */
export class HubIndexObject extends DurableObject implements HubIndexRpc {
  readonly #sql: SqlStorage;

  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env as never);
    this.#sql = ctx.storage.sql;
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS hub (
      id INTEGER PRIMARY KEY CHECK (id = 0), incarnation INTEGER NOT NULL, created INTEGER NOT NULL
    )`);
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS entries (
      instance_id TEXT PRIMARY KEY, version REAL NOT NULL, deleted INTEGER NOT NULL, name TEXT NOT NULL,
      status TEXT NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL, completed_at REAL, tags TEXT NOT NULL,
      entry BLOB NOT NULL
    ) WITHOUT ROWID`);
    this.#sql.exec("CREATE INDEX IF NOT EXISTS entries_by_creation ON entries (created_at, instance_id)");
  }

  hub(): Promise<RpcAnswer<{ readonly incarnation: number; readonly exists: boolean }>> {
    return answer(async () => this.#hub());
  }

  #hub(): { readonly incarnation: number; readonly exists: boolean } {
    const [row] = this.#sql
      .exec<{ incarnation: number; created: number }>("SELECT incarnation, created FROM hub")
      .toArray();
    return { incarnation: row?.incarnation ?? 1, exists: row?.created === 1 };
  }

  createHub(): Promise<RpcAnswer<boolean>> {
    return answer(async () => {
      const { incarnation, exists } = this.#hub();
      if (exists) return false;
      this.#sql.exec("INSERT OR REPLACE INTO hub VALUES (0, ?, 1)", incarnation);
      return true;
    });
  }

  deleteHub(): Promise<RpcAnswer<boolean>> {
    return answer(async () => {
      const { incarnation, exists } = this.#hub();
      const isEmpty = this.#sql.exec("SELECT 1 FROM entries LIMIT 1").toArray().length === 0;
      if (!exists && isEmpty) return false;
      this.#sql.exec("INSERT OR REPLACE INTO hub VALUES (0, ?, 0)", incarnation + 1);
      this.#sql.exec("DELETE FROM entries");
      return true;
    });
  }

  publish(incarnation: number, bytes: Uint8Array): Promise<RpcAnswer<number | undefined>> {
    return answer(async () => {
      // News of a deleted hub are acknowledged and dropped.
      const entry = fromBinary(IndexEntrySchema, bytes);
      if (incarnation !== this.#hub().incarnation) return undefined;
      this.#sql.exec(
        `INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (instance_id) DO UPDATE SET version = excluded.version, deleted = excluded.deleted,
           name = excluded.name, status = excluded.status, created_at = excluded.created_at,
           updated_at = excluded.updated_at, completed_at = excluded.completed_at, tags = excluded.tags,
           entry = excluded.entry
         WHERE excluded.version > entries.version`,
        ...valuesOf(entry, bytes),
      );
      const query = "SELECT entry FROM entries WHERE instance_id = ?";
      const held = this.#sql.exec<{ entry: ArrayBuffer }>(query, entry.instanceId).one();
      const inTheWay = standsInTheWay(fromBinary(IndexEntrySchema, new Uint8Array(held.entry)), entry);
      if (!entry.deleted) return inTheWay;
      const before = Date.now() - DELETED_KEPT_MS;
      this.#sql.exec("DELETE FROM entries WHERE deleted = 1 AND updated_at < ?", before);
      return inTheWay;
    });
  }

  query(query: InstanceQuery): Promise<RpcAnswer<IndexPage>> {
    return answer(async () => {
      const { rows, token } = await readPage(
        rowQueryOf(query),
        (rowQuery) => {
          const { text, values } = selectOf(rowQuery);
          return this.#sql.exec<EntryRow>(text, ...values).toArray();
        },
        ({ created_at, instance_id }) => ({ createdAtMs: created_at, instanceId: instance_id }),
      );
      const entries = rows.map(({ entry }) => new Uint8Array(entry));
      return token === undefined ? { entries } : { entries, continuationToken: token };
    });
  }
}

function valuesOf(entry: IndexEntry, bytes: Uint8Array): SqlStorageValue[] {
  return [
    entry.instanceId,
    entry.version,
    entry.deleted ? 1 : 0,
    entry.name,
    statusName(entry.status),
    entry.createdAtMs,
    entry.lastUpdatedAtMs,
    entry.completedAtMs ?? null,
    JSON.stringify(entry.tags),
    bytes.slice().buffer,
  ];
}

/** The query as SQL. Lists go in as one JSON parameter, since a statement takes a hundred parameters at most. */
function selectOf(query: RowQuery): { readonly text: string; readonly values: SqlStorageValue[] } {
  const conditions = ["deleted = 0"];
  const values: SqlStorageValue[] = [];
  const add = (condition: string, ...bound: SqlStorageValue[]): void => {
    conditions.push(condition);
    values.push(...bound);
  };
  if (query.statuses !== undefined) {
    const statuses = query.statuses.map((status) => statusName(statusFromName(status)));
    add("status IN (SELECT value FROM json_each(?))", JSON.stringify(statuses));
  }
  if (query.names !== undefined) add("name IN (SELECT value FROM json_each(?))", JSON.stringify(query.names));
  if (query.idPrefix !== undefined) add("substr(instance_id, 1, length(?)) = ?", query.idPrefix, query.idPrefix);
  if (query.createdFrom !== undefined) add("created_at >= ?", query.createdFrom);
  if (query.createdTo !== undefined) add("created_at < ?", query.createdTo);
  if (query.completedFrom !== undefined) add("completed_at >= ?", query.completedFrom);
  if (query.completedTo !== undefined) add("completed_at < ?", query.completedTo);
  if (query.tags !== undefined) {
    add(
      `NOT EXISTS (SELECT 1 FROM json_each(?) AS wanted WHERE NOT EXISTS (
         SELECT 1 FROM json_each(entries.tags) AS has WHERE has.key = wanted.key AND has.value = wanted.value))`,
      JSON.stringify(query.tags),
    );
  }
  const { after, newestFirst } = query;
  if (after !== undefined) {
    const sign = newestFirst ? "<" : ">";
    add(`(created_at, instance_id) ${sign} (?, ?)`, after.createdAtMs, after.instanceId);
  }
  const order = newestFirst ? "DESC" : "ASC";
  values.push(query.limit);
  const text = `SELECT entry, created_at, instance_id FROM entries WHERE ${conditions.join(" AND ")}
    ORDER BY created_at ${order}, instance_id ${order} LIMIT ?`;
  return { text, values };
}
