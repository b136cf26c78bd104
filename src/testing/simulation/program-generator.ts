import type { Program, Step, Wait } from "./program.ts";
import type { Random } from "./random.ts";

/** The names under which activities are registered. */
export const ACTIVITIES: readonly string[] = ["act0", "act1", "act2"];

/** Makes a few programs. A program calls only later ones as its children, so that no tree of children is endless. */
export function generatePrograms(random: Random, roots: readonly string[]): Program[] {
  const count = random.int(1, 4);
  return Array.from({ length: count }, (_, index) => new ProgramGenerator(random, roots, index, count).program());
}

class ProgramGenerator {
  readonly #random: Random;
  readonly #roots: readonly string[];
  readonly #index: number;
  readonly #count: number;
  #keys = 0;

  constructor(random: Random, roots: readonly string[], index: number, count: number) {
    this.#random = random;
    this.#roots = roots;
    this.#index = index;
    this.#count = count;
  }

  program(): Program {
    const random = this.#random;
    const style = random.pick(["async", "async", "generator", "async generator"] as const);
    const steps = Array.from({ length: random.int(1, 4) }, () => this.#step(true));
    // Sometimes more than one work item may renew; but not with children, which renew as well.
    const isLeaf = !JSON.stringify(steps).includes('"do":"child"');
    return {
      style,
      steps,
      renewals: random.chance(0.75)
        ? 0
        : random.chance(0.9) || !isLeaf || this.#count > 2
          ? random.int(1, 2)
          : random.int(18, 26),
      keepEvents: random.chance(0.6),
      fails: random.chance(0.12),
    };
  }

  #step(isOuter: boolean): Step {
    const random = this.#random;
    const kind = random.next();
    if (kind < 0.55) return this.#wait();
    if (kind < 0.65) return { do: "all", waits: this.#waits(1, 4) };
    if (kind < 0.75) return { do: "race", waits: this.#waits(2, 3), cancels: random.chance(0.6) };
    if (kind < 0.82 && isOuter) {
      const branches = Array.from({ length: 2 }, () =>
        Array.from({ length: random.int(1, 2) }, () => this.#step(false)),
      );
      return { do: "fork", branches };
    }
    if (kind < 0.9) return { do: "send", to: random.pick(this.#roots), name: random.pick(["go", "Stop"]) };
    if (kind < 0.95 && isOuter) return { do: "status", text: `status ${this.#keys++}` };
    return { do: "guid" };
  }

  #waits(from: number, to: number): Wait[] {
    return Array.from({ length: this.#random.int(from, to) }, () => this.#wait());
  }

  #wait(): Wait {
    const random = this.#random;
    const kind = random.next();
    if (kind < 0.45) return this.#activity();
    if (kind < 0.6) return { do: "timer", ms: random.pick([0, 1, 500, 3000, 60_000]) };
    if (kind < 0.8) {
      const name = random.pick(["go", "GO", "stop"]);
      return random.chance(0.5)
        ? { do: "event", name }
        : { do: "event", name, timeoutMs: random.pick([0, 1000, 20_000]) };
    }
    if (this.#index + 1 >= this.#count) return this.#activity();
    const program = random.int(this.#index + 1, this.#count - 1);
    return { do: "child", program, ...(random.chance(0.15) ? { instanceId: random.pick(["c0", "c1", "r1"]) } : {}) };
  }

  #activity(): Wait {
    const random = this.#random;
    const attempts = random.chance(0.6) ? 1 : random.int(2, 3);
    return {
      do: "activity",
      name: random.pick(ACTIVITIES),
      key: `k${this.#index}.${this.#keys++}`,
      fails: random.chance(0.7) ? 0 : random.int(1, 3),
      attempts,
      takesMs: random.pick([0, 0, 10, 1000]),
      ...(random.chance(0.15) ? { timeoutMs: random.pick([500, 5000]) } : {}),
    };
  }
}
