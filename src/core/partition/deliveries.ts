import { clone, create } from "@bufbuild/protobuf";
import { WorkItemLockLostError } from "../errors.ts";
import {
  type Envelope,
  type IndexEntry,
  IndexEntrySchema,
  type InstanceRecord,
  InstanceRecordSchema,
} from "../protocol/gen/perdura/model/v1/store_pb.ts";
import { refusalReply, sparingDamaged, waitingParentOf } from "./admission.ts";
import type { LiveInstance, QueuedEnvelope } from "./live-instance.ts";
import { decodeItem } from "./live-instance.ts";
import { loadRetryMs, type PartitionContext } from "./partition-context.ts";
import type { Appended, DeliveryOutcome } from "./ports.ts";
import { fenceOf, isEnded, isIndexDirty, isPurged } from "./record.ts";

/** First wait after a delivery that failed, in ms; doubled each time. */
const FIRST_RETRY_MS = 1000;
/** How long news of a running instance wait for more, in ms. */
const INDEX_DELAY_MS = 200;
/** Longest wait between two tries of a delivery, in ms. */
const MAX_RETRY_MS = 60_000;

/**
 * Moves messages between instances: brings the outbox to its targets, at least once and in order for each target; takes
 * what others bring; and tells the index of changes.
 */
export class Deliveries {
  readonly #context: PartitionContext;
  /** Targets that are being delivered to, by sender. */
  readonly #busy = new Set<string>();
  readonly #failures = new Map<string, number>();
  /** Instances whose news wait to be told to the index. */
  readonly #unpublished = new WeakSet<LiveInstance>();

  constructor(context: PartitionContext) {
    this.#context = context;
  }

  /** Takes messages from another partition. Resolves when all are durable (or known to have no effect). */
  async receive(envelopes: readonly Envelope[]): Promise<readonly DeliveryOutcome[]> {
    const outcomes: DeliveryOutcome[] = [];
    for (const envelope of envelopes) {
      const decide = sparingDamaged(envelope, this.#context.now);
      const appended = await this.#context.append(envelope.targetInstanceId, decide);
      this.noteAppended(appended, envelope);
      outcomes.push(appended.answer);
    }
    return outcomes;
  }

  /** After an append or a local delivery: puts the item into the live inbox and has the instance looked at. */
  noteAppended(appended: Appended<unknown>, envelope: Envelope): void {
    const { instanceId, seq, created, repliedTo } = appended;
    const { table, ports } = this.#context;
    if (this.#context.tenure === undefined) {
      // The owner knows of its own appends; another client's it has to be told.
      if (created || seq !== undefined) ports.signals.appended(instanceId, created);
      if (repliedTo !== undefined) ports.signals.appended(repliedTo, false);
    }
    if (created) {
      table.forget(instanceId, new WorkItemLockLostError(`'${instanceId}' was created anew`));
      this.look(instanceId);
      ports.signals.changed(instanceId);
    } else if (seq !== undefined) {
      const live = table.peek(instanceId);
      if (live === undefined) this.look(instanceId);
      // A start that found its child there was taken as another message: see `Envelope.again`.
      else if (envelope.event?.eventType.case === "executionStarted") this.refresh(instanceId);
      else {
        live.enqueue({ seq, envelope });
        this.#context.consider(live);
        if (envelope.visibleAtMs !== undefined) this.#context.rearm();
      }
    }
    if (repliedTo !== undefined) this.refresh(repliedTo);
  }

  /** Loads an instance, when this partition runs, and considers it. */
  look(instanceId: string): void {
    if (this.#context.tenure === undefined) return;
    this.#context.table.stir(instanceId);
    void this.#look(instanceId).catch((error: unknown) => {
      if (this.#context.tenure === undefined) return;
      this.#context.options.logger.error(`'${instanceId}' cannot be loaded; tried again later`, error);
      this.#context.lookAt(instanceId, this.#context.now + loadRetryMs(error));
    });
  }

  async #look(instanceId: string): Promise<void> {
    const live = await this.#context.table.get(instanceId);
    if (live === undefined || live.stale) return;
    this.#context.resume(live);
  }

  /** Reads what others have appended to an instance. */
  refresh(instanceId: string): void {
    const live = this.#context.table.peek(instanceId);
    if (live === undefined) {
      this.look(instanceId);
      return;
    }
    void this.#context.ports.store
      .readInbox(instanceId, live.readUpTo)
      .then((items) => {
        live.noteRead(items);
        this.#context.consider(live);
        this.#context.rearm();
      })
      .catch((error: unknown) => {
        this.#context.options.logger.error(`the inbox of '${instanceId}' cannot be read; tried again later`, error);
        this.#context.later(FIRST_RETRY_MS, () => this.refresh(instanceId));
      });
  }

  /** Compares what is in memory of an instance with the store, where somebody may have written unheard. */
  resync(instanceId: string): void {
    const live = this.#context.table.peek(instanceId);
    if (live === undefined) {
      this.look(instanceId);
      return;
    }
    void this.#resync(live).catch((error: unknown) => {
      this.#context.options.logger.error(`'${instanceId}' cannot be read; tried again later`, error);
      this.#context.later(FIRST_RETRY_MS, () => this.resync(instanceId));
    });
  }

  async #resync(live: LiveInstance): Promise<void> {
    const { instanceId } = live;
    const { table, ports } = this.#context;
    // In turn with the writers: what one of them has just stored is no news.
    await live.exclusive(async () => {
      if (live.stale) return;
      const loaded = await ports.store.load(instanceId);
      if (loaded?.row.incarnation === fenceOf(live.record)) {
        live.noteRead(loaded.inbox);
      } else if (table.peek(instanceId) === live) {
        table.forget(instanceId, new WorkItemLockLostError(`'${instanceId}' was written by another`));
        this.look(instanceId);
      }
    });
    this.#context.consider(live);
    this.#context.rearm();
  }

  /** Brings what is in the instance's outbox on its way, and its changes to the index. */
  pump(live: LiveInstance): void {
    if (this.#context.tenure === undefined || live.stale) return;
    for (const target of new Set(live.outbox.map(({ envelope }) => envelope.targetInstanceId))) {
      void this.#deliver(live, target);
    }
    if (this.#context.ports.index !== undefined && isIndexDirty(live.record)) this.#publishSoon(live);
    else if (isPurged(live.record) && live.outbox.length === 0) void this.#sweepOut(live);
  }

  async #deliver(live: LiveInstance, target: string): Promise<void> {
    const key = `${live.instanceId}\u0000${target}`;
    if (this.#busy.has(key)) return;
    this.#busy.add(key);
    try {
      while (!live.stale && this.#context.tenure !== undefined) {
        const batch = live.outbox.filter(({ envelope }) => envelope.targetInstanceId === target);
        if (batch.length === 0) break;
        const outcomes = await this.#context.ports.router.deliver(
          target,
          batch.map(({ envelope }) => envelope),
        );
        await this.#acknowledge(live, batch, outcomes);
        this.#failures.delete(key);
      }
    } catch (error) {
      this.#retry(key, live, error);
    } finally {
      this.#leave(key, live);
    }
  }

  /** Makes room for the next of its kind: one that took this instance's place meanwhile found the way busy. */
  #leave(key: string, live: LiveInstance): void {
    this.#busy.delete(key);
    const successor = this.#context.table.peek(live.instanceId);
    if (successor !== undefined && successor !== live) this.pump(successor);
  }

  /** Removes delivered messages for good; a refused child becomes the failure of its task, in the same commit. */
  async #acknowledge(
    live: LiveInstance,
    batch: readonly QueuedEnvelope[],
    outcomes: readonly DeliveryOutcome[],
  ): Promise<void> {
    await live.exclusive(async () => {
      if (live.stale) return;
      const { now } = this.#context;
      const delivered = batch.slice(0, outcomes.length);
      const gone = new Set(delivered.map(({ seq }) => seq));
      const refusals = delivered.flatMap(({ envelope }, index) => {
        const outcome = outcomes[index];
        const parent = waitingParentOf(envelope);
        if (outcome?.status !== "refused" || parent === undefined) return [];
        return [refusalReply(envelope, parent, outcome.reason ?? "refused", now)];
      });
      const outbox = live.outbox.filter(({ seq }) => !gone.has(seq));
      const inboxGrows = refusals.length > 0;
      // The row changes only when the outbox runs empty: then the instance may have nothing unfinished left.
      const isEmpty = outbox.length === 0 && live.turn === undefined;
      const record = isEmpty ? clone(InstanceRecordSchema, live.record) : undefined;
      const queues = { inbox: live.inbox, inboxGrows, outboxLength: outbox.length };
      const done = await this.#context.commit(live, {
        outboxRemove: [...gone],
        inbox: refusals.map(({ key, bytes }) => ({ key, bytes })),
        ...(record === undefined ? {} : { row: this.#context.row(record, queues) }),
      });
      if (record !== undefined) live.record = record;
      live.outbox = outbox;
      refusals.forEach(({ bytes }, index) => {
        const seq = done.inboxSeqs[index];
        if (seq !== undefined) live.enqueue(decodeItem({ seq, bytes }));
      });
      await this.#sweep(live);
      this.#context.consider(live);
    });
  }

  /** Removes a tombstone that nobody needs any more, when what was to do so could not. */
  async #sweepOut(live: LiveInstance): Promise<void> {
    const key = `${live.instanceId}\u0000tombstone`;
    if (this.#busy.has(key)) return;
    this.#busy.add(key);
    try {
      await live.exclusive(() => this.#sweep(live));
    } catch (error) {
      this.#retry(key, live, error);
    } finally {
      this.#leave(key, live);
    }
  }

  /** News of the end go at once; others wait a moment, since a short run has several in a row and only the last one counts. */
  #publishSoon(live: LiveInstance): void {
    if (isEnded(live.record) || isPurged(live.record)) {
      void this.#publish(live);
      return;
    }
    if (this.#unpublished.has(live)) return;
    this.#unpublished.add(live);
    this.#context.later(INDEX_DELAY_MS, () => {
      this.#unpublished.delete(live);
      void this.#publish(live);
    });
  }

  async #publish(live: LiveInstance): Promise<void> {
    const { index } = this.#context.ports;
    const key = `${live.instanceId}\u0000index`;
    if (index === undefined || this.#busy.has(key)) return;
    this.#busy.add(key);
    try {
      while (!live.stale && this.#context.tenure !== undefined && isIndexDirty(live.record)) {
        const entry = indexEntryOf(live.record);
        const inTheWay = await index.publish(entry);
        await this.#acknowledgeIndex(live, entry.version, inTheWay);
        this.#failures.delete(key);
      }
    } catch (error) {
      this.#retry(key, live, error);
    } finally {
      this.#leave(key, live);
    }
  }

  async #acknowledgeIndex(live: LiveInstance, version: number, inTheWay: number | undefined): Promise<void> {
    await live.exclusive(async () => {
      if (live.stale) return;
      // A later one of this very run may stand there, when this one came twice: then the record has gone on, too.
      if (inTheWay !== undefined && inTheWay >= live.record.indexVersion) {
        await this.#outbid(live, inTheWay);
        return;
      }
      if (live.record.indexedVersion >= version) return;
      // With a turn on its way, or work that ends in one, its commit carries the acknowledgement; a crash before only means
      // that the index hears of the same version twice.
      if (live.turn !== undefined || live.tasks.size > 0 || isIndexAhead(live.record, version)) {
        live.record.indexedVersion = version;
        return;
      }
      const record = clone(InstanceRecordSchema, live.record);
      record.indexedVersion = version;
      const row = this.#context.row(record, { inbox: live.inbox, outboxLength: live.outbox.length });
      await this.#context.commit(live, { row });
      live.record = record;
      await this.#sweep(live);
    });
  }

  /** The index holds on to a former run of the id: this one goes above it, and is published again. */
  async #outbid(live: LiveInstance, held: number): Promise<void> {
    const record = clone(InstanceRecordSchema, live.record);
    record.indexVersion = held + 1;
    const row = this.#context.row(record, { inbox: live.inbox, outboxLength: live.outbox.length });
    await this.#context.commit(live, { row });
    live.record = record;
  }

  /** A tombstone goes when index and outbox are done with it. */
  async #sweep(live: LiveInstance): Promise<void> {
    const { record } = live;
    if (live.stale || !isPurged(record) || live.outbox.length > 0) return;
    if (this.#context.ports.index !== undefined && isIndexDirty(record)) return;
    await this.#context.commit(live, { wipe: true });
    this.#context.table.forget(live.instanceId, new WorkItemLockLostError(`'${live.instanceId}' was purged`));
  }

  #retry(key: string, live: LiveInstance, error: unknown): void {
    if (this.#context.tenure === undefined || live.stale) return;
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const delay = Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), MAX_RETRY_MS);
    this.#context.options.logger.warn(
      `a message of '${live.instanceId}' was not delivered; next try in ${delay} ms`,
      error,
    );
    this.#context.later(delay, () => this.pump(live));
  }
}

function isIndexAhead(record: InstanceRecord, version: number): boolean {
  return record.indexVersion > version;
}

/** What the index keeps of an instance. */
function indexEntryOf(record: InstanceRecord): IndexEntry {
  const entry = create(IndexEntrySchema, {
    instanceId: record.instanceId,
    version: record.indexVersion,
    deleted: isPurged(record),
    name: record.name,
    status: record.status,
    tags: record.tags,
    createdAtMs: record.createdAtMs,
    lastUpdatedAtMs: record.lastUpdatedAtMs,
    executionId: record.executionId,
  });
  if (record.completedAtMs !== undefined) entry.completedAtMs = record.completedAtMs;
  const parent = record.parent?.orchestrationInstance?.instanceId;
  if (parent !== undefined) entry.parentInstanceId = parent;
  if (record.version !== undefined) entry.versionName = record.version;
  if (record.customStatus !== undefined) entry.customStatus = record.customStatus;
  return entry;
}
