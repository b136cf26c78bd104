import { AbortedError, WorkItemLockLostError } from "../../core/errors.ts";
import type { Logger } from "../../core/hub/logger.ts";
import type { Ownership, Tenure } from "../../core/partition/ports.ts";
import { pause } from "./connection.ts";
import { HeldTenure } from "./tenure.ts";

/** Where an election takes place: what both ways of electing need. */
export interface ElectionOptions {
  readonly logger: Logger;
  /** Begins a new epoch in the database. */
  readonly nextEpoch: () => Promise<number>;
  /** Told of every change: the epoch of this context's tenure, or `undefined` when it has none any more. */
  readonly onChange: (epoch: number | undefined) => void;
}

/** An ownership that a hub can also give up waiting for, and take by force. */
export interface Election extends Ownership {
  /** Ends the wait for the right, and the right itself, for good: {@link Ownership.acquire} rejects. */
  cancel(): void;
  /** Waits again after {@link cancel}. */
  reset(): void;
  /** The epoch turned out to be over. */
  fenced(epoch: number): void;
  /** Takes the right from a holder that does not answer. */
  steal(): void;
}

/** First and longest wait after an epoch could not be begun, in ms. */
const RETRY_MS = [250, 10_000] as const;

/**
 * Ownership by a Web Lock that is held for life: it passes on the moment that its holder's page is gone. The lock elects, the
 * epoch in the database fences: a holder that was frozen or had its lock stolen cannot commit any more.
 */
export class WebLockOwnership implements Election {
  readonly #name: string;
  readonly #locks: LockManager;
  readonly #options: ElectionOptions;
  #cancelled = new AbortController();
  #current: HeldTenure | undefined;
  #steal: (() => void) | undefined;

  constructor(name: string, locks: LockManager, options: ElectionOptions) {
    this.#name = name;
    this.#locks = locks;
    this.#options = options;
  }

  /** @throws {@link AbortedError} when the wait was cancelled. */
  async acquire(): Promise<Tenure> {
    const { signal } = this.#cancelled;
    for (let delay: number = RETRY_MS[0]; ; delay = Math.min(delay * 2, RETRY_MS[1])) {
      if (signal.aborted) throw new AbortedError("the hub does not wait for the right to run any more");
      let release: LockRelease | undefined;
      try {
        release = await this.#lock(signal);
        const epoch = await this.#options.nextEpoch();
        // A right that came as its wait was given up would be held by nobody, and kept from all.
        signal.throwIfAborted();
        if (release.isStolen) throw new WorkItemLockLostError("the right to run was taken before it was recorded");
        return this.#begin(epoch, release);
      } catch (error) {
        release?.now();
        if (signal.aborted) throw new AbortedError("the hub was closed", { cause: error });
        this.#options.logger.error(`the right to run '${this.#name}' could not be had; tried again`, error);
        await pause(delay);
      }
    }
  }

  cancel(): void {
    this.#cancelled.abort();
    void this.#current?.release();
  }

  reset(): void {
    this.#cancelled = new AbortController();
  }

  fenced(epoch: number): void {
    if (this.#current?.epoch === epoch) this.#current.lose();
  }

  steal(): void {
    this.#steal?.();
  }

  #begin(epoch: number, release: LockRelease): Tenure {
    const tenure = new HeldTenure(epoch, () => {
      release.now();
      if (this.#current !== tenure) return;
      this.#current = undefined;
      this.#options.onChange(undefined);
    });
    this.#current = tenure;
    release.onStolen(() => tenure.lose());
    this.#options.onChange(epoch);
    return tenure;
  }

  /** Waits for the lock, as long as it takes; a steal ends the wait by force. */
  #lock(signal: AbortSignal): Promise<LockRelease> {
    return new Promise((resolve, reject) => {
      const waiting = new AbortController();
      const onCancel = (): void => waiting.abort();
      signal.addEventListener("abort", onCancel, { once: true });
      const request = (options: LockOptions): void => {
        const release = new LockRelease();
        this.#locks
          .request(this.#name, options, () => {
            // One that was taken by force as the wait was given up.
            if (signal.aborted) return undefined;
            signal.removeEventListener("abort", onCancel);
            this.#steal = undefined;
            resolve(release);
            return release.released;
          })
          .catch((error: unknown) => {
            // A lock that was held has been taken away, the wait was given up, or this host refuses.
            release.stolen();
            const isReplaced = waiting.signal.aborted && !signal.aborted && options.steal !== true;
            if (!isReplaced) reject(error);
          });
      };
      this.#steal = () => {
        this.#steal = undefined;
        waiting.abort();
        request({ steal: true });
      };
      request({ signal: waiting.signal });
    });
  }
}

/** One grant of the lock. */
class LockRelease {
  readonly released: Promise<void>;
  now: () => void = () => undefined;
  isStolen = false;
  #listener: (() => void) | undefined;

  constructor() {
    this.released = new Promise((resolve) => {
      this.now = resolve;
    });
  }

  onStolen(listener: () => void): void {
    this.#listener = listener;
  }

  stolen(): void {
    this.isStolen = true;
    this.#listener?.();
  }
}
