import type { Clock, Scheduler, Timers } from "../../core/partition/ports.ts";

/** The longest delay that a host's timer can take, in ms; a later wake is armed again then. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Wakes by a timer, and whenever the hub has another reason to: timers of hidden pages are late, and none fires while a page
 * or a machine sleeps. Deadlines are in the store; a wake looks at all that is due.
 */
export class WakeScheduler implements Scheduler {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #listeners = new Set<() => void | Promise<void>>();
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
  }

  arm(wakeAt: number | undefined): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (wakeAt === undefined) return;
    const delay = Math.max(0, wakeAt - this.#clock.now());
    this.#cancel = this.#timers.set(Math.min(delay, MAX_TIMER_MS), () => {
      this.#cancel = undefined;
      if (delay > MAX_TIMER_MS) this.arm(wakeAt);
      else this.wake();
    });
  }

  onWake(listener: () => void | Promise<void>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Wakes now. */
  wake(): void {
    for (const listener of [...this.#listeners]) void listener();
  }
}
