/** An alarm at or before now may be stored and never fire (workerd#6866): it is always at least this far ahead, in ms. */
const MIN_AHEAD_MS = 1;

/** No alarm is further ahead: the runtime loses those far beyond a lifetime. It is armed again when it fires, in ms. */
const MAX_AHEAD_MS = 365 * 86_400_000;

/** How far ahead the standing alarm is while something is in flight, in ms. */
const WATCHDOG_MS = 30_000;

/** Deadlines nearer than this are met by a timer of the process, with the watchdog as a backstop, in ms. */
export const NEAR_MS = 10_000;

/**
 * The object's one alarm. It is the only thing that brings an evicted object back, so it stands whenever something is due or
 * in flight. Setting it costs a row: an alarm that is early enough is left alone, and armed anew when it has fired.
 */
export class ObjectAlarm {
  readonly #storage: DurableObjectStorage;
  #armedAt: number | undefined;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** Learns what is armed. To be called once, in the object's constructor. */
  async load(): Promise<void> {
    this.#armedAt = (await this.#storage.getAlarm()) ?? undefined;
  }

  /** Nothing is left to wake for. */
  clear(): void {
    if (this.#armedAt === undefined) return;
    this.#armedAt = undefined;
    this.#storage.deleteAlarm().catch(() => undefined);
  }

  /** The alarm is going off: nothing is armed now. */
  fired(): void {
    this.#armedAt = undefined;
  }

  /**
   * Sees to it that the alarm goes off in time. Called in the same breath as the writes that need it, so that they become
   * durable together.
   *
   * @param wakeAt epoch ms of the earliest deadline.
   * @param unfinished something is waiting or in flight: the watchdog must stand.
   */
  ensure(wakeAt: number | undefined, unfinished: boolean): void {
    const now = Date.now();
    const isNear = wakeAt !== undefined && wakeAt - now < NEAR_MS;
    const deadline = wakeAt === undefined || isNear ? Number.POSITIVE_INFINITY : Math.min(wakeAt, now + MAX_AHEAD_MS);
    const watchdog = unfinished || isNear ? now + WATCHDOG_MS : Number.POSITIVE_INFINITY;
    const wanted = Math.min(deadline, watchdog);
    if (wanted === Number.POSITIVE_INFINITY) return;
    const at = Math.max(wanted, now + MIN_AHEAD_MS);
    if (this.#armedAt !== undefined && this.#armedAt > now && this.#armedAt <= at) return;
    this.#armedAt = at;
    this.#storage.setAlarm(at).catch(() => {
      // The next write, or the next construction, arms it.
      this.#armedAt = undefined;
    });
  }
}
