import type { Logger } from "../../core/hub/logger.ts";
import { type Connection, resultOf } from "./connection.ts";
import type { HostEnvironment } from "./environment.ts";
import type { HubEvents } from "./hub-events.ts";
import type { ChannelSignals, HubMessage, RunnerInfo } from "./signals.ts";

/** What a watch over the runner needs. */
export interface RunnerWatchOptions {
  readonly connection: Connection;
  readonly signals: ChannelSignals;
  readonly environment: HostEnvironment;
  readonly events: HubEvents;
  readonly logger: Logger;
  /** What this context would say of itself, and says while it is the runner. */
  readonly self: () => RunnerInfo;
  readonly isRunner: () => boolean;
  /** Whether this context wants to run at all. */
  readonly wantsToRun: boolean;
  /** How long a runner may be silent before its right is taken, in ms. */
  readonly silentMs: number;
  /** How often, at most, the right is taken by force, in ms. */
  readonly stealEveryMs: number;
  readonly steal: () => void;
  /** Gives up the right in favour of newer code. */
  readonly handOver: (to: string) => void;
}

/**
 * Watches over the runner from every context. A frozen or hung holder keeps its lock, so that only its silence shows: it is
 * asked for a sign of life, and when it gives none to a follower that a person looks at, its right is taken, at most once in
 * a while. And of two versions of the code the newer one runs.
 */
export class RunnerWatch {
  readonly #options: RunnerWatchOptions;
  #heardMs: number = Date.now();
  #runner: RunnerInfo | undefined;
  #asked: number | undefined;
  /** The runner was told that this context listens, and has not answered yet. */
  #greeted = false;
  readonly #stop: () => void;

  constructor(options: RunnerWatchOptions) {
    this.#options = options;
    this.#stop = options.signals.onMessage((message) => this.#hear(message));
  }

  /** What the runner last said of itself. */
  get runner(): RunnerInfo | undefined {
    return this.#options.isRunner() ? this.#options.self() : this.#runner;
  }

  /** Tells the others that this context runs. */
  announce(): void {
    this.#options.signals.send({ type: "runner", runner: this.#options.self() });
  }

  /** Tells the runner that this context listens (again): what it has not been told meanwhile, it looks for with the answer. */
  greet(): void {
    this.#greeted = true;
    this.#options.signals.send({ type: "ping" });
  }

  /** Asks for a sign of life, and acts on a long silence. @param isRested false when this context slept itself just now. */
  async tick(isRested: boolean): Promise<void> {
    const { isRunner, wantsToRun, environment, silentMs, signals } = this.#options;
    if (isRunner()) return;
    if (!wantsToRun || !isRested || environment.visible() === false) {
      this.#heardMs = Date.now();
    }
    const silence = Date.now() - this.#heardMs;
    if (silence < silentMs || typeof BroadcastChannel === "undefined") {
      signals.send({ type: "ping" });
      return;
    }
    if (!(await this.#maySteal())) return;
    this.#options.logger.warn(`the runner has not answered for ${silence} ms: its right to run is taken`);
    this.#heardMs = Date.now();
    this.#options.steal();
    this.#options.events.emit({ type: "stolen", silentMs: silence });
  }

  close(): void {
    this.#stop();
  }

  #hear(message: HubMessage): void {
    const { isRunner, wantsToRun, self } = this.#options;
    if (message.type === "ping" && isRunner()) this.announce();
    if (
      message.type === "hand-over" &&
      isRunner() &&
      message.to !== self().buildId &&
      message.buildOrder > self().buildOrder
    ) {
      this.#options.handOver(message.to);
    }
    if (message.type !== "runner") return;
    const { runner } = message;
    const isNew = this.#runner?.epoch !== runner.epoch;
    this.#heardMs = Date.now();
    this.#runner = runner;
    // What its predecessor had no time to tell may have happened all the same, and what the new one does before it knows
    // that somebody listens.
    if (isNew || this.#greeted) this.#options.signals.anyChanged();
    this.#greeted = isNew;
    if (isNew) this.#options.signals.send({ type: "ping" });
    const { buildId, buildOrder, contextId } = self();
    const isOlder = runner.buildId !== buildId && runner.buildOrder < buildOrder;
    if (!isOlder || !wantsToRun || this.#asked === runner.epoch) return;
    this.#asked = runner.epoch;
    this.#options.signals.send({ type: "hand-over", to: buildId, contextId, buildOrder });
  }

  /** Counts the steals of all contexts together. */
  async #maySteal(): Promise<boolean> {
    const { connection, stealEveryMs } = this.#options;
    try {
      return await connection.write(["meta"], "relaxed", async (transaction) => {
        const meta = transaction.objectStore("meta");
        const last = (await resultOf<number | undefined>(meta.get("steal"))) ?? 0;
        const now = Date.now();
        const may = now - last >= stealEveryMs || last > now;
        if (may) meta.put(now, "steal");
        return () => may;
      });
    } catch {
      return false;
    }
  }
}
