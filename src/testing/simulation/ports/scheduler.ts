import type { Scheduler } from "../../../core/partition/ports.ts";
import type { Host } from "../host.ts";

/** Wakes a partition at a time by its own clock; early, late, or twice. */
export class SimulatedScheduler implements Scheduler {
  readonly #host: Host;
  readonly #listeners = new Set<() => void | Promise<void>>();
  #cancel: (() => void) | undefined;

  constructor(host: Host) {
    this.#host = host;
  }

  arm(wakeAt: number | undefined): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const host = this.#host;
    if (wakeAt === undefined || host.state === "dead") return;
    const { faults, loop } = host.world;
    let delay = Math.max(0, wakeAt - host.now());
    if (faults.happens("alarm is early")) delay = Math.floor(delay / 2);
    if (faults.happens("alarm is late")) delay += 5000;
    this.#cancel = loop.after(host, delay, "is woken by its alarm", () => {
      this.#cancel = undefined;
      if (faults.happens("alarm comes twice")) loop.post(host, "is woken by its alarm again", () => this.#wake());
      this.#wake();
    });
  }

  onWake(listener: () => void | Promise<void>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #wake(): void {
    for (const listener of [...this.#listeners]) void listener();
  }
}
