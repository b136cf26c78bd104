import type { Ownership, Tenure } from "../../core/partition/ports.ts";
import type { SqliteStore } from "./store.ts";

/**
 * Ownership of a database. Other processes are kept out by the database's own lock; within this one, whoever asks last has
 * it, and the one before learns that it has lost it.
 */
export class SqliteOwnership implements Ownership {
  readonly #store: SqliteStore;
  #current: AbortController | undefined;

  constructor(store: SqliteStore) {
    this.#store = store;
  }

  async acquire(): Promise<Tenure> {
    this.#current?.abort();
    const controller = new AbortController();
    this.#current = controller;
    return {
      epoch: await this.#store.nextEpoch(),
      lost: controller.signal,
      release: async () => {
        if (this.#current === controller) this.#current = undefined;
      },
    };
  }
}
