/** An orchestrator as data: what the interpreter runs, and what the reference model judges. */

/** One thing that an orchestrator waits for. */
export type Wait =
  | {
      readonly do: "activity";
      readonly name: string;
      readonly key: string;
      /** How many attempts fail before one succeeds. */
      readonly fails: number;
      /** How many attempts the retry policy allows; 1: no policy. */
      readonly attempts: number;
      /** How long an attempt takes, in ms. */
      readonly takesMs: number;
      /** The limit on one attempt, in ms. */
      readonly timeoutMs?: number;
    }
  | { readonly do: "timer"; readonly ms: number }
  | { readonly do: "event"; readonly name: string; readonly timeoutMs?: number }
  | { readonly do: "child"; readonly program: number; readonly instanceId?: string };

/** One step of an orchestrator. Every step adds one word to the output. */
export type Step =
  | Wait
  /** All at once; the word tells how each ended. */
  | { readonly do: "all"; readonly waits: readonly Wait[] }
  /** The first one counts; the others are cancelled, or go on unheard. */
  | { readonly do: "race"; readonly waits: readonly Wait[]; readonly cancels: boolean }
  /** Side by side, each one step after the other. One after the other where the style has no concurrency. */
  | { readonly do: "fork"; readonly branches: readonly (readonly Step[])[] }
  | { readonly do: "status"; readonly text: string }
  | { readonly do: "send"; readonly to: string; readonly name: string }
  | { readonly do: "guid" };

/** An orchestrator. */
export interface Program {
  readonly style: "async" | "generator" | "async generator";
  readonly steps: readonly Step[];
  /** How often it continues as new; each generation runs all steps. */
  readonly renewals: number;
  readonly keepEvents: boolean;
  /** Throws at its end. */
  readonly fails: boolean;
}

/** What a step adds to the output: a word, or a kind with the words of its parts. */
export type Word = string | readonly Word[];

/** The input of every program. */
export interface ProgramInput {
  /** Words of former generations. */
  readonly words: readonly Word[];
  readonly renewal: number;
}

/** The name under which a program is registered. */
export function programName(index: number): string {
  return `p${index}`;
}

/** The message of the error that a failing program throws. */
export const BOOM = "boom";
