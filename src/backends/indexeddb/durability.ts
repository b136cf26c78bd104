import type { Commit } from "../../core/partition/ports.ts";

/**
 * How hard the browser is asked to make each kind of write stick. `strict` waits until the operating system has flushed it:
 * it survives a power failure, and costs about twice the time of a write in Chromium, three times in Firefox. `relaxed`
 * survives the end of the page and of the browser, which is what happens all the time.
 */
export interface DurabilityOptions {
  /** For accepting a start or an event: somebody relies on the answer. Default `"strict"`. */
  readonly accept?: "strict" | "relaxed";
  /** For turns. What a lost one did is done again. Default `"relaxed"`. */
  readonly turns?: "strict" | "relaxed";
  /**
   * For turns that schedule activities: the record that an attempt begins. `"strict"` where an attempt that left no trace
   * would be worse than the time it costs. Default: as `turns`.
   */
  readonly activities?: "strict" | "relaxed";
}

/** Chooses the durability of a transaction. */
export class Durability {
  readonly accept: "strict" | "relaxed";
  readonly #turns: "strict" | "relaxed";
  readonly #activities: "strict" | "relaxed";

  constructor({ accept = "strict", turns = "relaxed", activities = turns }: DurabilityOptions = {}) {
    this.accept = accept;
    this.#turns = turns;
    this.#activities = activities;
  }

  /** A batch is as durable as its most demanding member. */
  ofCommit({ writes }: Commit): "strict" | "relaxed" {
    if (this.#turns === "strict") return "strict";
    return writes.some(({ schedulesWork }) => schedulesWork === true) ? this.#activities : "relaxed";
  }
}
