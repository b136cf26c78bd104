import { resultKeyOf } from "../history/dedup.ts";
import type { HistoryEvent } from "../protocol/gen/perdura/model/v1/history_pb.ts";
import type { Envelope, InstanceRecord } from "../protocol/gen/perdura/model/v1/store_pb.ts";
import { unmarshalEnvelope } from "../protocol/marshal.ts";
import type { LoadedInstance, StoredItem } from "./ports.ts";
import { readRecord } from "./record.ts";

/** How many inbox places are remembered, to tell late news from new items. */
const MAX_KNOWN_SEQS = 8192;

/** A stored envelope, decoded. */
export interface QueuedEnvelope {
  readonly seq: number;
  readonly envelope: Envelope;
}

/** An activity's result that is to be committed with the turn that it wakes. */
export interface StagedResult {
  readonly taskId: number;
  readonly generation: number;
  readonly event: HistoryEvent;
  /** The result is durable, or can have no effect any more. */
  readonly resolve: () => void;
  /** The result could not be made durable. */
  readonly reject: (reason: unknown) => void;
}

/** An activity that has been scheduled and has no durable result. */
export interface TaskDispatch {
  readonly id: number;
  readonly generation: number;
  /** Segment of the history that holds its TaskScheduled event. */
  readonly segment: number;
  /** The event, once it was needed. */
  event: HistoryEvent | undefined;
  /** The hand-out in progress. */
  lockedBy: string | undefined;
  controller: AbortController | undefined;
  retryCount: number;
  /** A result is staged or in the inbox: it is not run again. */
  answered: boolean;
}

/** A turn that was handed out and not yet committed. */
export interface OpenTurn {
  readonly lockedBy: string;
  readonly controller: AbortController;
  /** Inbox items that the turn's commit consumes. */
  readonly consumed: readonly QueuedEnvelope[];
  readonly staged: readonly StagedResult[];
  readonly retryCount: number;
}

/**
 * What a partition keeps in memory of an instance: its record, its queues, and what is in flight. No history.
 * The record is the committed one; a turn works on a copy.
 */
export class LiveInstance {
  readonly instanceId: string;
  record: InstanceRecord;
  inbox: QueuedEnvelope[];
  outbox: QueuedEnvelope[];
  staged: StagedResult[] = [];
  readonly tasks: Map<number, TaskDispatch> = new Map();
  turn: OpenTurn | undefined;
  /** How often the next turn has been abandoned. */
  turnRetries = 0;
  /** Epoch ms before which no turn is handed out, after one was abandoned. */
  notBefore: number | undefined;
  /** Epoch ms before which results wait for others to join them. */
  joinUntil: number | undefined;
  /** Set when the stored instance is no longer this one: purged or created anew. */
  stale = false;
  /** Set when what is parked is to be tried once more. */
  retryParked = false;
  /** Set when a turn is to be run although nothing has arrived. */
  turnAsked = false;
  readonly #known = new Set<number>();
  #lane: Promise<unknown> = Promise.resolve();
  #laneLength = 0;

  constructor(loaded: LoadedInstance) {
    this.instanceId = loaded.row.instanceId;
    this.record = readRecord(loaded.row);
    this.inbox = loaded.inbox.map(decodeItem);
    this.outbox = loaded.outbox.map(decodeItem);
    for (const { seq } of this.inbox) this.#known.add(seq);
    this.readUpTo = this.inbox.at(-1)?.seq ?? 0;
    for (const task of this.record.tasks) this.addTask(task.id, task.segment, undefined);
    for (const { envelope } of this.inbox) this.#noteResult(envelope);
  }

  /** Notes an activity that is to be run. */
  addTask(id: number, segment: number, event: HistoryEvent | undefined): void {
    const { generation } = this.record;
    const fields = { lockedBy: undefined, controller: undefined, retryCount: 0, answered: false };
    this.tasks.set(id, { id, generation, segment, event, ...fields });
  }

  /** Nothing of it is in flight: it can be forgotten and loaded again. */
  get isIdle(): boolean {
    return this.turn === undefined && this.staged.length === 0 && this.tasks.size === 0 && this.#laneLength === 0;
  }

  /** The place up to which the inbox was read from the store. What else is known may have gaps: others append, too. */
  readUpTo: number;

  /** Adds what was read from the store behind {@link readUpTo}. */
  noteRead(items: readonly StoredItem[]): void {
    for (const item of items) {
      this.enqueue(decodeItem(item));
      this.readUpTo = Math.max(this.readUpTo, item.seq);
    }
  }

  /** Adds an inbox item in its place. News of it may come twice, or after a turn has consumed it: then nothing is added. */
  enqueue(item: QueuedEnvelope): void {
    if (this.#known.has(item.seq)) return;
    this.#known.add(item.seq);
    this.inbox.push(item);
    this.#noteResult(item.envelope);
    if ((this.inbox.at(-2)?.seq ?? 0) > item.seq) this.inbox.sort((one, other) => one.seq - other.seq);
  }

  /** An activity whose result is durable is not run again. */
  #noteResult({ event, generation }: Envelope): void {
    const result = event === undefined ? undefined : resultKeyOf(event);
    const task = result?.kind === "task" ? this.tasks.get(result.id) : undefined;
    if (task !== undefined && (generation ?? task.generation) === task.generation) task.answered = true;
  }

  /** Removes what a turn has consumed. */
  dequeue(consumed: readonly QueuedEnvelope[]): void {
    if (consumed.length === 0) return;
    const gone = new Set(consumed.map(({ seq }) => seq));
    this.inbox = this.inbox.filter(({ seq }) => !gone.has(seq));
    if (this.#known.size > MAX_KNOWN_SEQS) {
      // Late news can only be of recent items.
      for (const seq of [...this.#known].slice(0, MAX_KNOWN_SEQS / 2)) {
        if (!this.inbox.some((item) => item.seq === seq)) this.#known.delete(seq);
      }
    }
  }

  /** Ends the promises of staged results that can no longer be committed. */
  rejectStaged(reason: unknown): void {
    for (const result of this.staged.splice(0)) result.reject(reason);
  }

  /** Runs one writer of the record after the other: a write is planned only when the one before is applied. */
  exclusive<T>(run: () => Promise<T>): Promise<T> {
    this.#laneLength++;
    const result = this.#lane.then(run, run).finally(() => this.#laneLength--);
    this.#lane = result.catch(() => undefined);
    return result;
  }

  /** Aborts what is in flight, for the given reason, and lets go of it. */
  abortAll(reason: unknown): void {
    this.turn?.controller.abort(reason);
    for (const task of this.tasks.values()) task.controller?.abort(reason);
    this.rejectStaged(reason);
  }
}

/** Decodes a queue's item. @throws {@link HistoryDecodeError}. */
export function decodeItem(item: StoredItem): QueuedEnvelope {
  return { seq: item.seq, envelope: unmarshalEnvelope(item.bytes) };
}
