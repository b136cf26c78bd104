/**
 * What a partition needs of its host. A host implements these small interfaces and nothing else; the Backend contract is
 * written once, over them, in this folder.
 */
import type { Envelope, IndexEntry } from "../protocol/gen/perdura/model/v1/store_pb.ts";
import type { RuntimeStatus } from "../protocol/status.ts";

/** Tells the time, in epoch ms. It may jump; the engine never lets a turn's time go backwards. */
export interface Clock {
  now(): number;
}

/** Makes random ids. */
export interface Ids {
  /** A UUID. */
  uuid(): string;
}

/** The fields of an instance that a store may index and page by. */
export interface InstanceSummary {
  readonly name: string;
  readonly status: RuntimeStatus;
  readonly tags: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
  readonly lastUpdatedAtMs: number;
  readonly completedAtMs: number | undefined;
  readonly parentInstanceId: string | undefined;
  /** A purged instance, kept until the index and the outbox are done with it; no page shows it. */
  readonly purged: boolean;
}

/** An instance's row. */
export interface InstanceRow {
  readonly instanceId: string;
  /**
   * Changes whenever the id is created anew, and with every commit that writes the row: what was planned on another state
   * cannot commit. Opaque to the store, which only compares.
   */
  readonly incarnation: string;
  /** A marshalled InstanceRecord. */
  readonly record: Uint8Array;
  readonly summary: InstanceSummary;
  /** Work is waiting or in flight, so that the instance is to be looked at when the partition starts. */
  readonly unfinished: boolean;
  /** Epoch ms at which it is to be looked at, whatever else happens. */
  readonly wakeAt: number | undefined;
}

/** A stored envelope and its place in the queue. */
export interface StoredItem {
  /** Rises in order of arrival, within an instance. */
  readonly seq: number;
  /** A marshalled Envelope. */
  readonly bytes: Uint8Array;
}

/** An instance as loaded. */
export interface LoadedInstance {
  readonly row: InstanceRow;
  /** Waiting events, oldest first. */
  readonly inbox: readonly StoredItem[];
  /** Undelivered messages, oldest first. */
  readonly outbox: readonly StoredItem[];
}

/** What {@link Store.append} is to do, as decided inside its transaction. */
export interface Admission<T> {
  /** Create the instance, or replace it: with `wipe`, its history and inbox go first. Its outbox stays: others wait for it. */
  readonly row?: InstanceRow & { readonly wipe: boolean };
  /** An event for the inbox. Where the inbox holds an item of the same key, nothing is added. */
  readonly item?: {
    readonly key: string | undefined;
    readonly bytes: Uint8Array;
    readonly visibleAt: number | undefined;
  };
  /** An event for another instance's inbox, in the same transaction: the answer to a refused start. */
  readonly reply?: { readonly instanceId: string; readonly key: string; readonly bytes: Uint8Array };
  /** Delete all that is stored of the instance: the purge of one that no turn will touch again. */
  readonly remove?: boolean;
  /** With `remove`: the instance is about to be put back. What a host keeps beside it, such as files, stays for it. */
  readonly returns?: boolean;
  /** Handed back to the caller. */
  readonly answer: T;
}

/** Decides on an append, seeing the instance's row as it is in the transaction. May throw: then nothing is stored. */
export type Decide<T> = (current: InstanceRow | undefined) => Admission<T>;

/** What an append did. */
export interface Appended<T> {
  readonly instanceId: string;
  readonly answer: T;
  /** The item's place in the inbox; absent when none was added. */
  readonly seq?: number;
  /** The instance was created, replaced or removed. */
  readonly created: boolean;
  /** The instance whose inbox the reply went to. */
  readonly repliedTo?: string;
}

/** One instance's part of a commit. */
export interface InstanceWrite {
  readonly instanceId: string;
  /**
   * The commit fails for this member when the stored incarnation is another. The empty text: it fails unless there is no
   * instance of that id, or a purged one.
   */
  readonly incarnation: string;
  /** The new row; absent: unchanged. */
  readonly row?: InstanceRow;
  /** Delete all that is stored of the instance; when `row` is given (a tombstone, a new run), row and outbox stay. */
  readonly wipe?: boolean;
  /** History: first dropped when `truncate`, then one segment appended. */
  readonly history?: {
    readonly truncate: boolean;
    readonly append?: { readonly segment: number; readonly bytes: Uint8Array };
  };
  /** Inbox items that the turn consumed. */
  readonly consume?: readonly number[];
  /** Items for the instance's own inbox: a new generation that begins in the next turn. */
  readonly inbox?: readonly { readonly key: string | undefined; readonly bytes: Uint8Array }[];
  readonly outboxAdd?: readonly StoredItem[];
  readonly outboxRemove?: readonly number[];
  /** The write schedules activities: they begin once it is durable. */
  readonly schedulesWork?: boolean;
  /** Messages to instances of this partition, delivered in the same transaction, in order. */
  readonly deliver?: readonly { readonly instanceId: string; readonly decide: Decide<DeliveryOutcome> }[];
}

/** What became of a delivered envelope. */
export interface DeliveryOutcome {
  /**
   * `accepted`: in the inbox, or there already. `dropped`: acknowledged, since it can have no effect. `refused`: a
   * sub-orchestration could not be started; the sender is told through its failure.
   */
  readonly status: "accepted" | "dropped" | "refused";
  /** Why, when it was not accepted. */
  readonly reason?: string;
}

/** An atomic batch. */
export interface Commit {
  /**
   * The owner's epoch: when the store has seen a later one, nothing is stored. `undefined`: from a client that is not the
   * owner; it may only create instances, so that every member's incarnation must be the empty text.
   */
  readonly epoch: number | undefined;
  readonly writes: readonly InstanceWrite[];
}

/** What a member of a batch did beside its own rows. */
export interface CommittedWrite {
  readonly deliveries: readonly Appended<DeliveryOutcome>[];
  /** Places given to `inbox` items. */
  readonly inboxSeqs: readonly number[];
}

/** A page of rows, by creation time and id. */
export interface RowQuery {
  readonly statuses: readonly RuntimeStatus[] | undefined;
  readonly names: readonly string[] | undefined;
  readonly tags: Readonly<Record<string, string>> | undefined;
  readonly idPrefix: string | undefined;
  readonly createdFrom: number | undefined;
  readonly createdTo: number | undefined;
  readonly completedFrom: number | undefined;
  readonly completedTo: number | undefined;
  readonly newestFirst: boolean;
  readonly limit: number;
  /** Rows behind this place only. */
  readonly after: { readonly createdAtMs: number; readonly instanceId: string } | undefined;
}

/** Keeps instances. All bytes are opaque to it; a resolved promise of a writing call means that the write is durable. */
export interface Store {
  /** Creates the hub. Returns false when it is there. */
  createHub(): Promise<boolean>;
  /** Deletes the hub with everything in it. Returns false when there is none. */
  deleteHub(): Promise<boolean>;
  hubExists(): Promise<boolean>;
  /** One instance, without its history. */
  load(instanceId: string): Promise<LoadedInstance | undefined>;
  /** Inbox items behind `afterSeq`, oldest first. */
  readInbox(instanceId: string, afterSeq: number): Promise<readonly StoredItem[]>;
  /** History segments `from` (inclusive) to `to` (exclusive), in order. */
  readSegments(instanceId: string, from: number, to: number): Promise<readonly Uint8Array[]>;
  /**
   * Ids to look at: whose `wakeAt` is at or before `now`; and when `unfinished`, also those whose row says that they are
   * so, and those with anything in their inbox, since the owner's rows do not know of news that it has not heard.
   */
  due(now: number, unfinished: boolean): Promise<readonly string[]>;
  /** The smallest `wakeAt` after `now`. */
  nextDeadline(now: number): Promise<number | undefined>;
  /** Rows in order of creation. */
  page(query: RowQuery): Promise<readonly InstanceRow[]>;
  /**
   * Stores a batch whole or not at all.
   *
   * @throws {@link WorkItemLockLostError} when the epoch is not the latest, or a member's incarnation is not the stored one.
   */
  commit(batch: Commit): Promise<readonly CommittedWrite[]>;
  /**
   * Adds to an inbox, or creates an instance, for any client and unfenced: it touches nothing that a turn writes. `decide`
   * runs synchronously inside the transaction.
   */
  append<T>(instanceId: string, decide: Decide<T>): Promise<Appended<T>>;
}

/** The right to be a partition's one writer. */
export interface Tenure {
  /** Higher than every one before it; every commit carries it. */
  readonly epoch: number;
  /** Aborts when the right is lost. */
  readonly lost: AbortSignal;
  /** Gives it up. */
  release(): Promise<void>;
}

/** Hands out the right. */
export interface Ownership {
  acquire(): Promise<Tenure>;
}

/** Carries news between the clients and the owner of a partition. It may lose news; the store is the truth. */
export interface Signals {
  /**
   * News can get lost, say because its sender dies between the append and the word of it: the owner then looks into the
   * store from time to time. Absent where whoever appends is the owner.
   */
  readonly mayLose?: boolean;
  /** Tells the owner that an inbox has grown. `replaced`: the instance was created anew. */
  appended(instanceId: string, replaced: boolean): void;
  onAppended(listener: (instanceId: string, replaced: boolean) => void): () => void;
  /** Tells watchers that an instance has changed. */
  changed(instanceId: string): void;
  /** The listener is given `undefined` when news may have been lost: any instance may have changed. */
  onChanged(listener: (instanceId: string | undefined) => void): () => void;
}

/** Wakes the partition at a time. */
export interface Scheduler {
  /** Replaces what was armed before. `undefined`: no deadline. */
  arm(wakeAt: number | undefined): void;
  onWake(listener: () => void | Promise<void>): () => void;
}

/** Brings messages to other partitions. */
export interface Router {
  /** True when the target lives in this partition; its messages are then part of the commit that sends them. */
  isLocal(instanceId: string): boolean;
  /**
   * Delivers messages to one target, in order: all, or as many from the front as go at once, one at least. Resolves when the
   * target has made these durable, with one outcome each; the others are sent again. Rejects
   * when it cannot be known whether it did: they are then sent again.
   */
  deliver(targetInstanceId: string, envelopes: readonly Envelope[]): Promise<readonly DeliveryOutcome[]>;
}

/** Where a partition of few instances tells of them, so that all can be listed. Absent where the store itself can list. */
export interface Index {
  /**
   * Stores an entry unless its version, or a later one, is there. Resolves when that is durable, with what
   * `standsInTheWay` says of the entry that is there now: the version of another one that kept this one out.
   */
  publish(entry: IndexEntry): Promise<number | undefined>;
}

/** Real-time timers of the process, for what need not be durable. */
export interface Timers {
  /** Calls `run` after `ms`; the returned function cancels it. */
  set(ms: number, run: () => void): () => void;
}

/** All ports of one partition. */
export interface PartitionPorts {
  readonly store: Store;
  readonly ownership: Ownership;
  readonly signals: Signals;
  readonly scheduler: Scheduler;
  readonly router: Router;
  readonly index?: Index;
  /** Lets what is ready run, until nothing moves: see design.md, "Settling". */
  readonly settle: () => Promise<void>;
  readonly clock: Clock;
  readonly ids: Ids;
}
