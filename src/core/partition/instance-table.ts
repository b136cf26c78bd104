import { LiveInstance } from "./live-instance.ts";
import type { LoadedInstance, Store } from "./ports.ts";

/**
 * The instances that are in memory. Idle ones are forgotten when there are too many, least recently used first; they are
 * loaded again when they are needed.
 */
export class InstanceTable {
  readonly #store: Store;
  readonly #limit: number;
  readonly #live = new Map<string, LiveInstance>();
  readonly #stirred = new Set<string>();
  readonly #loading = new Map<string, Promise<LiveInstance | undefined>>();

  constructor(store: Store, limit: number) {
    this.#store = store;
    this.#limit = limit;
  }

  /** The instance, when it is in memory. */
  peek(instanceId: string): LiveInstance | undefined {
    return this.#live.get(instanceId);
  }

  /**
   * The instance, loaded when it is not in memory. `undefined`: there is none.
   *
   * @throws {@link HistoryDecodeError}, {@link FormatTooNewError}, or what the store throws.
   */
  get(instanceId: string): Promise<LiveInstance | undefined> {
    const known = this.#live.get(instanceId);
    if (known !== undefined) {
      this.#live.delete(instanceId);
      this.#live.set(instanceId, known);
      return Promise.resolve(known);
    }
    let loading = this.#loading.get(instanceId);
    if (loading === undefined) {
      loading = this.#load(instanceId, () => this.#loading.get(instanceId) === loading).finally(() => {
        if (this.#loading.get(instanceId) === loading) this.#loading.delete(instanceId);
      });
      this.#loading.set(instanceId, loading);
    }
    return loading;
  }

  /** Something was appended: a load that is on its way may have been too early to see it, and reads again. */
  stir(instanceId: string): void {
    if (this.#loading.has(instanceId)) this.#stirred.add(instanceId);
  }

  /** @param isWanted false when the instance was let go of meanwhile: what was loaded may be the former one. */
  async #load(instanceId: string, isWanted: () => boolean): Promise<LiveInstance | undefined> {
    let loaded: LoadedInstance | undefined;
    do {
      this.#stirred.delete(instanceId);
      loaded = await this.#store.load(instanceId);
    } while (this.#stirred.has(instanceId) && isWanted());
    if (loaded === undefined) return undefined;
    const live = new LiveInstance(loaded);
    if (!isWanted()) {
      live.stale = true;
      return live;
    }
    this.#live.set(instanceId, live);
    this.#evict(instanceId);
    return live;
  }

  /** Lets go of the instance: the stored one is another now, or gone. What is in flight of it aborts. */
  forget(instanceId: string, reason: unknown): void {
    this.#loading.delete(instanceId);
    const live = this.#live.get(instanceId);
    if (live === undefined) return;
    this.#live.delete(instanceId);
    live.stale = true;
    live.abortAll(reason);
  }

  /** Lets go of all. */
  forgetAll(reason: unknown): void {
    for (const instanceId of [...this.#live.keys(), ...this.#loading.keys()]) this.forget(instanceId, reason);
  }

  /** All instances in memory. */
  [Symbol.iterator](): Iterator<LiveInstance> {
    return this.#live.values();
  }

  #evict(except: string): void {
    if (this.#live.size <= this.#limit) return;
    for (const [instanceId, live] of this.#live) {
      if (this.#live.size <= this.#limit) return;
      if (instanceId !== except && live.isIdle && live.inbox.length === 0 && live.outbox.length === 0)
        this.#live.delete(instanceId);
    }
  }
}
