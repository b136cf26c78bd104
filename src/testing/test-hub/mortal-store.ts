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
} from "../../core/partition/ports.ts";
import type { HostLife } from "./crash.ts";

/** A store as one host sees it: what is stored outlives the host, the host's dealings with it do not. */
export class MortalStore implements Store {
  readonly #store: Store;
  readonly #life: HostLife;

  constructor(store: Store, life: HostLife) {
    this.#store = store;
    this.#life = life;
  }

  async commit(batch: Commit): Promise<readonly CommittedWrite[]> {
    await this.#life.pass("before commit");
    const done = await this.#life.live(this.#store.commit(batch));
    await this.#life.pass("after commit");
    return done;
  }

  append<T>(instanceId: string, decide: Decide<T>): Promise<Appended<T>> {
    return this.#life.live(this.#store.append(instanceId, decide));
  }

  createHub(): Promise<boolean> {
    return this.#life.live(this.#store.createHub());
  }

  deleteHub(): Promise<boolean> {
    return this.#life.live(this.#store.deleteHub());
  }

  hubExists(): Promise<boolean> {
    return this.#life.live(this.#store.hubExists());
  }

  load(instanceId: string): Promise<LoadedInstance | undefined> {
    return this.#life.live(this.#store.load(instanceId));
  }

  readInbox(instanceId: string, afterSeq: number): Promise<readonly StoredItem[]> {
    return this.#life.live(this.#store.readInbox(instanceId, afterSeq));
  }

  readSegments(instanceId: string, from: number, to: number): Promise<readonly Uint8Array[]> {
    return this.#life.live(this.#store.readSegments(instanceId, from, to));
  }

  due(now: number, unfinished: boolean): Promise<readonly string[]> {
    return this.#life.live(this.#store.due(now, unfinished));
  }

  nextDeadline(now: number): Promise<number | undefined> {
    return this.#life.live(this.#store.nextDeadline(now));
  }

  page(query: RowQuery): Promise<readonly InstanceRow[]> {
    return this.#life.live(this.#store.page(query));
  }
}
