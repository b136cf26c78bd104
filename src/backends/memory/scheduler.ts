import type { Clock, Scheduler, Timers } from "../../core/partition/ports.ts";

/** The longest delay that a host's timer can take, in ms; a later wake is armed again then. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Wakes by a timer of the process (or of a virtual clock). */
export class TimerScheduler implements Scheduler {
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
      else for (const listener of [...this.#listeners]) void listener();
    });
  }

  onWake(listener: () => void | Promise<void>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
