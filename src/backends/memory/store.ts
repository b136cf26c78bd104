import { WorkItemLockLostError } from "../../core/errors.ts";
import { checkCreates } from "../../core/partition/guest-commit.ts";
import { comparePlaces, matches } from "../../core/partition/paging.ts";
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

interface InboxEntry extends StoredItem {
  readonly key: string | undefined;
}

interface StoredInstance {
  row: InstanceRow;
  segments: Uint8Array[];
  inbox: InboxEntry[];
  outbox: StoredItem[];
}

/**
 * A store in a map. It keeps bytes, as a real one does, so that nothing is shared with the engine by reference, and it
 * works on a copy that takes the place of the whole when a transaction succeeds.
 */
export class MemoryStore implements Store {
  #instances: Map<string, StoredInstance> | undefined;
  /** The instances that are to be looked at at a time, so that the next one is found without a walk over all. */
  readonly #waking = new Map<string, number>();
  #latestEpoch = 0;
  #seq = 0;

  async createHub(): Promise<boolean> {
    if (this.#instances !== undefined) return false;
    this.#instances = new Map();
    return true;
  }

  async deleteHub(): Promise<boolean> {
    const existed = this.#instances !== undefined;
    this.#instances = undefined;
    this.#waking.clear();
    return existed;
  }

  async hubExists(): Promise<boolean> {
    return this.#instances !== undefined;
  }

  /** Makes an epoch the latest, for owners that count by themselves: every commit of an earlier one fails from now on. */
  fence(epoch: number): void {
    this.#latestEpoch = Math.max(this.#latestEpoch, epoch);
  }

  /** A new latest epoch. */
  nextEpoch(): number {
    return ++this.#latestEpoch;
  }

  async load(instanceId: string): Promise<LoadedInstance | undefined> {
    const stored = this.#hub.get(instanceId);
    return stored === undefined ? undefined : { row: stored.row, inbox: [...stored.inbox], outbox: [...stored.outbox] };
  }

  async readInbox(instanceId: string, afterSeq: number): Promise<readonly StoredItem[]> {
    return (this.#hub.get(instanceId)?.inbox ?? []).filter(({ seq }) => seq > afterSeq);
  }

  async readSegments(instanceId: string, from: number, to: number): Promise<readonly Uint8Array[]> {
    return (this.#hub.get(instanceId)?.segments ?? []).slice(from, to);
  }

  async due(now: number, unfinished: boolean): Promise<readonly string[]> {
    const due = [...this.#waking].filter(([, wakeAt]) => wakeAt <= now).map(([instanceId]) => instanceId);
    if (!unfinished) return due;
    const left = [...this.#hub]
      .filter(([, { row, inbox }]) => row.unfinished || inbox.length > 0)
      .map(([instanceId]) => instanceId);
    return [...new Set([...due, ...left])];
  }

  async nextDeadline(now: number): Promise<number | undefined> {
    let next: number | undefined;
    for (const wakeAt of this.#waking.values()) {
      if (wakeAt > now && (next === undefined || wakeAt < next)) next = wakeAt;
    }
    return next;
  }

  async page(query: RowQuery): Promise<readonly InstanceRow[]> {
    const { after } = query;
    const place = (row: InstanceRow): { createdAtMs: number; instanceId: string } => ({
      createdAtMs: row.summary.createdAtMs,
      instanceId: row.instanceId,
    });
    return [...this.#hub.values()]
      .map(({ row }) => row)
      .filter((row) => matches(query, row.instanceId, row.summary))
      .filter((row) => after === undefined || comparePlaces(query, place(row), after) > 0)
      .sort((one, other) => comparePlaces(query, place(one), place(other)))
      .slice(0, query.limit);
  }

  async commit(batch: Commit): Promise<readonly CommittedWrite[]> {
    if (batch.epoch === undefined) checkCreates(batch);
    else if (batch.epoch < this.#latestEpoch) {
      throw new WorkItemLockLostError(`epoch ${batch.epoch} was followed by ${this.#latestEpoch}`);
    }
    const transaction = new Transaction(this.#hub, this.#waking, () => ++this.#seq);
    const done = batch.writes.map((write) => transaction.write(write));
    transaction.commit();
    return done;
  }

  async append<T>(instanceId: string, decide: Decide<T>): Promise<Appended<T>> {
    const transaction = new Transaction(this.#hub, this.#waking, () => ++this.#seq);
    const appended = transaction.append(instanceId, decide);
    transaction.commit();
    return appended;
  }

  get #hub(): Map<string, StoredInstance> {
    this.#instances ??= new Map();
    return this.#instances;
  }
}

/** Changes to copies of the touched instances, put in place together. */
class Transaction {
  readonly #base: Map<string, StoredInstance>;
  readonly #nextSeq: () => number;
  readonly #changed = new Map<string, StoredInstance | undefined>();
  readonly #onCommit: (() => void)[] = [];
  readonly #waking: Map<string, number>;

  constructor(base: Map<string, StoredInstance>, waking: Map<string, number>, nextSeq: () => number) {
    this.#base = base;
    this.#waking = waking;
    this.#nextSeq = nextSeq;
  }

  commit(): void {
    for (const run of this.#onCommit) run();
    for (const [instanceId, stored] of this.#changed) {
      if (stored === undefined) this.#base.delete(instanceId);
      else this.#base.set(instanceId, stored);
      const wakeAt = stored?.row.wakeAt;
      if (wakeAt === undefined) this.#waking.delete(instanceId);
      else this.#waking.set(instanceId, wakeAt);
    }
  }

  #get(instanceId: string): StoredInstance | undefined {
    if (this.#changed.has(instanceId)) return this.#changed.get(instanceId);
    return this.#base.get(instanceId);
  }

  /** A copy that may be changed; the arrays' items are never changed in place. */
  #edit(instanceId: string): StoredInstance | undefined {
    const stored = this.#get(instanceId);
    if (stored === undefined) return undefined;
    if (this.#changed.has(instanceId)) return stored;
    const copy = { ...stored };
    this.#changed.set(instanceId, copy);
    return copy;
  }

  write(write: InstanceWrite): CommittedWrite {
    const { instanceId } = write;
    const current = this.#get(instanceId);
    const isHeld =
      write.incarnation === ""
        ? current === undefined || current.row.summary.purged
        : current?.row.incarnation === write.incarnation;
    if (!isHeld) throw new WorkItemLockLostError(`'${instanceId}' is not the instance any more that the turn was for`);
    if (write.wipe === true) {
      this.#changed.set(
        instanceId,
        write.row === undefined
          ? undefined
          : { row: write.row, segments: [], inbox: [], outbox: current?.outbox ?? [] },
      );
    }
    const stored = this.#edit(instanceId);
    const inboxSeqs: number[] = [];
    if (stored !== undefined) {
      if (write.row !== undefined) stored.row = write.row;
      if (write.history?.truncate === true) stored.segments = [];
      if (write.history?.append !== undefined) {
        const { segments } = stored;
        const { segment, bytes } = write.history.append;
        // Done at the commit, in place: a copy of the list at every turn would make long histories slow.
        this.#onCommit.push(() => segments.splice(segment, segments.length - segment, bytes));
      }
      const { consume = [], outboxAdd = [], outboxRemove = [] } = write;
      if (consume.length > 0) stored.inbox = stored.inbox.filter(({ seq }) => !consume.includes(seq));
      stored.outbox = [...stored.outbox, ...outboxAdd].filter(({ seq }) => !outboxRemove.includes(seq));
      for (const { key, bytes } of write.inbox ?? []) inboxSeqs.push(this.#enqueue(stored, key, bytes) ?? 0);
    }
    const deliveries = (write.deliver ?? []).map(({ instanceId: target, decide }) =>
      this.append<DeliveryOutcome>(target, decide),
    );
    return { deliveries, inboxSeqs };
  }

  append<T>(instanceId: string, decide: Decide<T>): Appended<T> {
    const { row, item, reply, remove, answer } = decide(this.#get(instanceId)?.row);
    if (remove === true) this.#changed.set(instanceId, undefined);
    if (row !== undefined) {
      const { wipe, ...fresh } = row;
      const former = this.#get(instanceId);
      const kept = wipe || former === undefined ? { segments: [], inbox: [], outbox: former?.outbox ?? [] } : former;
      this.#changed.set(instanceId, { ...kept, row: fresh });
    }
    let seq: number | undefined;
    const stored = item === undefined ? undefined : this.#edit(instanceId);
    if (item !== undefined && stored !== undefined) {
      seq = this.#enqueue(stored, item.key, item.bytes);
      if (seq !== undefined) stored.row = awaited(stored.row, item.visibleAt);
    }
    let repliedTo: string | undefined;
    const asker = reply === undefined ? undefined : this.#edit(reply.instanceId);
    if (reply !== undefined && asker !== undefined && this.#enqueue(asker, reply.key, reply.bytes) !== undefined) {
      asker.row = awaited(asker.row, undefined);
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

  #enqueue(stored: StoredInstance, key: string | undefined, bytes: Uint8Array): number | undefined {
    if (key !== undefined && stored.inbox.some((entry) => entry.key === key)) return undefined;
    const seq = this.#nextSeq();
    stored.inbox = [...stored.inbox, { seq, key, bytes }];
    return seq;
  }
}

/** A row whose inbox has grown is to be looked at: now, or when the item becomes visible. */
function awaited(row: InstanceRow, visibleAt: number | undefined): InstanceRow {
  if (visibleAt === undefined) return { ...row, unfinished: true };
  return { ...row, wakeAt: Math.min(row.wakeAt ?? visibleAt, visibleAt) };
}
