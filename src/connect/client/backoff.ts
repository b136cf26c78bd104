/** Delays that grow, with jitter: clients that lost a server together do not come back together. */
export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  readonly #random: () => number;
  #failures = 0;

  constructor(firstMs: number, maxMs: number, random: () => number = Math.random) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
    this.#random = random;
  }

  /** It went well: the next delay is the first one again. */
  reset(): void {
    this.#failures = 0;
  }

  /** The delay after one more failure, in ms: half of it to one and a half. */
  next(): number {
    const delay = Math.min(this.#maxMs, this.#firstMs * 1.5 ** this.#failures);
    this.#failures++;
    return delay * (0.5 + this.#random());
  }
}

/** Resolves after `ms`, or at once when the signal aborts. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}
