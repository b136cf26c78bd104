import type { Ownership, Tenure } from "../../core/partition/ports.ts";

/** What counts the owners of a store. */
export interface EpochCounter {
  /** An epoch above every one before it: commits of earlier ones fail from now on. */
  nextEpoch(): number;
}

/** Ownership of a store in memory: whoever asks last has it, and the one before learns that it has lost it. */
export class MemoryOwnership implements Ownership {
  readonly #store: EpochCounter;
  #current: AbortController | undefined;

  constructor(store: EpochCounter) {
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
