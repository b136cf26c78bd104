import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { FormatTooNewError, StorageError, WorkItemLockLostError } from "../../core/errors.ts";
import { checkCreates } from "../../core/partition/guest-commit.ts";
import { matches } from "../../core/partition/paging.ts";
import type {
  Appended,
  Commit,
  CommittedWrite,
  Decide,
  DeliveryOutcome,
  InstanceRow,
  InstanceSummary,
  InstanceWrite,
  LoadedInstance,
  RowQuery,
  Store,
  StoredItem,
} from "../../core/partition/ports.ts";
import { ensureSchema, SCHEMA_VERSION, TABLE_NAMES } from "./schema.ts";
import { WriteBatch } from "./write-batch.ts";

interface InstanceTableRow {
  readonly instance_id: string;
  readonly incarnation: string;
  readonly record: Uint8Array;
  readonly summary: string;
  readonly unfinished: number;
  readonly wake_at: number | null;
}

/** The two queues of an instance, as the table numbers them. */
const INBOX = 0;
const OUTBOX = 1;

/**
 * A store in an SQLite database, through Node's own module. The database is locked for this process. A write is durable
 * when its promise resolves: the log is flushed to the disk at every commit.
 */
export class SqliteStore implements Store {
  readonly #database: DatabaseSync;
  readonly #writes: WriteBatch;
  readonly #statements = new Map<string, StatementSync>();
  #lastSeq: number;

  /**
   * @param path a file, or `":memory:"`.
   * @throws {@link StorageError} when it cannot be opened, or another process has it; {@link FormatTooNewError}.
   */
  constructor(path: string) {
    let version: number;
    try {
      this.#database = new DatabaseSync(path);
      // Exclusive from the first read on, until it is closed or its process dies.
      this.#database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
      version = ensureSchema(this.#database);
    } catch (cause) {
      const reason = (cause as Error).message;
      throw new StorageError(`'${path}' cannot be opened (${reason}): is another process using it?`, { cause });
    }
    if (version > SCHEMA_VERSION) throw new FormatTooNewError(version, SCHEMA_VERSION);
    this.#writes = new WriteBatch(this.#database);
    this.#lastSeq =
      (this.#get("SELECT MAX(seq) AS last FROM messages WHERE box = ?", INBOX)?.last as number | null) ?? 0;
  }

  /** Writes what is waiting and closes the database. */
  close(): void {
    if (!this.#database.isOpen) return;
    this.#writes.flush();
    this.#statements.clear();
    this.#database.close();
  }

  createHub(): Promise<boolean> {
    return this.#writes.add(() => {
      if (this.#meta("hub") !== undefined) return false;
      this.#run("INSERT INTO meta (name, value) VALUES ('hub', 'created')");
      return true;
    });
  }

  deleteHub(): Promise<boolean> {
    return this.#writes.add(() => {
      const existed = this.#meta("hub") !== undefined;
      const epoch = this.#meta("epoch");
      for (const table of TABLE_NAMES) this.#run(`DELETE FROM ${table}`);
      // Owners of the deleted hub stay fenced off.
      if (epoch !== undefined) this.#run("INSERT INTO meta (name, value) VALUES ('epoch', ?)", epoch);
      return existed;
    });
  }

  async hubExists(): Promise<boolean> {
    return this.#meta("hub") !== undefined;
  }

  /** A new latest epoch: every commit of an earlier one fails from now on. */
  nextEpoch(): Promise<number> {
    return this.#writes.add(() => {
      const epoch = Number(this.#meta("epoch") ?? 0) + 1;
      this.#run("INSERT OR REPLACE INTO meta (name, value) VALUES ('epoch', ?)", epoch);
      return epoch;
    });
  }

  async load(instanceId: string): Promise<LoadedInstance | undefined> {
    const row = this.#row(instanceId);
    if (row === undefined) return undefined;
    return { row, inbox: this.#items(INBOX, instanceId, 0), outbox: this.#items(OUTBOX, instanceId, 0) };
  }

  async readInbox(instanceId: string, afterSeq: number): Promise<readonly StoredItem[]> {
    return this.#items(INBOX, instanceId, afterSeq);
  }

  async readSegments(instanceId: string, from: number, to: number): Promise<readonly Uint8Array[]> {
    const query = "SELECT bytes FROM history WHERE instance_id = ? AND segment >= ? AND segment < ? ORDER BY segment";
    return this.#all<{ bytes: Uint8Array }>(query, instanceId, from, to).map(({ bytes }) => bytes);
  }

  async due(now: number, unfinished: boolean): Promise<readonly string[]> {
    const due = "SELECT instance_id FROM instances WHERE wake_at <= ?";
    const left =
      "SELECT instance_id FROM instances WHERE unfinished UNION SELECT instance_id FROM messages WHERE box = 0";
    const rows = unfinished
      ? this.#all<{ instance_id: string }>(`${due} UNION ${left}`, now)
      : this.#all<{ instance_id: string }>(due, now);
    return rows.map(({ instance_id }) => instance_id);
  }

  async nextDeadline(now: number): Promise<number | undefined> {
    const row = this.#get("SELECT MIN(wake_at) AS next FROM instances WHERE wake_at > ?", now);
    return (row?.next as number | null | undefined) ?? undefined;
  }

  async page(query: RowQuery): Promise<readonly InstanceRow[]> {
    const { after, newestFirst, createdFrom, createdTo } = query;
    const place = newestFirst ? "(created_at, instance_id) < (?, ?)" : "(created_at, instance_id) > (?, ?)";
    const conditions = ["created_at >= ?", "created_at < ?", ...(after === undefined ? [] : [place])];
    const order = newestFirst ? "DESC" : "ASC";
    const sql = `SELECT * FROM instances WHERE ${conditions.join(" AND ")} ORDER BY created_at ${order}, instance_id ${order}`;
    const bounds: SQLInputValue[] = [createdFrom ?? 0, createdTo ?? Number.MAX_SAFE_INTEGER];
    if (after !== undefined) bounds.push(after.createdAtMs, after.instanceId);
    const page: InstanceRow[] = [];
    // A statement of its own: it is left half-way when the page is full.
    for (const raw of this.#database.prepare(sql).iterate(...bounds)) {
      const row = rowFrom(raw as unknown as InstanceTableRow);
      if (matches(query, row.instanceId, row.summary)) page.push(row);
      if (page.length >= query.limit) break;
    }
    return page;
  }

  commit(batch: Commit): Promise<readonly CommittedWrite[]> {
    return this.#writes.add(() => {
      const latest = Number(this.#meta("epoch") ?? 0);
      if (batch.epoch === undefined) checkCreates(batch);
      else if (batch.epoch < latest) throw new WorkItemLockLostError(`epoch ${batch.epoch} was followed by ${latest}`);
      return batch.writes.map((write) => this.#write(write));
    });
  }

  append<T>(instanceId: string, decide: Decide<T>): Promise<Appended<T>> {
    return this.#writes.add(() => this.#append(instanceId, decide));
  }

  #write(write: InstanceWrite): CommittedWrite {
    const { instanceId } = write;
    const current = this.#row(instanceId);
    const isHeld =
      write.incarnation === ""
        ? current === undefined || current.summary.purged
        : current?.incarnation === write.incarnation;
    if (!isHeld) throw new WorkItemLockLostError(`'${instanceId}' is not the instance any more that the turn was for`);
    if (write.wipe === true) this.#wipe(instanceId, write.row !== undefined);
    if (write.row !== undefined) this.#putRow(write.row);
    const { history, consume = [], inbox = [], outboxAdd = [], outboxRemove = [], deliver = [] } = write;
    if (history?.truncate === true) this.#run("DELETE FROM history WHERE instance_id = ?", instanceId);
    if (history?.append !== undefined) {
      const { segment, bytes } = history.append;
      this.#run("DELETE FROM history WHERE instance_id = ? AND segment >= ?", instanceId, segment);
      this.#run("INSERT INTO history VALUES (?, ?, ?)", instanceId, segment, bytes);
    }
    for (const seq of consume) this.#remove(instanceId, INBOX, seq);
    for (const { seq, bytes } of outboxAdd) this.#insert(instanceId, OUTBOX, seq, undefined, bytes);
    for (const seq of outboxRemove) this.#remove(instanceId, OUTBOX, seq);
    const inboxSeqs = inbox.map(({ key, bytes }) => this.#enqueue(instanceId, key, bytes) ?? 0);
    const deliveries = deliver.map(({ instanceId: target, decide }) => this.#append<DeliveryOutcome>(target, decide));
    return { deliveries, inboxSeqs };
  }

  #append<T>(instanceId: string, decide: Decide<T>): Appended<T> {
    const { row, item, reply, remove, answer } = decide(this.#row(instanceId));
    if (remove === true) this.#wipe(instanceId, false);
    if (row !== undefined) {
      if (row.wipe) this.#wipe(instanceId, true);
      this.#putRow(row);
    }
    const seq = item === undefined ? undefined : this.#enqueue(instanceId, item.key, item.bytes);
    // A fresh row says by itself when to look at it.
    if (seq !== undefined && row === undefined) this.#await(instanceId, item?.visibleAt);
    let repliedTo: string | undefined;
    if (reply !== undefined && this.#enqueue(reply.instanceId, reply.key, reply.bytes) !== undefined) {
      this.#await(reply.instanceId, undefined);
      repliedTo = reply.instanceId;
    }
    return {
      instanceId,
      answer,
      created: row !== undefined || remove === true,
      ...(seq === undefined ? {} : { seq }),
      ...(repliedTo === undefined ? {} : { repliedTo }),
    };
  }

  /** The instance is to be looked at, now or at a time. */
  #await(instanceId: string, visibleAt: number | undefined): void {
    if (visibleAt === undefined) {
      this.#run("UPDATE instances SET unfinished = 1 WHERE instance_id = ? AND NOT unfinished", instanceId);
      return;
    }
    const query = "UPDATE instances SET wake_at = ? WHERE instance_id = ? AND (wake_at IS NULL OR wake_at > ?)";
    this.#run(query, visibleAt, instanceId, visibleAt);
  }

  /** Adds to an inbox that is there. Places rise over restarts too: they follow the clock. */
  #enqueue(instanceId: string, key: string | undefined, bytes: Uint8Array): number | undefined {
    if (this.#get("SELECT 1 FROM instances WHERE instance_id = ?", instanceId) === undefined) return undefined;
    if (key !== undefined) {
      const query = "SELECT 1 FROM messages WHERE instance_id = ? AND box = 0 AND item_key = ?";
      if (this.#get(query, instanceId, key) !== undefined) return undefined;
    }
    const seq = Math.max(this.#lastSeq + 1, Date.now() * 1000);
    this.#lastSeq = seq;
    this.#insert(instanceId, INBOX, seq, key, bytes);
    return seq;
  }

  #insert(instanceId: string, box: number, seq: number, key: string | undefined, bytes: Uint8Array): void {
    this.#run("INSERT INTO messages VALUES (?, ?, ?, ?, ?)", instanceId, box, seq, key ?? null, bytes);
  }

  #remove(instanceId: string, box: number, seq: number): void {
    this.#run("DELETE FROM messages WHERE instance_id = ? AND box = ? AND seq = ?", instanceId, box, seq);
  }

  #items(box: number, instanceId: string, afterSeq: number): StoredItem[] {
    const query = "SELECT seq, bytes FROM messages WHERE instance_id = ? AND box = ? AND seq > ? ORDER BY seq";
    return this.#all<{ seq: number; bytes: Uint8Array }>(query, instanceId, box, afterSeq).map(({ seq, bytes }) => ({
      seq,
      bytes,
    }));
  }

  #row(instanceId: string): InstanceRow | undefined {
    const row = this.#get("SELECT * FROM instances WHERE instance_id = ?", instanceId);
    return row === undefined ? undefined : rowFrom(row as unknown as InstanceTableRow);
  }

  #putRow({ instanceId, incarnation, record, summary, unfinished, wakeAt }: InstanceRow): void {
    this.#run(
      "INSERT OR REPLACE INTO instances VALUES (?, ?, ?, ?, ?, ?, ?)",
      instanceId,
      incarnation,
      record,
      JSON.stringify(summary),
      summary.createdAtMs,
      unfinished ? 1 : 0,
      wakeAt ?? null,
    );
  }

  #wipe(instanceId: string, keepsOutbox: boolean): void {
    this.#run("DELETE FROM instances WHERE instance_id = ?", instanceId);
    this.#run("DELETE FROM history WHERE instance_id = ?", instanceId);
    this.#run(`DELETE FROM messages WHERE instance_id = ? AND ${keepsOutbox ? "box = 0" : "box >= 0"}`, instanceId);
  }

  #meta(name: string): SQLInputValue | undefined {
    return this.#get("SELECT value FROM meta WHERE name = ?", name)?.value;
  }

  #get(sql: string, ...values: SQLInputValue[]): Record<string, SQLInputValue> | undefined {
    return this.#statement(sql).get(...values);
  }

  #all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#statement(sql).all(...values) as T[];
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#statement(sql).run(...values);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function rowFrom(row: InstanceTableRow): InstanceRow {
  return {
    instanceId: row.instance_id,
    incarnation: row.incarnation,
    record: row.record,
    summary: summaryFrom(row.summary),
    unfinished: row.unfinished === 1,
    wakeAt: row.wake_at ?? undefined,
  };
}

/** JSON has no `undefined`: what was absent stays absent. */
function summaryFrom(text: string): InstanceSummary {
  return JSON.parse(text) as InstanceSummary;
}
