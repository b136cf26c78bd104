import type { Logger } from "../hub/logger.ts";
import { GroupCommit } from "./group-commit.ts";
import { InstanceTable } from "./instance-table.ts";
import type { LiveInstance, QueuedEnvelope } from "./live-instance.ts";
import type { InstanceRecord } from "../protocol/gen/perdura/model/v1/store_pb.ts";
import type { CommittedWrite, InstanceRow, InstanceWrite, PartitionPorts, Tenure } from "./ports.ts";
import { isEnded, isIndexDirty, rowOf } from "./record.ts";
import { nextLookMs } from "./turn-selection.ts";

/** How often an instance's host may die in a row with work of it in flight, unless an option says otherwise. */
export const DEFAULT_MAX_DEATHS = 5;

/** How a partition behaves. All have defaults. */
export interface PartitionOptions {
  readonly logger: Logger;
  /** Limit on one payload, in UTF-8 bytes. */
  readonly maxPayloadBytes: number;
  /** How many instances are kept in memory between turns (without their history). */
  readonly maxLiveInstances: number;
  /** How often an instance's host may die in a row with work of it in flight before the instance is parked. */
  readonly maxDeaths: number;
}

/** An instance's queues as they will be after a commit. */
export interface QueuesAfter {
  readonly inbox: readonly QueuedEnvelope[];
  /** The commit adds to the inbox. */
  readonly inboxGrows?: boolean;
  readonly outboxLength: number;
}

/** What the parts of one partition share: ports, options, the instances in memory, and the way to commit. */
export class PartitionContext {
  readonly ports: PartitionPorts;
  readonly options: PartitionOptions;
  readonly table: InstanceTable;
  readonly #commits: GroupCommit;
  /** The right to write; absent while the partition does not run. */
  tenure: Tenure | undefined;
  /** Earliest times at which instances are to be looked at, for reasons that are not in the store. */
  readonly soon: Map<string, number> = new Map();
  /** Set by the partition: looks whether an instance has something to do. */
  consider: (live: LiveInstance) => void = () => undefined;
  /** Set by the partition: sets going whatever an instance that was just loaded has to do. */
  resume: (live: LiveInstance) => void = () => undefined;
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

  /** Commits one instance's write; concurrent ones share the batch. */
  commit(write: InstanceWrite): Promise<CommittedWrite> {
    return this.#commits.submit(write);
  }

  /**
   * The row of a record as it stands with the given queues: whether there is unfinished work, and when to look at it.
   */
  row(record: InstanceRecord, queues: QueuesAfter): InstanceRow {
    const { now } = this;
    const parkedUntil = parkedRetryMs(record);
    const isRunnable =
      parkedUntil === undefined &&
      (record.tasks.some((task) => task.parkedReason === undefined) ||
        queues.inboxGrows === true ||
        queues.inbox.some(({ envelope }) => envelope.visibleAtMs === undefined || envelope.visibleAtMs <= now));
    const isIndexBehind = this.ports.index !== undefined && isIndexDirty(record);
    const unfinished = isRunnable || queues.outboxLength > 0 || isIndexBehind;
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
    const moments = [...this.soon.values(), ...this.#later.map(({ atMs }) => atMs)];
    return moments.length === 0 ? undefined : Math.min(...moments);
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

/**
 * When a parked instance is tried again by itself: after a minute, then twice as long each time, an hour at most, since code
 * arrives by deploys. Never for one that kills its host. `undefined`: it is not parked.
 */
export function parkedRetryMs(record: InstanceRecord): number | undefined {
  if (record.parked === undefined) return undefined;
  if (record.parked.code === CRASH_LOOP) return Number.MAX_SAFE_INTEGER;
  return record.lastUpdatedAtMs + Math.min(60_000 * 2 ** Math.min(record.parked.attempts - 1, 6), 3_600_000);
}

/** The code of an instance that was parked because its host died too often with work of it in flight. */
export const CRASH_LOOP = "crash_loop";

function taskRetryMs(record: InstanceRecord): number | undefined {
  const isParked = record.tasks.some((task) => task.parkedReason !== undefined);
  return isParked ? record.lastUpdatedAtMs + 60_000 : undefined;
}
