import type { Ownership, Tenure } from "../../core/partition/ports.ts";
import type { MemoryStore } from "./store.ts";

/** Ownership of a store in memory: whoever asks last has it, and the one before learns that it has lost it. */
export class MemoryOwnership implements Ownership {
  readonly #store: MemoryStore;
  #current: AbortController | undefined;

  constructor(store: MemoryStore) {
    this.#store = store;
  }

  async acquire(): Promise<Tenure> {
    this.#current?.abort();
    const controller = new AbortController();
    this.#current = controller;
    return {
      // Counted by the store, so that it also fences off owners that know nothing of this object.
      epoch: this.#store.nextEpoch(),
      lost: controller.signal,
      release: async () => {
        if (this.#current === controller) this.#current = undefined;
      },
    };
  }
}
