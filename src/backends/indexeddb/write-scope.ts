import { WorkItemLockLostError } from "../../core/errors.ts";
import type {
  Appended,
  CommittedWrite,
  Decide,
  DeliveryOutcome,
  InstanceRow,
  InstanceWrite,
} from "../../core/partition/ports.ts";
import { resultOf } from "./connection.ts";
import { listingChanged, listingOf } from "./listing.ts";
import { type HubRecord, type InboxRecord, keysOf } from "./schema.ts";

/** An item on its way into an inbox, and what is to be known of it afterwards. */
interface Addition {
  readonly record: InboxRecord;
  readonly visibleAt: number | undefined;
  /** The place that it got; `undefined` when an item of its key was there. Set when the transaction is complete. */
  request: IDBRequest<IDBValidKey> | undefined;
}

/**
 * The writes of one transaction. First everything that decisions need is read; then all is decided and written without a
 * pause; only the question whether an inbox holds a key already takes one more round.
 */
export class WriteScope {
  readonly #transaction: IDBTransaction;
  readonly #rows = new Map<string, InstanceRow | undefined>();
  readonly #stored = new Map<string, InstanceRow | undefined>();
  /** Instances whose inbox holds nothing but what this transaction adds. */
  readonly #fresh = new Set<string>();
  /** Instances that are removed for a moment only. */
  readonly #returning = new Set<string>();
  readonly #additions: Addition[] = [];
  /** Places of inbox items that go. */
  readonly #wiped: Promise<IDBValidKey[]>[] = [];

  constructor(transaction: IDBTransaction) {
    this.#transaction = transaction;
  }

  /** Reads the hub's record and the rows, all at once. */
  async begin(instanceIds: Iterable<string>): Promise<HubRecord | undefined> {
    const ids = [...new Set(instanceIds)];
    const instances = this.#transaction.objectStore("instances");
    const hub = this.#transaction.objectStore("meta").get("hub") as IDBRequest<HubRecord | undefined>;
    const rows = ids.map((instanceId) => instances.get(instanceId) as IDBRequest<InstanceRow | undefined>);
    // Requests succeed in order: with the last, all have.
    await resultOf((rows.at(-1) ?? hub) as IDBRequest);
    ids.forEach((instanceId, index) => {
      this.#rows.set(instanceId, rows[index]?.result);
      this.#stored.set(instanceId, rows[index]?.result);
    });
    return hub.result;
  }

  /** One member of a batch. @throws {@link WorkItemLockLostError}. */
  write(write: InstanceWrite): () => CommittedWrite {
    const {
      instanceId,
      row,
      history,
      consume = [],
      inbox = [],
      outboxAdd = [],
      outboxRemove = [],
      deliver = [],
    } = write;
    const current = this.#rows.get(instanceId);
    const isHeld =
      write.incarnation === ""
        ? current === undefined || current.summary.purged
        : current?.incarnation === write.incarnation;
    if (!isHeld) throw new WorkItemLockLostError(`'${instanceId}' is not the instance any more that the turn was for`);
    if (write.wipe === true) this.#wipe(instanceId);
    if (row !== undefined) this.#rows.set(instanceId, row);
    const segments = this.#transaction.objectStore("history");
    if (history?.truncate === true && write.wipe !== true) segments.delete(keysOf(instanceId));
    if (history?.append !== undefined) segments.put(whole(history.append.bytes), [instanceId, history.append.segment]);
    for (const seq of consume) this.#transaction.objectStore("inbox").delete(seq);
    for (const { seq, bytes } of outboxAdd)
      this.#transaction.objectStore("outbox").put(whole(bytes), [instanceId, seq]);
    for (const seq of outboxRemove) this.#transaction.objectStore("outbox").delete([instanceId, seq]);
    const own = inbox.map(({ key, bytes }) => this.#enqueue(instanceId, key, bytes, undefined));
    const deliveries = deliver.map(({ instanceId: target, decide }) => this.append<DeliveryOutcome>(target, decide));
    return () => ({
      inboxSeqs: own.map((addition) => seqOf(addition) ?? 0),
      deliveries: deliveries.map((appended) => appended()),
    });
  }

  /** An append. What `decide` throws goes through: the transaction is then to be aborted. */
  append<T>(instanceId: string, decide: Decide<T>): () => Appended<T> {
    const current = this.#rows.get(instanceId);
    const { row, item, reply, remove, returns, answer } = decide(current);
    if (remove === true || row?.wipe === true) this.#wipe(instanceId);
    if (remove === true) {
      this.#rows.set(instanceId, undefined);
      if (returns === true) this.#returning.add(instanceId);
    }
    if (row !== undefined) {
      const { wipe: _, ...fresh } = row;
      if (current === undefined) this.#fresh.add(instanceId);
      this.#rows.set(instanceId, fresh);
    }
    const own = item === undefined ? undefined : this.#enqueue(instanceId, item.key, item.bytes, item.visibleAt);
    const isHeard = reply !== undefined && this.#rows.get(reply.instanceId) !== undefined;
    const other = !isHeard ? undefined : this.#enqueue(reply.instanceId, reply.key, reply.bytes, undefined);
    return () => {
      const seq = own === undefined ? undefined : seqOf(own);
      const hasReplied = other !== undefined && seqOf(other) !== undefined;
      return {
        instanceId,
        answer,
        created: row !== undefined || remove === true,
        ...(seq === undefined ? {} : { seq }),
        ...(hasReplied && reply !== undefined ? { repliedTo: reply.instanceId } : {}),
      };
    };
  }

  /** Adds what goes into inboxes and writes the rows that changed. Gives the rows as they are now stored. */
  async finish(): Promise<ReadonlyMap<string, InstanceRow | undefined>> {
    for (const seqs of await Promise.all(this.#wiped)) {
      for (const seq of seqs) this.#transaction.objectStore("inbox").delete(seq);
    }
    await this.#add();
    const changed = new Map<string, InstanceRow | undefined>();
    for (const [instanceId, row] of this.#rows) {
      const stored = this.#stored.get(instanceId);
      if (row === stored) continue;
      changed.set(instanceId, row);
      // What is purged takes its files along; a run that is replaced by another of its id leaves them to that. By the time that
      // its tombstone goes, there may be files for the next.
      const isPurged = stored?.summary.purged === false && row?.summary.purged !== false;
      if (isPurged && !this.#returning.has(instanceId)) {
        this.#transaction.objectStore("blobs").delete(keysOf(instanceId));
      }
      if (row === undefined) {
        this.#transaction.objectStore("instances").delete(instanceId);
        this.#transaction.objectStore("listing").delete(instanceId);
        continue;
      }
      this.#transaction.objectStore("instances").put({ ...row, record: whole(row.record) });
      if (listingChanged(stored, row)) this.#transaction.objectStore("listing").put(listingOf(row));
    }
    return changed;
  }

  #enqueue(instanceId: string, key: string | undefined, bytes: Uint8Array, visibleAt: number | undefined): Addition {
    const record: InboxRecord = { instanceId, key: key ?? "", bytes: whole(bytes) };
    const addition: Addition = { record, visibleAt, request: undefined };
    this.#additions.push(addition);
    return addition;
  }

  async #add(): Promise<void> {
    if (this.#additions.length === 0) return;
    const box = this.#transaction.objectStore("inbox").index("box");
    const known = await Promise.all(
      this.#additions.map(({ record }) => {
        const isNew = record.key === "" || this.#fresh.has(record.instanceId);
        return isNew ? undefined : resultOf(box.getKey([record.instanceId, record.key]));
      }),
    );
    const seen = new Set<string>();
    this.#additions.forEach((addition, index) => {
      const { record, visibleAt } = addition;
      const mark = `${record.key}\u0000${record.instanceId}`;
      if (known[index] !== undefined || (record.key !== "" && seen.has(mark))) return;
      seen.add(mark);
      addition.request = this.#transaction.objectStore("inbox").add(record);
      const row = this.#rows.get(record.instanceId);
      // That an item waits is seen by the item itself; only when to look at it has to be said.
      if (row === undefined || visibleAt === undefined || (row.wakeAt ?? Number.POSITIVE_INFINITY) <= visibleAt) return;
      this.#rows.set(record.instanceId, { ...row, wakeAt: visibleAt });
    });
  }

  #wipe(instanceId: string): void {
    this.#transaction.objectStore("history").delete(keysOf(instanceId));
    this.#transaction.objectStore("outbox").delete(keysOf(instanceId));
    this.#wiped.push(resultOf(this.#transaction.objectStore("inbox").index("box").getAllKeys(keysOf(instanceId))));
    this.#fresh.add(instanceId);
    this.#rows.set(instanceId, undefined);
  }
}

function seqOf({ request }: Addition): number | undefined {
  return request === undefined ? undefined : (request.result as number);
}

/** The bytes alone: a view would be stored with the whole buffer that it looks at. */
function whole(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
}
