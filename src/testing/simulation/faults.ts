import type { Random } from "./random.ts";
import type { Trace } from "./trace.ts";

/** Everything that can go wrong, in words for the trace. */
export type FaultKind =
  | "commit fails before it takes effect"
  | "commit fails after it took effect"
  | "append fails before it takes effect"
  | "append fails after it took effect"
  | "read fails"
  | "a member of commits is poisoned"
  | "quota is used up"
  | "envelopes are lost"
  | "acknowledgement is lost"
  | "envelopes come twice"
  | "signal is lost"
  | "signal comes twice"
  | "alarm is early"
  | "alarm is late"
  | "alarm comes twice"
  | "clock jumps"
  | "process crashes"
  | "process freezes"
  | "activity never answers"
  | "activity answers twice"
  | "activity kills its host"
  | "ownership cannot be taken"
  | "index fails before it takes effect"
  | "index fails after it took effect"
  | "client says it again"
  | "code is missing"
  | "record is corrupted";

/** How often each kind happens where it can. */
export type FaultRates = Partial<Readonly<Record<FaultKind, number>>>;

/** Decides what goes wrong. Each fault has a number, so that shrinking can leave it out. */
export class Faults {
  /** Numbers of the faults that happened. */
  readonly happened: number[] = [];
  /** No faults any more: what is left must come to a good end. */
  isCalm = false;
  readonly #random: Random;
  readonly #rates: FaultRates;
  readonly #muted: ReadonlySet<number>;
  readonly #trace: Trace;
  #count = 0;

  constructor(random: Random, rates: FaultRates, muted: ReadonlySet<number>, trace: Trace) {
    this.#random = random;
    this.#rates = rates;
    this.#muted = muted;
    this.#trace = trace;
  }

  /** Does it happen, here and now? */
  happens(kind: FaultKind): boolean {
    const rate = this.#rates[kind];
    if (this.isCalm || rate === undefined || !this.#random.chance(rate)) return false;
    const number = this.#count++;
    if (this.#muted.has(number)) return false;
    this.happened.push(number);
    this.#trace.add(() => `      fault ${number}: ${kind}`);
    return true;
  }

  /** A choice that belongs to a fault. */
  get random(): Random {
    return this.#random;
  }
}
