import { messageChannelSettle, type Settle } from "../core/orchestration/settle.ts";
import type { Clock, Timers } from "../core/partition/ports.ts";

/** How a {@link VirtualClock} behaves. All have defaults. */
export interface VirtualClockOptions {
  /** Where time begins, in epoch ms. Default 2026-01-01T00:00:00Z. */
  readonly startMs?: number;
  /** One hop through the host's event loop. Default a `MessageChannel` hop, which is wrong inside workerd. */
  readonly hop?: Settle;
  /** How many hops in a row must bring no sign of life before things count as settled. Default 12. */
  readonly quietHops?: number;
}

/** What {@link VirtualClock.runUntil} may take before it gives up. */
export interface RunLimits {
  /** How many timers may fire. Default 100,000. */
  readonly maxTimers?: number;
  /** How far time may go, in ms. Default 100 years. */
  readonly maxMs?: number;
}

interface VirtualTimer {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** So many hops with signs of life in all of them are a loop that never comes to rest. */
const MAX_HOPS = 1_000_000;

/**
 * A clock that stands still until a test moves it: the Clock and Timers ports of a hub, and its settling port, so that hours
 * of an orchestration pass in milliseconds and in the same order every time.
 *
 * @example
 * const clock = new VirtualClock();
 * const hub = await openMemoryTaskHub({ registry }, { clock, timers: clock, settle: clock.settle });
 * const id = await hub.client.scheduleNewOrchestration(reminder, "in a week");
 * await clock.advance(7 * 24 * 3_600_000);
 */
export class VirtualClock implements Clock, Timers {
  #nowMs: number;
  readonly #hop: Settle;
  readonly #quietHops: number;
  #timers: VirtualTimer[] = [];
  #order = 0;
  /** Rises whenever somebody uses the clock: the sign that work goes on. */
  #life = 0;

  constructor(options: VirtualClockOptions = {}) {
    this.#nowMs = options.startMs ?? Date.UTC(2026, 0, 1);
    this.#hop = options.hop ?? messageChannelSettle();
    this.#quietHops = options.quietHops ?? 12;
  }

  now(): number {
    this.#life++;
    return this.#nowMs;
  }

  /** How many timers are set. */
  get timerCount(): number {
    return this.#timers.length;
  }

  /** When the next timer fires, in epoch ms. */
  get nextTimerMs(): number | undefined {
    return this.#next()?.atMs;
  }

  /** Calls `run` when time has gone on by `ms`; the returned function cancels it. */
  set(ms: number, run: () => void): () => void {
    this.#life++;
    const timer: VirtualTimer = { atMs: this.#nowMs + Math.max(0, ms), order: this.#order++, run };
    this.#timers.push(timer);
    return () => {
      this.#life++;
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Resolves when time has gone on by `ms`: what a test's activity sleeps with. */
  readonly sleep = (ms: number): Promise<void> => new Promise((resolve) => this.set(ms, resolve));

  /** The settling port of a hub under this clock: an orchestrator that runs is a sign of life. */
  readonly settle: Settle = () => {
    this.#life++;
    return this.#hop();
  };

  /** Lets asynchronous work run until nothing moves. Time stands still. */
  async rest(): Promise<void> {
    let quiet = 0;
    for (let hops = 0; quiet < this.#quietHops; hops++) {
      if (hops > MAX_HOPS)
        throw new Error("the work under the virtual clock does not come to rest: is there an endless loop?");
      const before = this.#life;
      await this.#hop();
      quiet = this.#life === before ? quiet + 1 : 0;
    }
  }

  /** Moves time on by `ms`; what falls due fires in order of time, then of setting, and settles before the next. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await this.rest();
    for (let next = this.#next(); next !== undefined && next.atMs <= endMs; next = this.#next()) await this.#fire(next);
    this.#nowMs = endMs;
    await this.rest();
  }

  /** Sets the time without firing anything: what a laptop's sleep or a user's hand does to a clock. */
  jump(toMs: number): void {
    this.#life++;
    this.#nowMs = toMs;
  }

  /**
   * Moves time on from timer to timer until the promise settles, and settles like it.
   *
   * @throws {@link Error} when nothing is left that could settle it, or a limit is reached.
   */
  async runUntil<T>(promise: Promise<T>, limits: RunLimits = {}): Promise<T> {
    const { maxTimers = 100_000, maxMs = 100 * 365 * 86_400_000 } = limits;
    const endMs = this.#nowMs + maxMs;
    let isSettled = false;
    const note = (): void => {
      isSettled = true;
    };
    promise.then(note, note);
    for (let fired = 0; ; fired++) {
      await this.rest();
      if (isSettled) return promise;
      const next = this.#next();
      if (next === undefined) throw new Error("nothing is left that could settle the promise: no timer is set");
      if (fired >= maxTimers) throw new Error(`the promise did not settle within ${maxTimers} timers`);
      if (next.atMs > endMs) throw new Error(`the promise did not settle within ${maxMs} ms`);
      await this.#fire(next);
    }
  }

  #next(): VirtualTimer | undefined {
    let first: VirtualTimer | undefined;
    for (const timer of this.#timers) {
      if (first === undefined || timer.atMs < first.atMs || (timer.atMs === first.atMs && timer.order < first.order)) {
        first = timer;
      }
    }
    return first;
  }

  async #fire(timer: VirtualTimer): Promise<void> {
    this.#timers = this.#timers.filter((other) => other !== timer);
    this.#nowMs = Math.max(this.#nowMs, timer.atMs);
    timer.run();
    await this.rest();
  }
}
