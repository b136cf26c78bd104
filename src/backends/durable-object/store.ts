import { HistoryDecodeError, WorkItemLockLostError } from "../../core/errors.ts";
import { comparePlaces, matches, placeOfRow } from "../../core/partition/paging.ts";
import type {
  Appended,
  Commit,
  CommittedWrite,
  Decide,
  DeliveryOutcome,
  InstanceRow,
  InstanceWrite,
  LoadedInstance,
  RowQuery,
  Store,
  StoredItem,
} from "../../core/partition/ports.ts";
import { summaryOf } from "../../core/partition/record.ts";
import { unmarshalRecord } from "../../core/protocol/marshal.ts";
import type { ObjectAlarm } from "./alarm.ts";
import { joinParts, partsOf } from "./blob-parts.ts";
import { FactTable, factsOf, type InstanceFacts } from "./instance-facts.ts";
import { createSchema, dropSchema, hasSchema } from "./schema.ts";

interface InstanceTableRow extends Record<string, SqlStorageValue> {
  instance_id: string;
  incarnation: string;
  record: ArrayBuffer;
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

const INSERT_HISTORY = "INSERT INTO history (instance_id, segment, part, bytes) VALUES (?, ?, ?, ?)";

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
  #facts: FactTable;
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
    this.#facts = new FactTable(this.#isReady ? this.#readFacts() : []);
  }

  *#readFacts(): Iterable<readonly [string, InstanceFacts]> {
    for (const row of this.#sql.exec<InstanceTableRow>("SELECT * FROM instances")) {
      const { instance_id: instanceId, incarnation } = row;
      const isSplit = row.record.byteLength === 0;
      const readable = this.#readable(row);
      // What cannot be read is left to sleep: it answers calls with its error, and keeps nothing else from going on.
      const damaged = { incarnation, isPurged: false, unfinished: false, wakeAt: undefined, isSplit };
      yield [instanceId, readable === undefined ? damaged : factsOf(readable, isSplit)];
    }
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
    this.#facts = new FactTable([]);
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
    return this.#facts.due(now, unfinished);
  }

  async nextDeadline(now: number): Promise<number | undefined> {
    return this.#facts.nextWake(now);
  }

  /** An object holds one instance, or the few of one tenant: they are looked through without an index. */
  async page(query: RowQuery): Promise<readonly InstanceRow[]> {
    if (!this.#isReady) return [];
    const { after } = query;
    return this.#sql
      .exec<InstanceTableRow>("SELECT * FROM instances")
      .toArray()
      .flatMap((row) => this.#readable(row) ?? [])
      .filter(({ instanceId, summary }) => matches(query, instanceId, summary))
      .filter((row) => after === undefined || comparePlaces(query, placeOfRow(row), after) > 0)
      .sort((one, other) => comparePlaces(query, placeOfRow(one), placeOfRow(other)))
      .slice(0, query.limit);
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
    this.#alarm.ensure(this.#facts.nextWake(Number.NEGATIVE_INFINITY), this.#facts.hasUnfinished);
  }

  #ensureSchema(): void {
    if (this.#isReady) return;
    createSchema(this.#sql);
    this.#isReady = true;
  }

  /** Runs a transaction and arms the alarm in the same breath: no await between them. */
  #transact<T>(run: () => T): T {
    let done: T;
    try {
      done = this.#storage.transactionSync(run);
    } catch (error) {
      this.#facts.rollback();
      throw error;
    }
    this.#facts.commit();
    if (this.#isImplicitHub && this.#facts.isEmpty) this.#leaveNothing();
    this.ensureAlarm();
    return done;
  }

  /** The last instance is gone: so are the tables, in the same breath, and the alarm. */
  #leaveNothing(): void {
    if (!this.#isReady) return;
    this.#storage.transactionSync(() => dropSchema(this.#sql));
    this.#isReady = false;
    this.#alarm.clear();
  }

  #write(write: InstanceWrite): CommittedWrite {
    const { instanceId } = write;
    const current = this.#facts.get(instanceId);
    const isHeld =
      write.incarnation === "" ? current === undefined || current.isPurged : current?.incarnation === write.incarnation;
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
        this.#sql.exec(INSERT_HISTORY, instanceId, segment, index, part);
      });
    }
    for (const seq of consume) this.#remove(instanceId, INBOX, seq);
    for (const { seq, bytes } of outboxAdd) this.#insert(instanceId, OUTBOX, seq, bytes);
    for (const seq of outboxRemove) this.#remove(instanceId, OUTBOX, seq);
    const inboxSeqs = inbox.map(({ key, bytes }) => this.#enqueue(instanceId, key, bytes, undefined) ?? 0);
    // The row was planned before this transaction: what was appended since must not be forgotten.
    if (write.row?.unfinished === false && this.#hasVisible(instanceId)) this.#await(instanceId, undefined);
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
    const isThere = this.#facts.get(instanceId) !== undefined;
    const seq =
      item === undefined || !isThere ? undefined : this.#enqueue(instanceId, item.key, item.bytes, item.visibleAt);
    // A fresh row says by itself when to look at it.
    if (seq !== undefined && row === undefined) this.#await(instanceId, item?.visibleAt);
    let repliedTo: string | undefined;
    // Where the asker lives in another object, the outcome tells it.
    if (reply !== undefined && this.#facts.get(reply.instanceId) !== undefined) {
      if (this.#enqueue(reply.instanceId, reply.key, reply.bytes, undefined) !== undefined) {
        this.#await(reply.instanceId, undefined);
        repliedTo = reply.instanceId;
      }
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
    const facts = this.#facts.get(instanceId);
    if (facts === undefined) return;
    if (visibleAt === undefined) {
      if (facts.unfinished) return;
      this.#sql.exec("UPDATE instances SET unfinished = 1 WHERE instance_id = ?", instanceId);
      this.#facts.set(instanceId, { ...facts, unfinished: true });
      return;
    }
    if (facts.wakeAt !== undefined && facts.wakeAt <= visibleAt) return;
    this.#sql.exec("UPDATE instances SET wake_at = ? WHERE instance_id = ?", visibleAt, instanceId);
    this.#facts.set(instanceId, { ...facts, wakeAt: visibleAt });
  }

  /** Places rise over restarts too, so that news of an old item is never taken for a new one: they follow the clock. */
  #enqueue(
    instanceId: string,
    key: string | undefined,
    bytes: Uint8Array,
    visibleAt: number | undefined,
  ): number | undefined {
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
    this.#insert(instanceId, INBOX, seq, bytes, key, visibleAt);
    return seq;
  }

  #insert(instanceId: string, box: number, seq: number, bytes: Uint8Array, key?: string, visibleAt?: number): void {
    const insert = `INSERT INTO messages (instance_id, box, seq, part, item_key, visible_at, bytes)
      VALUES (?, ?, ?, ?, ?, ?, ?)`;
    partsOf(bytes).forEach((part, index) => {
      this.#sql.exec(insert, instanceId, box, seq, index, key ?? null, visibleAt ?? null, part);
    });
  }

  /** Is there an inbox item that need not wait for its time? */
  #hasVisible(instanceId: string): boolean {
    const query = "SELECT 1 FROM messages WHERE instance_id = ? AND box = ? AND visible_at IS NULL LIMIT 1";
    return this.#sql.exec(query, instanceId, INBOX).toArray().length > 0;
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
    const query = "SELECT * FROM instances WHERE instance_id = ?";
    const [row] = this.#sql.exec<InstanceTableRow>(query, instanceId).toArray();
    return row === undefined ? undefined : this.#rowOf(row);
  }

  /** The row, unless its record is damaged. */
  #readable(row: InstanceTableRow): InstanceRow | undefined {
    try {
      const readable = this.#rowOf(row);
      return { ...readable, summary: readable.summary };
    } catch (error) {
      if (error instanceof HistoryDecodeError) return undefined;
      throw error;
    }
  }

  #rowOf(row: InstanceTableRow): InstanceRow {
    const { instance_id: instanceId, incarnation, unfinished, wake_at } = row;
    let record: Uint8Array = new Uint8Array(row.record);
    if (record.length === 0) {
      const query = "SELECT bytes FROM history WHERE instance_id = ? AND segment = -1 ORDER BY part";
      const parts = this.#sql.exec<{ bytes: ArrayBuffer }>(query, instanceId).toArray();
      record = joinParts(parts.map(({ bytes }) => bytes));
    }
    return {
      instanceId,
      incarnation,
      record,
      // Read only when it is asked for: whoever decides on a damaged record gets to see that it is damaged.
      get summary() {
        return summaryOf(unmarshalRecord(record));
      },
      unfinished: unfinished === 1,
      wakeAt: wake_at ?? undefined,
    };
  }

  /** Writes a row; a record that is too large for one goes beside the history, and leaves an empty one here. */
  #putRow(row: InstanceRow): void {
    const { instanceId, incarnation, record, unfinished, wakeAt } = row;
    const parts = partsOf(record);
    const isSplit = parts.length > 1;
    if (this.#facts.get(instanceId)?.isSplit === true) {
      this.#sql.exec("DELETE FROM history WHERE instance_id = ? AND segment = -1", instanceId);
    }
    if (isSplit) {
      parts.forEach((part, index) => {
        this.#sql.exec(INSERT_HISTORY, instanceId, -1, index, part);
      });
    }
    this.#sql.exec(
      `INSERT OR REPLACE INTO instances (instance_id, incarnation, record, unfinished, wake_at)
       VALUES (?, ?, ?, ?, ?)`,
      instanceId,
      incarnation,
      isSplit ? new ArrayBuffer(0) : (parts[0] ?? new ArrayBuffer(0)),
      unfinished ? 1 : 0,
      wakeAt ?? null,
    );
    this.#facts.set(instanceId, factsOf(row, isSplit));
  }

  #wipe(instanceId: string, keepsOutbox: boolean): void {
    this.#sql.exec("DELETE FROM instances WHERE instance_id = ?", instanceId);
    this.#sql.exec("DELETE FROM history WHERE instance_id = ?", instanceId);
    const boxes = keepsOutbox ? "box = 0" : "box >= 0";
    this.#sql.exec(`DELETE FROM messages WHERE instance_id = ? AND ${boxes}`, instanceId);
    this.#facts.set(instanceId, undefined);
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
