import { randomUUID } from "node:crypto";
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, readSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { deserialize, serialize } from "node:v8";
import {
  type Appended,
  type Commit,
  type CommittedWrite,
  type Decide,
  type InstanceRow,
  type LoadedInstance,
  type RowQuery,
  type Store,
  type StoredItem,
  WorkItemLockLostError,
} from "perdura";
import { comparePlaces, isShown } from "./row-query.ts";
import { append, type Snapshot, type Stored, write } from "./snapshot.ts";

/** A store that is one file: every transaction writes all of it to a file beside it, and renames that into its place. */
export class SnapshotStore implements Store {
  readonly #path: string;
  readonly #flush: boolean;
  /** What the file that {@link SnapshotStore.#snapshot} was read from begins with: no two files do so alike. */
  #mark = "";
  #snapshot: Snapshot = { hubExists: false, epoch: 0, seq: 0, instances: new Map() };

  /** @param flush false: the last writes survive the end of the process, but not a loss of power. Default true. */
  constructor(path: string, flush = true) {
    this.#path = path;
    this.#flush = flush;
  }

  async createHub(): Promise<boolean> {
    if (this.#read().hubExists) return false;
    this.#transact((draft) => {
      draft.hubExists = true;
    });
    return true;
  }

  async deleteHub(): Promise<boolean> {
    const { hubExists } = this.#read();
    this.#transact((draft) => {
      draft.hubExists = false;
      draft.instances.clear();
    });
    return hubExists;
  }

  async hubExists(): Promise<boolean> {
    return this.#read().hubExists;
  }

  /** A new latest epoch: every commit of an earlier one fails from now on. */
  nextEpoch(): number {
    return this.#transact((draft) => ++draft.epoch);
  }

  async load(instanceId: string): Promise<LoadedInstance | undefined> {
    return this.#read().instances.get(instanceId);
  }

  async readInbox(instanceId: string, afterSeq: number): Promise<readonly StoredItem[]> {
    return (this.#read().instances.get(instanceId)?.inbox ?? []).filter(({ seq }) => seq > afterSeq);
  }

  async readSegments(instanceId: string, from: number, to: number): Promise<readonly Uint8Array[]> {
    return (this.#read().instances.get(instanceId)?.segments ?? []).slice(from, to);
  }

  async due(now: number, unfinished: boolean): Promise<readonly string[]> {
    const isDue = ({ row, inbox }: Stored): boolean =>
      (row.wakeAt !== undefined && row.wakeAt <= now) || (unfinished && (row.unfinished || inbox.length > 0));
    return [...this.#read().instances.values()].filter(isDue).map(({ row }) => row.instanceId);
  }

  async nextDeadline(now: number): Promise<number | undefined> {
    const moments = [...this.#read().instances.values()].flatMap(({ row }) => row.wakeAt ?? []);
    const next = Math.min(...moments.filter((moment) => moment > now));
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }

  async page(query: RowQuery): Promise<readonly InstanceRow[]> {
    const rows = [...this.#read().instances.values()].map(({ row }) => row).filter((row) => isShown(query, row));
    return rows.sort((one, other) => comparePlaces(query, one, other)).slice(0, query.limit);
  }

  async commit({ epoch, writes }: Commit): Promise<readonly CommittedWrite[]> {
    return this.#transact((draft) => {
      const isLost = epoch === undefined ? writes.some(({ incarnation }) => incarnation !== "") : epoch < draft.epoch;
      if (isLost) throw new WorkItemLockLostError("the store has another owner");
      return writes.map((each) => write(draft, each));
    });
  }

  async append<T>(instanceId: string, decide: Decide<T>): Promise<Appended<T>> {
    return this.#transact((draft) => append(draft, instanceId, decide));
  }

  /** Works on a draft, which counts once it is in the file. Synchronous from end to end, so that no other one interleaves. */
  #transact<T>(run: (draft: Snapshot) => T): T {
    const current = this.#read();
    const draft = { ...current, instances: new Map(current.instances) };
    const answer = run(draft);
    const mark = randomUUID();
    const temporary = `${this.#path}.tmp`;
    writeFileSync(temporary, Buffer.concat([Buffer.from(mark), serialize(draft)]), { flush: this.#flush });
    renameSync(temporary, this.#path);
    if (this.#flush) flushFolder(dirname(this.#path));
    this.#snapshot = draft;
    this.#mark = mark;
    return answer;
  }

  /** What the file holds, read anew when another store has written it. */
  #read(): Snapshot {
    if (!existsSync(this.#path)) return this.#snapshot;
    const file = openSync(this.#path, "r");
    try {
      const head = Buffer.alloc(randomUUID().length);
      readSync(file, head);
      if (head.toString() !== this.#mark) {
        // From behind the mark on: reading goes on where it stopped.
        this.#snapshot = deserialize(readFileSync(file)) as Snapshot;
        this.#mark = head.toString();
      }
    } finally {
      closeSync(file);
    }
    return this.#snapshot;
  }
}

/** A rename is on the disk when its folder is. Windows cannot flush one, and does not need to. */
function flushFolder(path: string): void {
  if (process.platform === "win32") return;
  const folder = openSync(path, "r");
  fsyncSync(folder);
  closeSync(folder);
}
