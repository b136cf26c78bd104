import type { ActivityWorkItem } from "../../core/hub/work-item.ts";
import { Partition } from "../../core/partition/partition.ts";
import { pause } from "./connection.ts";

/** A partition that can be brought to rest before its owner gives it up, so that what runs is not begun anew elsewhere. */
export class DrainingPartition extends Partition {
  readonly #inFlight = new Set<ActivityWorkItem>();
  #resting: Promise<void> | undefined;
  #wakeHeld: (() => void) | undefined;
  #idle: (() => void) | undefined;

  /** Begins no more activities; resolves when none runs any more, or after `ms`. Ends with {@link stop}. */
  async drain(ms: number): Promise<void> {
    this.#resting ??= new Promise((resolve) => {
      this.#wakeHeld = resolve;
    });
    if (this.#inFlight.size === 0) return;
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
    await Promise.race([idle, pause(ms)]);
  }

  override async stop(): Promise<void> {
    await super.stop();
    // What was held back is worth nothing any more; its worker finds that out by itself.
    this.#wakeHeld?.();
    this.#resting = undefined;
  }

  override async nextActivityWorkItem(signal?: AbortSignal): Promise<ActivityWorkItem> {
    const item = await super.nextActivityWorkItem(signal);
    await this.#resting;
    this.#inFlight.add(item);
    return item;
  }

  override async completeActivityWorkItem(item: ActivityWorkItem): Promise<void> {
    await super.completeActivityWorkItem(item);
    this.#done(item);
  }

  override async abandonActivityWorkItem(item: ActivityWorkItem, reason?: unknown): Promise<void> {
    this.#done(item);
    await super.abandonActivityWorkItem(item, reason);
  }

  #done(item: ActivityWorkItem): void {
    this.#inFlight.delete(item);
    if (this.#inFlight.size === 0) this.#idle?.();
  }
}
