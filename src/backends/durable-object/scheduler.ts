import type { Scheduler } from "../../core/partition/ports.ts";
import { NEAR_MS } from "./alarm.ts";

/**
 * Wakes the partition of an object. The alarm, which the store arms with each write, is what counts; a timer is used for
 * what is near, since the object is awake anyway and an alarm costs a row.
 */
export class ObjectScheduler implements Scheduler {
  readonly #listeners = new Set<() => void | Promise<void>>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  arm(wakeAt: number | undefined): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    if (wakeAt === undefined) return;
    const delay = wakeAt - Date.now();
    if (delay >= NEAR_MS) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        void this.wake();
      },
      Math.max(0, delay),
    );
  }

  onWake(listener: () => void | Promise<void>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Called by the object's alarm: resolves when everything that was due has been set going. */
  async wake(): Promise<void> {
    await Promise.all([...this.#listeners].map((listener) => listener()));
  }
}
