import type { Tenure } from "../../core/partition/ports.ts";

/** A tenure as its owner keeps it. */
export class HeldTenure implements Tenure {
  readonly epoch: number;
  readonly #lost = new AbortController();
  readonly #end: () => void;

  /** @param end called once, when it is lost or given up. */
  constructor(epoch: number, end: () => void) {
    this.epoch = epoch;
    this.#end = end;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** It was taken away. */
  lose(): void {
    if (this.#lost.signal.aborted) return;
    this.#lost.abort();
    this.#end();
  }

  async release(): Promise<void> {
    this.#end();
  }
}
