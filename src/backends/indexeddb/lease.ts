import { AbortedError } from "../../core/errors.ts";
import type { Tenure } from "../../core/partition/ports.ts";
import { type Connection, pause, resultOf } from "./connection.ts";
import type { Election, ElectionOptions } from "./ownership.ts";
import { HeldTenure } from "./tenure.ts";

/** The holder of the right, where there are no Web Locks. */
interface LeaseRecord {
  readonly contextId: string;
  readonly untilMs: number;
}

/** How long a lease lasts without being renewed, in ms: the longest wait after a holder is gone. */
const LEASE_MS = 5000;

/**
 * Ownership by a lease in the database, for browsers without Web Locks. The holder renews it three times as often as it would
 * run out, and stops by itself when it cannot. Like a lock it only elects; the epoch fences, so that there is never more than
 * one runner whose turns count.
 */
export class LeaseOwnership implements Election {
  readonly #connection: Connection;
  readonly #contextId: string;
  readonly #options: ElectionOptions;
  #cancelled = new AbortController();
  #current: HeldTenure | undefined;

  constructor(connection: Connection, contextId: string, options: ElectionOptions) {
    this.#connection = connection;
    this.#contextId = contextId;
    this.#options = options;
  }

  /** @throws {@link AbortedError} when the wait was cancelled. */
  async acquire(): Promise<Tenure> {
    const { signal } = this.#cancelled;
    for (;;) {
      if (signal.aborted) throw new AbortedError("the hub does not wait for the right to run any more");
      try {
        const takenMs = Date.now();
        if (await this.#take()) {
          const epoch = await this.#options.nextEpoch();
          if (!signal.aborted) return this.#begin(epoch, takenMs);
          await this.#give();
        }
      } catch (error) {
        if (!signal.aborted) this.#options.logger.error("the lease of the hub cannot be read; tried again", error);
      }
      if (!signal.aborted) await pause(LEASE_MS / 5);
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

  /** A lease runs out by itself. */
  steal(): void {}

  #begin(epoch: number, takenMs: number): Tenure {
    let renewedMs = takenMs;
    const timer = setInterval(() => {
      // A holder that slept past its lease has lost it, whether or not somebody else has taken it meanwhile.
      if (Date.now() - renewedMs > LEASE_MS) tenure.lose();
      else {
        const beganMs = Date.now();
        this.#take().then(
          (isOurs) => {
            if (isOurs) renewedMs = beganMs;
            else tenure.lose();
          },
          (error: unknown) => this.#options.logger.warn("the lease could not be renewed", error),
        );
      }
    }, LEASE_MS / 3);
    const tenure = new HeldTenure(epoch, () => {
      clearInterval(timer);
      if (this.#current !== tenure) return;
      this.#current = undefined;
      this.#options.onChange(undefined);
      void this.#give().catch(() => undefined);
    });
    this.#current = tenure;
    this.#options.onChange(epoch);
    return tenure;
  }

  /** Takes or renews the lease. False: somebody else has it. */
  #take(): Promise<boolean> {
    return this.#connection.write(["meta"], "relaxed", async (transaction) => {
      const meta = transaction.objectStore("meta");
      const lease = await resultOf<LeaseRecord | undefined>(meta.get("lease"));
      const leftMs = lease === undefined ? 0 : lease.untilMs - Date.now();
      // More than a lease's time left can only mean that the clock was set back.
      const isFree = lease?.contextId === this.#contextId || leftMs <= 0 || leftMs > LEASE_MS;
      if (isFree)
        meta.put({ contextId: this.#contextId, untilMs: Date.now() + LEASE_MS } satisfies LeaseRecord, "lease");
      return () => isFree;
    });
  }

  #give(): Promise<void> {
    return this.#connection.write(["meta"], "relaxed", async (transaction) => {
      const meta = transaction.objectStore("meta");
      const lease = await resultOf<LeaseRecord | undefined>(meta.get("lease"));
      if (lease?.contextId === this.#contextId) meta.delete("lease");
      return () => undefined;
    });
  }
}
