import { FormatTooNewError, HistoryDecodeError, WorkItemLockLostError } from "../errors.ts";
import type { Logger } from "../hub/logger.ts";
import { abandonDelayMs } from "../hub/work-item.ts";
import { Runner } from "../protocol/gen/perdura/model/v1/history_pb.ts";
import type { InstanceRecord } from "../protocol/gen/perdura/model/v1/store_pb.ts";
import { GroupCommit } from "./group-commit.ts";
import { InstanceTable } from "./instance-table.ts";
import type { LiveInstance, QueuedEnvelope } from "./live-instance.ts";
import type { Appended, CommittedWrite, Decide, InstanceRow, InstanceWrite, PartitionPorts, Tenure } from "./ports.ts";
import { fenceOf, isEnded, isIndexDirty, isPurged, rowOf } from "./record.ts";
import { nextLookMs } from "./turn-selection.ts";

/** How often an instance's host may die in a row with work of it in flight, unless an option says otherwise. */
export const DEFAULT_MAX_DEATHS = 5;

/** How long after a commit that was fenced off the instance is looked at again, in ms. */
const LOOK_AFTER_LOSS_MS = 1000;

/** How a partition behaves. All have defaults. */
export interface PartitionOptions {
  readonly logger: Logger;
  /** Limit on one payload, in UTF-8 bytes. */
  readonly maxPayloadBytes: number;
  /** How many instances are kept in memory between turns (without their history). */
  readonly maxLiveInstances: number;
  /** How often an instance's host may die in a row with work of it in flight before the instance is parked. */
  readonly maxDeaths: number;
  /** Whether code of that name runs in the partition's own process, and so could be what ends it. Default: all does. */
  readonly runsHere?: (kind: "orchestrator" | "activity", name: string) => boolean;
}

/** An instance's queues as they will be after a commit. */
export interface QueuesAfter {
  readonly inbox: readonly QueuedEnvelope[];
  /** The commit adds to the inbox. */
  readonly inboxGrows?: boolean;
  readonly outboxLength: number;
}

/** A write of an instance, but for its address and its fence. */
export type OwnWrite = Omit<InstanceWrite, "instanceId" | "incarnation">;

/** What the parts of one partition share: ports, options, the instances in memory, and the way to commit. */
export class PartitionContext {
  readonly ports: PartitionPorts;
  readonly options: PartitionOptions;
  readonly table: InstanceTable;
  readonly #commits: GroupCommit;
  /** How often in a row the commits of an instance have failed. */
  readonly #failures = new Map<string, number>();
  /** The right to write; absent while the partition does not run. */
  tenure: Tenure | undefined;
  /** Earliest times at which instances are to be looked at, for reasons that are not in the store. */
  readonly soon: Map<string, number> = new Map();
  /** Set by the partition: looks whether an instance has something to do. */
  consider: (live: LiveInstance) => void = () => undefined;
  /** Set by the partition: sets going whatever an instance that was just loaded has to do. */
  resume: (live: LiveInstance) => void = () => undefined;
  /** Set by the partition: makes what waits for the instance's next commit durable without it. */
  rescue: (live: LiveInstance) => Promise<void> = () => Promise.resolve();
  /** Set by the partition: compares what is in memory of an instance with the store. */
  resync: (instanceId: string) => void = () => undefined;
  /** Set by the partition: arms the scheduler anew. */
  rearm: () => void = () => undefined;

  constructor(ports: PartitionPorts, options: PartitionOptions) {
    this.ports = ports;
    this.options = options;
    this.table = new InstanceTable(ports.store, options.maxLiveInstances);
    this.#commits = new GroupCommit(ports.store, () => this.tenure?.epoch ?? -1);
  }

  get now(): number {
    return this.ports.clock.now();
  }

  /**
   * Commits a write of an instance that was planned on its record in memory; concurrent ones share the batch. When that
   * fails, nobody knows what the store holds now: the instance in memory is worth nothing any more, and is loaded again.
   */
  async commit(live: LiveInstance, write: OwnWrite): Promise<CommittedWrite> {
    const { instanceId } = live;
    try {
      const done = await this.#commits.submit({ instanceId, incarnation: fenceOf(live.record), ...write });
      this.#failures.delete(instanceId);
      return done;
    } catch (error) {
      await this.#distrust(live, write, error);
      throw error;
    }
  }

  async #distrust(live: LiveInstance, { deliver = [] }: OwnWrite, error: unknown): Promise<void> {
    const { instanceId } = live;
    const isLost = error instanceof WorkItemLockLostError;
    // What waited for this commit is not to be lost with it.
    if (!isLost) await this.rescue(live);
    if (this.table.peek(instanceId) === live) this.table.forget(instanceId, error);
    if (this.tenure === undefined) return;
    const failures = (this.#failures.get(instanceId) ?? 0) + 1;
    this.#failures.set(instanceId, failures);
    // Not at once after a loss: a writer that has lost its right and has not heard of it yet would try without end.
    const delay = abandonDelayMs(failures - 1) + (isLost ? LOOK_AFTER_LOSS_MS : 0);
    this.lookAt(instanceId, this.now + delay);
    for (const { instanceId: target } of deliver) this.resync(target);
  }

  /**
   * Appends, as any client may. When it cannot be known whether that took effect, the store is looked at: what is in it is to
   * be worked on, whoever was told what.
   */
  async append<T>(instanceId: string, decide: Decide<T>): Promise<Appended<T>> {
    let isRefused = false;
    try {
      return await this.ports.store.append(instanceId, (row) => {
        isRefused = true;
        const admission = decide(row);
        isRefused = false;
        return admission;
      });
    } catch (error) {
      if (!isRefused && this.tenure !== undefined) this.resync(instanceId);
      throw error;
    }
  }

  /** Commits the creation of an instance, which needs no ownership. */
  async create(write: InstanceWrite): Promise<CommittedWrite> {
    if (this.tenure !== undefined) return this.#commits.submit(write);
    const [done] = await this.ports.store.commit({ epoch: undefined, writes: [write] });
    return done ?? { deliveries: [], inboxSeqs: [] };
  }

  /**
   * The row of a record that is to be committed, with the queues as they will be then: whether there is unfinished work, and
   * when to look at it. The record gets its next revision.
   */
  row(record: InstanceRecord, queues: QueuesAfter): InstanceRow {
    const { now } = this;
    record.revision++;
    const parkedUntil = parkedRetryMs(record);
    const isRunnable =
      parkedUntil === undefined && (isInFlight(record, queues.inbox, now) || queues.inboxGrows === true);
    const isIndexBehind = this.ports.index !== undefined && isIndexDirty(record);
    // A tombstone is to be seen to until it is gone.
    const unfinished = isRunnable || isPurged(record) || queues.outboxLength > 0 || isIndexBehind;
    const ownLook = parkedUntil === undefined && !isEnded(record) ? nextLookMs(record, queues.inbox) : undefined;
    const looks = [parkedUntil, taskRetryMs(record), ownLook];
    const known = looks.filter((moment) => moment !== undefined && moment < Number.MAX_SAFE_INTEGER);
    return rowOf(record, { unfinished, wakeAt: known.length === 0 ? undefined : Math.min(...(known as number[])) });
  }

  /** Things to do at a time, for reasons that need not survive the process. */
  readonly #later: { readonly atMs: number; readonly run: () => void }[] = [];

  /** Calls `run` once, `delayMs` from now by the partition's clock; forgotten when the partition stops. */
  later(delayMs: number, run: () => void): void {
    this.#later.push({ atMs: this.now + delayMs, run });
    this.rearm();
  }

  /** Does what is due of {@link later}. */
  runLater(): void {
    const { now } = this;
    const due = this.#later.filter(({ atMs }) => atMs <= now);
    for (const entry of due) this.#later.splice(this.#later.indexOf(entry), 1);
    for (const entry of due) entry.run();
  }

  /** The earliest of the deadlines that are kept in memory only. */
  get nextInMemory(): number | undefined {
    let next: number | undefined;
    for (const atMs of this.soon.values()) if (next === undefined || atMs < next) next = atMs;
    for (const { atMs } of this.#later) if (next === undefined || atMs < next) next = atMs;
    return next;
  }

  /** Forgets all deadlines that are kept in memory only. */
  forgetDeadlines(): void {
    this.soon.clear();
    this.#later.length = 0;
  }

  /** Asks for a look at the instance at a time, or at an earlier one that is known already. */
  lookAt(instanceId: string, atMs: number): void {
    const known = this.soon.get(instanceId);
    if (known !== undefined && known <= atMs) return;
    this.soon.set(instanceId, atMs);
    this.rearm();
  }
}

/** Was work of it in flight that may have ended the partition's process? What remote workers do cannot. */
export function mayHaveKilled(
  record: InstanceRecord,
  inbox: readonly QueuedEnvelope[],
  nowMs: number,
  runsHere: PartitionOptions["runsHere"],
): boolean {
  if (runsHere === undefined) return isInFlight(record, inbox, nowMs);
  const isTurnHere = record.runner !== Runner.REMOTE && runsHere("orchestrator", record.name);
  const tasks = record.tasks.filter(({ name }) => runsHere("activity", name));
  return isInFlight({ ...record, tasks }, isTurnHere ? inbox : [], nowMs);
}

/** Is work of it waiting or in flight, that can go on now? */
function isInFlight(record: InstanceRecord, inbox: readonly QueuedEnvelope[], nowMs: number): boolean {
  return (
    record.tasks.some((task) => task.parkedReason === undefined) ||
    inbox.some(({ envelope }) => envelope.visibleAtMs === undefined || envelope.visibleAtMs <= nowMs)
  );
}

/**
 * When a parked instance is tried again by itself: after a minute, then twice as long each time, an hour at most, since code
 * arrives by deploys. Never for one that kills its host. `undefined`: it is not parked.
 */
export function parkedRetryMs(record: InstanceRecord): number | undefined {
  if (record.parked === undefined) return undefined;
  if (record.parked.code === CRASH_LOOP) return Number.MAX_SAFE_INTEGER;
  return record.lastUpdatedAtMs + parkedDelayMs(record.parked.attempts);
}

/** How long after a failed load an instance is tried again, in ms: what is damaged, or too new, does not mend by itself. */
export function loadRetryMs(error: unknown): number {
  return error instanceof HistoryDecodeError || error instanceof FormatTooNewError ? 600_000 : 10_000;
}

/** The code of an instance that was parked because its host died too often with work of it in flight. */
export const CRASH_LOOP = "crash_loop";

/** How long what is parked waits at first before it is tried again by itself, in ms. */
export const PARKED_RETRY_MS = 60_000;

/** How long what is parked waits after so many tries: a minute, then twice as long each time, an hour at most. */
export function parkedDelayMs(attempts: number): number {
  return Math.min(PARKED_RETRY_MS * 2 ** Math.min(attempts - 1, 6), 3_600_000);
}

function taskRetryMs(record: InstanceRecord): number | undefined {
  let next: number | undefined;
  for (const { parkedReason, parkedUntilMs = record.lastUpdatedAtMs + PARKED_RETRY_MS } of record.tasks) {
    if (parkedReason !== undefined && (next === undefined || parkedUntilMs < next)) next = parkedUntilMs;
  }
  return next;
}
