import { AbortedError } from "../errors.ts";

/**
 * Hands ready keys to waiting takers, first come first served. A key is in the queue once, however often it is offered.
 * `make` turns a key into an item at the moment it is handed out, or says that there is nothing to do for it after all.
 */
export class WorkQueue<K, T> {
  readonly #make: (key: K) => Promise<T | undefined>;
  readonly #ready = new Set<K>();
  readonly #takers: { readonly resolve: (item: T) => void; readonly reject: (reason: unknown) => void }[] = [];
  #pumping = false;

  constructor(make: (key: K) => Promise<T | undefined>) {
    this.#make = make;
  }

  /** How many takers wait. */
  get waiting(): number {
    return this.#takers.length;
  }

  /** How many keys wait. */
  get length(): number {
    return this.#ready.size;
  }

  /** Offers a key. */
  offer(key: K): void {
    this.#ready.add(key);
    this.#pump();
  }

  /** Takes the key out again. */
  withdraw(key: K): void {
    this.#ready.delete(key);
  }

  /** Waits for an item. Rejects with {@link AbortedError} when the signal aborts. */
  take(signal?: AbortSignal): Promise<T> {
    if (signal?.aborted) return Promise.reject(new AbortedError());
    return new Promise<T>((resolve, reject) => {
      const leave = (): void => {
        signal?.removeEventListener("abort", onAbort);
      };
      const taker = {
        resolve: (item: T): void => {
          leave();
          resolve(item);
        },
        reject: (reason: unknown): void => {
          leave();
          reject(reason);
        },
      };
      const onAbort = (): void => {
        const at = this.#takers.indexOf(taker);
        if (at >= 0) this.#takers.splice(at, 1);
        taker.reject(new AbortedError());
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#takers.push(taker);
      this.#pump();
    });
  }

  /** Drops what is ready. Takers stay. */
  clear(): void {
    this.#ready.clear();
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    void this.#run().finally(() => {
      this.#pumping = false;
      // Something may have been offered between the last look and here.
      if (this.#takers.length > 0 && this.#ready.size > 0) this.#pump();
    });
  }

  async #run(): Promise<void> {
    while (this.#takers.length > 0) {
      const next = this.#ready.values().next();
      if (next.done === true) return;
      this.#ready.delete(next.value);
      const item = await this.#make(next.value).catch((error: unknown) => {
        this.onFailure?.(next.value, error);
        return undefined;
      });
      if (item === undefined) continue;
      const taker = this.#takers.shift();
      if (taker === undefined) {
        this.#orphaned(next.value, item);
        return;
      }
      taker.resolve(item);
    }
  }

  /** The taker left while the item was made: the owner gets it back. */
  #orphaned(key: K, item: T): void {
    this.onOrphan?.(key, item);
  }

  /** Called with a key for which no item could be made. */
  onFailure: ((key: K, error: unknown) => void) | undefined = undefined;

  /** Called with an item whose taker left before it could be handed over. */
  onOrphan: ((key: K, item: T) => void) | undefined = undefined;
}
