import { StorageError } from "../../../core/errors.ts";
import type {
  Appended,
  Commit,
  CommittedWrite,
  Decide,
  InstanceRow,
  LoadedInstance,
  RowQuery,
  Store,
  StoredItem,
} from "../../../core/partition/ports.ts";
import type { FaultKind } from "../faults.ts";
import type { Host } from "../host.ts";

/** How long a poisoned member or a full disk stays so, in ms. */
const TROUBLE_MS = 5000;

/**
 * A process's connection to its disk. Every request takes effect some time after it was made, in any order, and its answer comes
 * later still; either may fail, and a process may die in between.
 */
export class SimulatedStore implements Store {
  readonly #host: Host;
  readonly #pending = new Set<() => void>();
  #poisoned: { readonly instanceId: string; readonly untilMs: number } | undefined;
  #fullUntilMs = 0;
  /** The disk's side of the connection: it works on while the process is frozen. */
  readonly #controller: { readonly name: string; readonly state: "running" };

  constructor(host: Host) {
    this.#host = host;
    this.#controller = { name: `${host.name}'s disk`, state: "running" };
  }

  /** The process has died: each request of it has still been carried out, or never will be. */
  abandon(): void {
    const { world } = this.#host;
    world.loop.drop(this.#controller);
    for (const run of this.#pending) if (world.faults.random.chance(0.5)) run();
    this.#pending.clear();
  }

  createHub(): Promise<boolean> {
    return this.#host.disk.store.createHub();
  }

  deleteHub(): Promise<boolean> {
    return this.#host.disk.store.deleteHub();
  }

  hubExists(): Promise<boolean> {
    return this.#host.disk.store.hubExists();
  }

  load(instanceId: string): Promise<LoadedInstance | undefined> {
    return this.#read(`load of '${instanceId}'`, () => this.#host.disk.load(instanceId));
  }

  readInbox(instanceId: string, afterSeq: number): Promise<readonly StoredItem[]> {
    return this.#read(`reading of the inbox of '${instanceId}'`, () =>
      this.#host.disk.store.readInbox(instanceId, afterSeq),
    );
  }

  readSegments(instanceId: string, from: number, to: number): Promise<readonly Uint8Array[]> {
    return this.#read(`reading of the history of '${instanceId}'`, () =>
      this.#host.disk.readSegments(instanceId, from, to),
    );
  }

  due(now: number, unfinished: boolean): Promise<readonly string[]> {
    return this.#read("question what is due", () => this.#host.disk.store.due(now, unfinished));
  }

  nextDeadline(now: number): Promise<number | undefined> {
    return this.#read("question for the next deadline", () => this.#host.disk.store.nextDeadline(now));
  }

  page(query: RowQuery): Promise<readonly InstanceRow[]> {
    return this.#read("page", () => this.#host.disk.store.page(query));
  }

  commit(batch: Commit): Promise<readonly CommittedWrite[]> {
    const ids = batch.writes.map(({ instanceId }) => instanceId);
    const { world, disk, name } = this.#host;
    if (world.faults.happens("a member of commits is poisoned")) {
      this.#poisoned = { instanceId: ids[0] ?? "", untilMs: world.loop.nowMs + TROUBLE_MS };
    }
    return this.#request(`commit of ${ids.map((id) => `'${id}'`).join(", ")}`, "commit", async () => {
      const poisoned = this.#poisoned;
      if (
        poisoned !== undefined &&
        world.loop.nowMs < poisoned.untilMs &&
        !world.faults.isCalm &&
        ids.includes(poisoned.instanceId)
      ) {
        throw new StorageError(`'${poisoned.instanceId}' cannot be stored`);
      }
      return disk.commit(batch, name);
    });
  }

  append<T>(instanceId: string, decide: Decide<T>): Promise<Appended<T>> {
    return this.#request(`append to '${instanceId}'`, "append", () => this.#host.disk.append(instanceId, decide));
  }

  #read<T>(words: string, apply: () => Promise<T>): Promise<T> {
    return this.#carry(words, async () => {
      if (this.#host.world.faults.happens("read fails")) throw new StorageError("the store cannot be read");
      return apply();
    });
  }

  #request<T>(words: string, kind: "commit" | "append", apply: () => Promise<T>): Promise<T> {
    const { faults, loop } = this.#host.world;
    const fails = (when: "before it takes effect" | "after it took effect"): boolean =>
      faults.happens(`${kind} fails ${when}` satisfies FaultKind);
    return this.#carry(words, async () => {
      if (faults.happens("quota is used up")) this.#fullUntilMs = loop.nowMs + TROUBLE_MS;
      if (loop.nowMs < this.#fullUntilMs && !faults.isCalm) throw new StorageError("the quota is used up");
      if (fails("before it takes effect")) throw new StorageError(`the ${words} failed`);
      const value = await apply();
      if (fails("after it took effect")) throw new StorageError(`the ${words} may have failed`);
      return value;
    });
  }

  #carry<T>(words: string, apply: () => Promise<T>): Promise<T> {
    const host = this.#host;
    const { loop } = host.world;
    return new Promise((resolve, reject) => {
      if (host.state === "dead") return;
      const run = (): void => {
        this.#pending.delete(run);
        void apply().then(
          (value) => {
            if (host.state !== "dead") loop.post(host, `hears of its ${words}`, () => resolve(value));
          },
          (error: unknown) => {
            if (host.state !== "dead")
              loop.post(host, `hears that its ${words} failed: ${String(error)}`, () => reject(error));
          },
        );
      };
      this.#pending.add(run);
      loop.post(this.#controller, `carries out the ${words}`, run);
    });
  }
}
