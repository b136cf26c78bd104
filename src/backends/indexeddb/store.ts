import { NotInitializedError, StorageLostError, WorkItemLockLostError } from "../../core/errors.ts";
import { checkCreates } from "../../core/partition/guest-commit.ts";
import type {
  Appended,
  Commit,
  CommittedWrite,
  Decide,
  InstanceRow,
  InstanceWrite,
  LoadedInstance,
  RowQuery,
  Store,
  StoredItem,
} from "../../core/partition/ports.ts";
import { type Connection, type HubTransaction, resultOf, type StoreName } from "./connection.ts";
import { Deadlines } from "./deadlines.ts";
import type { Durability } from "./durability.ts";
import { type Append, GroupAppend, type Outcome } from "./group-append.ts";
import { readPage } from "./listing.ts";
import { type HubRecord, type InboxRecord, keysOf } from "./schema.ts";
import { WriteScope } from "./write-scope.ts";

/** All that a write may touch. */
const WRITTEN: readonly StoreName[] = ["meta", "instances", "listing", "history", "inbox", "outbox", "blobs"];

/** What the steady turns of an orchestration touch: each store that a transaction names costs a little. */
const WRITTEN_BY_STEPS: readonly StoreName[] = ["meta", "instances", "listing", "history"];

/** A task that was parked looks again within this time, in ms: a new owner, with other code or means, looks at once. */
const PARKED_LOOK_MS = 60_000;

/** The store of a hub: one database, one transaction for every commit. */
export class IndexedDbStore implements Store {
  readonly #connection: Connection;
  readonly #durability: Durability;
  readonly #appends: GroupAppend = new GroupAppend();
  #deadlines: Deadlines | undefined;
  #reading: Promise<Deadlines> | undefined;
  /** Called when a commit found that its epoch is over. */
  onFenced: ((epoch: number) => void) | undefined = undefined;

  constructor(connection: Connection, durability: Durability) {
    this.#connection = connection;
    this.#durability = durability;
  }

  async createHub(): Promise<boolean> {
    return this.#changeHub((hub) => (hub.exists ? undefined : { ...hub, exists: true }));
  }

  /** The database stays, and with it the epoch: an owner of the deleted hub must not come back to life in the next. */
  async deleteHub(): Promise<boolean> {
    this.forgetDeadlines();
    return this.#changeHub(
      (hub) => (hub.exists ? { ...hub, exists: false, epoch: hub.epoch + 1 } : undefined),
      (transaction) => {
        for (const name of WRITTEN) if (name !== "meta") transaction.objectStore(name).clear();
      },
    );
  }

  async hubExists(): Promise<boolean> {
    return this.#connection.read(["meta"], async (transaction) => {
      const hub = (await transaction.objectStore("meta").get("hub")) as HubRecord | undefined;
      return hub?.exists === true;
    });
  }

  /** Begins a new epoch: every commit of an earlier one fails from now on. */
  async nextEpoch(): Promise<number> {
    this.forgetDeadlines();
    let epoch = 0;
    await this.#changeHub((hub) => {
      epoch = hub.epoch + 1;
      return { ...hub, epoch };
    });
    return epoch;
  }

  async load(instanceId: string): Promise<LoadedInstance | undefined> {
    return this.#connection.read(["instances", "inbox", "outbox"], async (transaction) => {
      const range = keysOf(instanceId);
      const outbox = transaction.objectStore("outbox");
      const [row, inbox, outboxKeys, outboxBytes] = await Promise.all([
        transaction.objectStore("instances").get(instanceId),
        transaction.objectStore("inbox").index("box").getAll(range),
        outbox.getAllKeys(range),
        outbox.getAll(range),
      ]);
      if (row === undefined) return undefined;
      return {
        row,
        inbox: itemsOf(inbox),
        outbox: outboxBytes.map((bytes, at) => ({ seq: outboxKeys[at]?.[1] ?? 0, bytes })),
      };
    });
  }

  async readInbox(instanceId: string, afterSeq: number): Promise<readonly StoredItem[]> {
    return this.#connection.read(["inbox"], async (transaction) => {
      const found = await transaction.objectStore("inbox").index("box").getAll(keysOf(instanceId));
      return itemsOf(found).filter(({ seq }) => seq > afterSeq);
    });
  }

  async readSegments(instanceId: string, from: number, to: number): Promise<readonly Uint8Array[]> {
    return this.#connection.read(["history"], (transaction) =>
      transaction.objectStore("history").getAll(IDBKeyRange.bound([instanceId, from], [instanceId, to], false, true)),
    );
  }

  async due(now: number, unfinished: boolean): Promise<readonly string[]> {
    return this.#connection.read(["listing", "inbox"], async (transaction) => {
      const listing = transaction.objectStore("listing");
      const until = unfinished ? now + PARKED_LOOK_MS : now;
      const waking = listing.index("wakeAt").getAllKeys(IDBKeyRange.upperBound(until));
      if (!unfinished) return waking;
      const left = listing.index("unfinished").getAllKeys();
      const waiting = waitingIds(transaction);
      return [...new Set((await Promise.all([waking, left, waiting])).flat())];
    });
  }

  /** Deletes those of the instances that have ended, in one transaction. Returns their ids. */
  removeEnded(instanceIds: readonly string[]): Promise<readonly string[]> {
    return this.#write(WRITTEN, "relaxed", instanceIds, (scope) => {
      const gone = instanceIds.map((instanceId) =>
        scope.append(instanceId, (row) => ({ remove: isEndedRow(row), answer: undefined })),
      );
      return () =>
        gone.map((appended) => appended()).flatMap(({ created, instanceId }) => (created ? [instanceId] : []));
    });
  }

  /** Ids of instances with something in their inbox, in case that the news of it was lost. */
  async waiting(): Promise<readonly string[]> {
    this.forgetDeadlines();
    return this.#connection.read(["inbox"], waitingIds);
  }

  /** Whether something is unfinished or waits in an inbox. */
  async hasWork(): Promise<boolean> {
    return this.#connection.read(["listing", "inbox"], async (transaction) => {
      const unfinished = transaction.objectStore("listing").index("unfinished").getKey(IDBKeyRange.lowerBound(0));
      const waiting = transaction.objectStore("inbox").openKeyCursor();
      const [left, item] = await Promise.all([unfinished, waiting]);
      return left !== undefined || item !== null;
    });
  }

  /** How many instances are in each state that occurs. */
  async countByStatus(): Promise<ReadonlyMap<string, number>> {
    return this.#connection.read(["listing"], async (transaction) => {
      const status = transaction.objectStore("listing").index("status");
      const byStatus = new Map<string, number>();
      // From the first of each state to the first of the next: a cursor over all would read all.
      let cursor = await status.openKeyCursor();
      while (cursor !== null) {
        const [name] = cursor.key;
        byStatus.set(name, await status.count(IDBKeyRange.bound([name], [name, []])));
        cursor = await cursor.continue([name, []] as unknown as [string, number, string]);
      }
      return byStatus;
    });
  }

  async nextDeadline(now: number): Promise<number | undefined> {
    return (this.#deadlines ?? (await this.#readDeadlines())).next(now);
  }

  /** Another context may have set a deadline. */
  forgetDeadlines(): void {
    this.#deadlines = undefined;
    this.#reading = undefined;
  }

  async page(query: RowQuery): Promise<readonly InstanceRow[]> {
    return this.#connection.read(["listing", "instances"], (transaction) => readPage(transaction, query));
  }

  async commit(batch: Commit): Promise<readonly CommittedWrite[]> {
    const { epoch, writes } = batch;
    if (epoch === undefined) checkCreates(batch);
    const ids = writes.flatMap(({ instanceId, deliver = [] }) => [
      instanceId,
      ...deliver.map((target) => target.instanceId),
    ]);
    const stores = writes.every(isStep) ? WRITTEN_BY_STEPS : WRITTEN;
    return this.#write(stores, this.#durability.ofCommit(batch), ids, (scope, hub) => {
      if (epoch !== undefined && epoch !== hub.epoch) {
        this.onFenced?.(epoch);
        throw new WorkItemLockLostError(`epoch ${epoch} was followed by ${hub.epoch}`);
      }
      if (!hub.exists) throw new NotInitializedError();
      const done = writes.map((write) => scope.write(write));
      return () => done.map((committed) => committed());
    });
  }

  append<T>(instanceId: string, decide: Decide<T>): Promise<Appended<T>> {
    return this.#appends.submit((members) => this.#appendAll(members), { instanceId, decide });
  }

  /** Appends that came together share a transaction. One that is refused is refused alone: it has written nothing. */
  #appendAll(members: readonly Append[]): Promise<readonly Outcome[]> {
    const ids = members.map(({ instanceId }) => instanceId);
    return this.#write(WRITTEN, this.#durability.accept, ids, (scope, hub) => {
      const done = members.map(({ instanceId, decide }): (() => Outcome) => {
        try {
          if (!hub.exists) throw new NotInitializedError();
          const appended = scope.append(instanceId, decide);
          return () => ({ appended: appended() });
        } catch (error) {
          return () => ({ error });
        }
      });
      return () => done.map((outcome) => outcome());
    });
  }

  #write<T>(
    stores: readonly StoreName[],
    durability: IDBTransactionDurability,
    instanceIds: readonly string[],
    decide: (scope: WriteScope, hub: HubRecord) => () => T,
  ): Promise<T> {
    return this.#connection.write(stores, durability, async (transaction) => {
      const scope = new WriteScope(transaction);
      const hub = await scope.begin(instanceIds);
      if (hub === undefined) throw new StorageLostError(this.#connection.name, "its own record is gone");
      const collect = decide(scope, hub);
      const changed = await scope.finish();
      return () => {
        for (const [instanceId, row] of changed) this.#deadlines?.set(instanceId, row?.wakeAt);
        return collect();
      };
    });
  }

  /** Changes the hub's record, unless the change is none. Says whether it did. */
  #changeHub(
    change: (hub: HubRecord) => HubRecord | undefined,
    also: (transaction: IDBTransaction) => void = () => undefined,
  ): Promise<boolean> {
    return this.#connection.write(WRITTEN, this.#durability.accept, async (transaction) => {
      const meta = transaction.objectStore("meta");
      const hub = await resultOf<HubRecord | undefined>(meta.get("hub"));
      const changed = change(hub ?? { databaseId: this.#connection.databaseId ?? "", epoch: 0, exists: false });
      if (changed !== undefined) {
        also(transaction);
        meta.put(changed, "hub");
      }
      return () => changed !== undefined;
    });
  }

  /** One reading for all who ask at the same time. A write that comes later completes after it, and is noted then. */
  #readDeadlines(): Promise<Deadlines> {
    if (this.#reading !== undefined) return this.#reading;
    const reading = this.#connection
      .read(["listing"], (transaction) => transaction.objectStore("listing").index("wakeAt").getAll())
      .then((found) => {
        const deadlines = new Deadlines();
        for (const { instanceId, wakeAt } of found) deadlines.set(instanceId, wakeAt);
        if (this.#reading === reading) this.#deadlines = deadlines;
        return deadlines;
      })
      .finally(() => {
        if (this.#reading === reading) this.#reading = undefined;
      });
    this.#reading = reading;
    return reading;
  }
}

function isEndedRow(row: InstanceRow | undefined): boolean {
  return row !== undefined && row.summary.completedAtMs !== undefined && !row.unfinished;
}

/** Whether a write touches no queue. */
function isStep({ wipe, consume, inbox, outboxAdd, outboxRemove, deliver }: InstanceWrite): boolean {
  return (
    wipe !== true && [consume, inbox, outboxAdd, outboxRemove, deliver].every((items) => (items?.length ?? 0) === 0)
  );
}

async function waitingIds(transaction: HubTransaction<"readonly">): Promise<string[]> {
  const ids: string[] = [];
  let cursor = await transaction.objectStore("inbox").index("box").openKeyCursor();
  while (cursor !== null) {
    const [instanceId] = cursor.key;
    ids.push(instanceId);
    cursor = await cursor.continue([instanceId, []] as unknown as [string, string]);
  }
  return ids;
}

/** The index orders by key; what counts is the order of arrival. */
function itemsOf(records: readonly InboxRecord[]): StoredItem[] {
  return records.map(({ seq = 0, bytes }) => ({ seq, bytes })).sort((one, other) => one.seq - other.seq);
}
