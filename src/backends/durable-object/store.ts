import { WorkItemLockLostError } from "../../core/errors.ts";
import { comparePlaces, matches } from "../../core/partition/paging.ts";
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
import type { ObjectAlarm } from "./alarm.ts";
import { joinParts, partsOf } from "./blob-parts.ts";
import { createSchema, hasSchema } from "./schema.ts";

interface InstanceTableRow extends Record<string, SqlStorageValue> {
  instance_id: string;
  incarnation: string;
  record: ArrayBuffer;
  summary: string;
  unfinished: number;
  wake_at: number | null;
}

interface PartRow extends Record<string, SqlStorageValue> {
  seq: number;
  bytes: ArrayBuffer;
}

/** The two queues of an instance, as the table numbers them. */
const INBOX = 0;
const OUTBOX = 1;

/**
 * The store of an object: its SQLite database. A commit is one synchronous transaction; that its promise means durability is
 * the output gate's doing, which holds every message back until the writes before it are on disk.
 */
export class ObjectStore implements Store {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  readonly #alarm: ObjectAlarm;
  readonly #isImplicitHub: boolean;
  #isReady: boolean;
  #lastSeq = 0;

  /**
   * @param isImplicitHub the object is a part of a hub that is kept elsewhere, and is there as soon as it is asked; else the
   *   hub is this object's own, to be created and deleted.
   */
  constructor(storage: DurableObjectStorage, alarm: ObjectAlarm, isImplicitHub: boolean) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#alarm = alarm;
    this.#isImplicitHub = isImplicitHub;
    this.#isReady = hasSchema(this.#sql);
  }

  async createHub(): Promise<boolean> {
    if (await this.hubExists()) return false;
    this.writeMeta("hub", "created");
    return true;
  }

  async deleteHub(): Promise<boolean> {
    const existed = await this.hubExists();
    await this.#storage.deleteAll();
    this.#isReady = false;
    return existed;
  }

  async hubExists(): Promise<boolean> {
    return this.#isImplicitHub || this.readMeta("hub") !== undefined;
  }

  /** A small fact of the object that must survive, beside its instances. */
  readMeta(name: string): string | undefined {
    if (!this.#isReady) return undefined;
    const [row] = this.#sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = ?", name).toArray();
    return row?.value;
  }

  /** Stores such a fact, unless it is there. */
  writeMeta(name: string, value: string): void {
    if (this.readMeta(name) === value) return;
    this.#ensureSchema();
    this.#sql.exec("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", name, value);
  }

  async load(instanceId: string): Promise<LoadedInstance | undefined> {
    const row = this.#row(instanceId);
    if (row === undefined) return undefined;
    return { row, inbox: this.#items(INBOX, instanceId, 0), outbox: this.#items(OUTBOX, instanceId, 0) };
  }

  async readInbox(instanceId: string, afterSeq: number): Promise<readonly StoredItem[]> {
    return this.#isReady ? this.#items(INBOX, instanceId, afterSeq) : [];
  }

  async readSegments(instanceId: string, from: number, to: number): Promise<readonly Uint8Array[]> {
    if (!this.#isReady) return [];
    const rows = this.#sql.exec<PartRow>(
      "SELECT segment AS seq, bytes FROM history WHERE instance_id = ? AND segment >= ? AND segment < ? ORDER BY segment, part",
      instanceId,
      from,
      to,
    );
    return joinRows(rows).map(({ bytes }) => bytes);
  }

  async due(now: number, unfinished: boolean): Promise<readonly string[]> {
    if (!this.#isReady) return [];
    return this.#sql
      .exec<{ instance_id: string }>(
        "SELECT instance_id FROM instances WHERE wake_at <= ? OR (? AND unfinished)",
        now,
        unfinished ? 1 : 0,
      )
      .toArray()
      .map(({ instance_id }) => instance_id);
  }

  async nextDeadline(now: number): Promise<number | undefined> {
    if (!this.#isReady) return undefined;
    const query = "SELECT MIN(wake_at) AS next FROM instances WHERE wake_at > ?";
    return this.#sql.exec<{ next: number | null }>(query, now).one().next ?? undefined;
  }

  /** An object holds one instance, or the few of one tenant: they are looked through without an index. */
  async page(query: RowQuery): Promise<readonly InstanceRow[]> {
    if (!this.#isReady) return [];
    const rows = this.#sql.exec<{ instance_id: string; summary: string }>("SELECT instance_id, summary FROM instances");
    const { after } = query;
    return rows
      .toArray()
      .map(({ instance_id, summary }) => ({ instanceId: instance_id, summary: JSON.parse(summary) as InstanceSummary }))
      .filter(({ instanceId, summary }) => matches(query, instanceId, summary))
      .map(({ instanceId, summary }) => ({ instanceId, createdAtMs: summary.createdAtMs }))
      .filter((place) => after === undefined || comparePlaces(query, place, after) > 0)
      .sort((one, other) => comparePlaces(query, one, other))
      .slice(0, query.limit)
      .flatMap(({ instanceId }) => this.#row(instanceId) ?? []);
  }

  async commit(batch: Commit): Promise<readonly CommittedWrite[]> {
    this.#ensureSchema();
    return this.#transact(() => batch.writes.map((write) => this.#write(write)));
  }

  async append<T>(instanceId: string, decide: Decide<T>): Promise<Appended<T>> {
    if (!this.#isReady) {
      // Decided before any table is made, so that asking for what is not there leaves nothing behind.
      const { row } = decide(undefined);
      if (row === undefined) return { instanceId, answer: decide(undefined).answer, created: false };
    }
    this.#ensureSchema();
    return this.#transact(() => this.#append(instanceId, decide));
  }

  /** Arms the alarm for what is stored. */
  ensureAlarm(): void {
    if (!this.#isReady) return;
    const [row] = this.#sql
      .exec<{ wake_at: number | null; unfinished: number | null }>(
        "SELECT MIN(wake_at) AS wake_at, MAX(unfinished) AS unfinished FROM instances",
      )
      .toArray();
    if (row !== undefined) this.#alarm.ensure(row.wake_at ?? undefined, row.unfinished === 1);
  }

  #ensureSchema(): void {
    if (this.#isReady) return;
    createSchema(this.#sql);
    this.#isReady = true;
  }

  /** Runs a transaction and arms the alarm in the same breath: no await between them. */
  #transact<T>(run: () => T): T {
    const done = this.#storage.transactionSync(run);
    this.ensureAlarm();
    return done;
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
    if (history?.truncate === true) {
      this.#sql.exec("DELETE FROM history WHERE instance_id = ? AND segment >= 0", instanceId);
    }
    if (history?.append !== undefined) {
      const { segment, bytes } = history.append;
      partsOf(bytes).forEach((part, index) => {
        this.#sql.exec("INSERT INTO history VALUES (?, ?, ?, ?)", instanceId, segment, index, part);
      });
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

  /** The instance is to be looked at, now or at a time. Costs a row only where that is news. */
  #await(instanceId: string, visibleAt: number | undefined): void {
    if (visibleAt === undefined) {
      this.#sql.exec("UPDATE instances SET unfinished = 1 WHERE instance_id = ? AND NOT unfinished", instanceId);
      return;
    }
    this.#sql.exec(
      "UPDATE instances SET wake_at = ? WHERE instance_id = ? AND (wake_at IS NULL OR wake_at > ?)",
      visibleAt,
      instanceId,
      visibleAt,
    );
  }

  /** Places rise over restarts too, so that news of an old item is never taken for a new one: they follow the clock. */
  #enqueue(instanceId: string, key: string | undefined, bytes: Uint8Array): number | undefined {
    if (key !== undefined) {
      const query = "SELECT 1 FROM messages WHERE instance_id = ? AND box = ? AND item_key = ? LIMIT 1";
      if (this.#sql.exec(query, instanceId, INBOX, key).toArray().length > 0) return undefined;
    }
    if (this.#lastSeq === 0) {
      const query = "SELECT MAX(seq) AS last FROM messages WHERE box = 0";
      this.#lastSeq = this.#sql.exec<{ last: number | null }>(query).one().last ?? 0;
    }
    const seq = Math.max(this.#lastSeq + 1, Date.now() * 1000);
    this.#lastSeq = seq;
    this.#insert(instanceId, INBOX, seq, key, bytes);
    return seq;
  }

  #insert(instanceId: string, box: number, seq: number, key: string | undefined, bytes: Uint8Array): void {
    partsOf(bytes).forEach((part, index) => {
      this.#sql.exec("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)", instanceId, box, seq, index, key ?? null, part);
    });
  }

  #remove(instanceId: string, box: number, seq: number): void {
    this.#sql.exec("DELETE FROM messages WHERE instance_id = ? AND box = ? AND seq = ?", instanceId, box, seq);
  }

  #items(box: number, instanceId: string, afterSeq: number): StoredItem[] {
    const query = "SELECT seq, bytes FROM messages WHERE instance_id = ? AND box = ? AND seq > ? ORDER BY seq, part";
    return joinRows(this.#sql.exec<PartRow>(query, instanceId, box, afterSeq));
  }

  #row(instanceId: string): InstanceRow | undefined {
    if (!this.#isReady) return undefined;
    const [row] = this.#sql
      .exec<InstanceTableRow>("SELECT * FROM instances WHERE instance_id = ?", instanceId)
      .toArray();
    if (row === undefined) return undefined;
    let record: Uint8Array = new Uint8Array(row.record);
    if (record.length === 0) {
      const query = "SELECT bytes FROM history WHERE instance_id = ? AND segment = -1 ORDER BY part";
      record = joinParts(
        this.#sql
          .exec<{ bytes: ArrayBuffer }>(query, instanceId)
          .toArray()
          .map(({ bytes }) => bytes),
      );
    }
    return {
      instanceId,
      incarnation: row.incarnation,
      record,
      summary: JSON.parse(row.summary) as InstanceSummary,
      unfinished: row.unfinished === 1,
      wakeAt: row.wake_at ?? undefined,
    };
  }

  /** Writes a row; a record that is too large for one goes beside the history, and leaves an empty one here. */
  #putRow({ instanceId, incarnation, record, summary, unfinished, wakeAt }: InstanceRow): void {
    const parts = partsOf(record);
    const isSplit = parts.length > 1;
    this.#sql.exec("DELETE FROM history WHERE instance_id = ? AND segment = -1", instanceId);
    if (isSplit) {
      parts.forEach((part, index) => {
        this.#sql.exec("INSERT INTO history VALUES (?, -1, ?, ?)", instanceId, index, part);
      });
    }
    this.#sql.exec(
      "INSERT OR REPLACE INTO instances VALUES (?, ?, ?, ?, ?, ?)",
      instanceId,
      incarnation,
      isSplit ? new ArrayBuffer(0) : (parts[0] ?? new ArrayBuffer(0)),
      JSON.stringify(summary),
      unfinished ? 1 : 0,
      wakeAt ?? null,
    );
  }

  #wipe(instanceId: string, keepsOutbox: boolean): void {
    this.#sql.exec("DELETE FROM instances WHERE instance_id = ?", instanceId);
    this.#sql.exec("DELETE FROM history WHERE instance_id = ?", instanceId);
    const boxes = keepsOutbox ? "box = 0" : "box >= 0";
    this.#sql.exec(`DELETE FROM messages WHERE instance_id = ? AND ${boxes}`, instanceId);
  }
}

/** Puts the parts of each value together; rows come ordered by value and part. */
function joinRows(rows: Iterable<PartRow>): { seq: number; bytes: Uint8Array }[] {
  const joined: { seq: number; parts: ArrayBuffer[] }[] = [];
  for (const { seq, bytes } of rows) {
    const last = joined.at(-1);
    if (last?.seq === seq) last.parts.push(bytes);
    else joined.push({ seq, parts: [bytes] });
  }
  return joined.map(({ seq, parts }) => ({ seq, bytes: joinParts(parts) }));
}
