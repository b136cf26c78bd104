import { StorageQuotaError } from "../../core/errors.ts";
import type { Appended, Commit, CommittedWrite, Decide } from "../../core/partition/ports.ts";
import type { Connection } from "./connection.ts";
import type { Durability } from "./durability.ts";
import type { HubEvents } from "./hub-events.ts";
import { IndexedDbStore } from "./store.ts";

/** How long new starts are refused after a write found no room, in ms, unless room was made. */
const REFUSE_MS = 30_000;

/**
 * The store with a policy for the day when nothing more fits: ended instances past their retention go first, then new starts
 * are refused, so that what is left serves the work that has begun. Unfinished work is never dropped.
 */
export class QuotaGuardedStore extends IndexedDbStore {
  readonly #events: HubEvents;
  #fullUntilMs = 0;
  #purging: Promise<number> | undefined;
  /** Set by the hub: deletes ended instances past their retention, and says how many. */
  makeRoom: () => Promise<number> = () => Promise.resolve(0);

  constructor(connection: Connection, durability: Durability, events: HubEvents) {
    super(connection, durability);
    this.#events = events;
  }

  /** Whether new starts are refused for want of room. */
  get isFull(): boolean {
    return Date.now() < this.#fullUntilMs;
  }

  override commit(batch: Commit): Promise<readonly CommittedWrite[]> {
    return this.#guarded(() => super.commit(batch));
  }

  override append<T>(instanceId: string, decide: Decide<T>): Promise<Appended<T>> {
    const checked: Decide<T> = (current) => {
      const admission = decide(current);
      if (admission.row !== undefined && this.isFull) throw new StorageQuotaError(`'${instanceId}' was not started`);
      return admission;
    };
    return this.#guarded(() => super.append(instanceId, checked));
  }

  /** Writes; when there is no room, makes some and writes once more. @throws {@link StorageQuotaError} when there still is none. */
  async makingRoom<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof StorageQuotaError) || this.isFull) throw error;
      // Made once for all who found no room at the same time.
      this.#purging ??= this.makeRoom().finally(() => {
        this.#purging = undefined;
      });
      const purged = await this.#purging.catch(() => 0);
      this.#events.emit({ type: "quota", error, purged });
      if (purged === 0) throw error;
      return write();
    }
  }

  async #guarded<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await this.makingRoom(write);
    } catch (error) {
      if (error instanceof StorageQuotaError && !this.isFull) this.#fullUntilMs = Date.now() + REFUSE_MS;
      throw error;
    }
  }
}
