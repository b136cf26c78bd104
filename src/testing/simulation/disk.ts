import { MemoryStore } from "../../backends/memory/store.ts";
import { resultKeyOf, resultKeyText } from "../../core/history/dedup.ts";
import type {
  Appended,
  Commit,
  CommittedWrite,
  Decide,
  InstanceRow,
  LoadedInstance,
} from "../../core/partition/ports.ts";
import type { Envelope } from "../../core/protocol/gen/perdura/model/v1/store_pb.ts";
import { type InstanceView, viewOf } from "./instance-view.ts";
import { checkChange } from "./invariants.ts";
import { Violation } from "./violation.ts";

/** Whoever looks on. */
export interface DiskWatch {
  /** The envelope is known to be durable at its target, or to have no effect. */
  wasDelivered(envelope: Envelope): boolean;
  /** Somebody may have rewound a run. */
  readonly maySendAgain: boolean;
  /** Takes a broken promise. */
  report(violation: unknown): void;
  /** Called with each instance after a change. */
  onChange(instanceId: string): void;
}

/** What outlives every process: a store, who may write to it, and a decoded picture of it that is checked at every change. */
export class Disk {
  readonly store: MemoryStore = new MemoryStore();
  /** The latest epoch, and the name of the process that it was given to. */
  epoch = 0;
  owner = "nobody";
  /** Instances with a corrupted record: they are judged no more. */
  readonly damaged: Set<string> = new Set();
  /** Payloads of events that have been accepted at some time. */
  readonly accepted: Set<string> = new Set();
  /** Execution ids of activities that a durable history has asked for at some time. */
  readonly recorded: Set<string> = new Set();
  #lane: Promise<unknown> = Promise.resolve();
  readonly #views = new Map<string, InstanceView>();
  readonly #watch: DiskWatch;

  constructor(watch: DiskWatch) {
    this.#watch = watch;
  }

  /** Gives the right to write to a process. */
  grant(owner: string): number {
    this.owner = owner;
    this.epoch = this.store.nextEpoch();
    return this.epoch;
  }

  /** What is durable of an instance. */
  view(instanceId: string): InstanceView | undefined {
    return this.#views.get(instanceId);
  }

  /** All that is durable. */
  get views(): Iterable<readonly [string, InstanceView]> {
    return this.#views;
  }

  /** Applies a commit of a process. */
  commit(batch: Commit, writer: string): Promise<readonly CommittedWrite[]> {
    return this.#inTurn(() => this.#commit(batch, writer));
  }

  async #commit(batch: Commit, writer: string): Promise<readonly CommittedWrite[]> {
    const wrapped = {
      ...batch,
      writes: batch.writes.map((write) => ({
        ...write,
        ...(write.deliver === undefined
          ? {}
          : {
              deliver: write.deliver.map((each) => ({ ...each, decide: this.#seeing(each.instanceId, each.decide) })),
            }),
      })),
    };
    const { epoch, owner } = this;
    const done = await this.store.commit(wrapped);
    // Without an epoch a batch only creates, which needs no ownership.
    if (batch.epoch !== undefined && (batch.epoch !== epoch || writer !== owner)) {
      this.#watch.report(
        new Violation(
          "a lost owner cannot commit",
          `${writer} committed with epoch ${batch.epoch}; ${owner} has ${epoch}`,
        ),
      );
    }
    const touched = new Set(batch.writes.map(({ instanceId }) => instanceId));
    for (const { deliver = [] } of batch.writes) for (const { instanceId } of deliver) touched.add(instanceId);
    for (const instanceId of touched) await this.#changed(instanceId, "commit");
    return done;
  }

  /** Applies an append of anybody. */
  append<T>(instanceId: string, decide: Decide<T>): Promise<Appended<T>> {
    return this.#inTurn(() => this.#append(instanceId, decide));
  }

  async #append<T>(instanceId: string, decide: Decide<T>): Promise<Appended<T>> {
    const appended = await this.store.append(instanceId, this.#seeing(instanceId, decide));
    await this.#changed(instanceId, "append");
    if (appended.repliedTo !== undefined) await this.#changed(appended.repliedTo, "append");
    return appended;
  }

  /** An instance as a process reads it. */
  async load(instanceId: string): Promise<LoadedInstance | undefined> {
    const loaded = await this.store.load(instanceId);
    if (loaded === undefined || !this.damaged.has(instanceId)) return loaded;
    return { ...loaded, row: spoilt(loaded.row) };
  }

  /** Segments as a process reads them. */
  async readSegments(instanceId: string, from: number, to: number): Promise<readonly Uint8Array[]> {
    const segments = await this.store.readSegments(instanceId, from, to);
    return this.damaged.has(instanceId) ? segments.map(spoil) : segments;
  }

  /** Is the result of that activity durable, or does nothing wait for it any more? */
  hasResult(instanceId: string, generation: number, taskId: number): boolean {
    const view = this.#views.get(instanceId);
    if (view === undefined || this.damaged.has(instanceId)) return true;
    if (view.record.generation !== generation || !view.record.tasks.some(({ id }) => id === taskId)) return true;
    const key = `task:${taskId}`;
    return [...view.inbox.values()].some(({ event }) => {
      const result = event === undefined ? undefined : resultKeyOf(event);
      return result !== undefined && resultKeyText(result) === key;
    });
  }

  /** One change after the other, so that each is compared with the picture before it. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#lane.then(run);
    this.#lane = done.catch(() => undefined);
    return done;
  }

  #seeing<T>(instanceId: string, decide: Decide<T>): Decide<T> {
    return (row) => decide(row !== undefined && this.damaged.has(instanceId) ? spoilt(row) : row);
  }

  async #changed(instanceId: string, by: "commit" | "append"): Promise<void> {
    const before = this.#views.get(instanceId);
    const after = await viewOf(this.store, instanceId, before);
    if (after === undefined) this.#views.delete(instanceId);
    else this.#views.set(instanceId, after);
    for (const { event } of after?.inbox.values() ?? []) {
      if (event?.eventType.case === "eventRaised") this.accepted.add(event.eventType.value.input ?? "");
    }
    for (const { eventType } of after?.events === before?.events ? [] : (after?.events ?? [])) {
      if (eventType.case === "taskScheduled") this.recorded.add(eventType.value.taskExecutionId);
    }
    if (this.damaged.has(instanceId)) return;
    try {
      checkChange({ instanceId, before, after, by, ...this.#watch });
      this.#watch.onChange(instanceId);
    } catch (error) {
      this.#watch.report(error);
    }
  }
}

function spoil(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(Math.max(1, bytes.length)).fill(0xff);
}

function spoilt(row: InstanceRow): InstanceRow {
  return { ...row, record: spoil(row.record) };
}
