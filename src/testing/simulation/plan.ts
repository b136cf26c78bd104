import type { FaultRates } from "./faults.ts";
import type { LoopPolicy } from "./loop.ts";
import type { Program } from "./program.ts";

/**
 * The shape of a world. `objects`: one instance a partition with a router between, as on Durable Objects. `tabs`: one store
 * with all instances, and several processes that want to own it, as in a browser.
 */
export type Shape = "objects" | "tabs";

/** What a client does next. `instance` is an instance's id. */
export type Command = {
  /** How long it thinks before, in ms. */
  readonly afterMs: number;
} & (
  | {
      readonly do: "start";
      readonly instance: string;
      readonly program: number;
      readonly key?: string;
      readonly delayMs?: number;
    }
  | {
      readonly do: "raise";
      readonly instance: string;
      readonly name: string;
      readonly payload: string;
      readonly key?: string;
    }
  | { readonly do: "suspend" | "resume" | "rewind" | "ask" | "history" | "wait"; readonly instance: string }
  | { readonly do: "terminate"; readonly instance: string; readonly recursive: boolean }
  | { readonly do: "purge"; readonly instance: string; readonly force: boolean }
  | { readonly do: "restart"; readonly instance: string; readonly newInstance?: string }
  | { readonly do: "rerun"; readonly instance: string; readonly newInstance: string; readonly nth: number }
  | { readonly do: "query" }
);

/** All that is decided before a run begins. Shrinking makes it smaller; the rest of the run follows from the seed. */
export interface Plan {
  readonly seed: number;
  readonly shape: Shape;
  readonly programs: readonly Program[];
  /** Each client does one command after the other. */
  readonly clients: readonly (readonly Command[])[];
  readonly rates: FaultRates;
  /** Numbers of faults that do not happen after all. */
  readonly muted: ReadonlySet<number>;
  readonly policy: LoopPolicy;
  /** How many processes want to own the store; shape `tabs`. */
  readonly tabs: number;
  /** Live orchestrators that a process keeps between turns. */
  readonly cacheSize: number;
  /** Instances that a partition keeps in memory. */
  readonly maxLiveInstances: number;
  readonly maxDeaths: number;
  /** After so many steps nothing goes wrong any more. */
  readonly faultySteps: number;
}
