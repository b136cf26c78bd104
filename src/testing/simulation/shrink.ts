import type { Plan } from "./plan.ts";
import type { Program, Step } from "./program.ts";
import { type RunResult, simulate } from "./simulate.ts";

/** How many smaller plans are tried at most. */
const MAX_TRIES = 1500;

/** Runs a plan. */
export type Run = (plan: Plan) => Promise<Pick<RunResult, "violation" | "faults">>;

/**
 * Makes a failing plan smaller for as long as it breaks the same promise: fewer faults, commands, and steps of programs.
 *
 * @param run runs a candidate; default {@link simulate}.
 */
export async function shrink(plan: Plan, run: Run = simulate): Promise<Plan> {
  return new Shrinker(plan, run).shrink();
}

class Shrinker {
  readonly #run: Run;
  #best: Plan;
  #faults: readonly number[] = [];
  #invariant: string | undefined;
  #tries = 0;

  constructor(plan: Plan, run: Run) {
    this.#best = plan;
    this.#run = run;
  }

  async shrink(): Promise<Plan> {
    const { violation, faults } = await this.#run(this.#best);
    this.#invariant = violation?.invariant;
    this.#faults = faults;
    while (await this.#round()) {
      // Whatever became smaller may make something else superfluous.
    }
    return this.#best;
  }

  /** True when something became smaller. */
  async #round(): Promise<boolean> {
    const before = this.#best;
    await this.#fewerFaults();
    await this.#fewerCommands();
    while (await this.#firstOf(smallerPlans(this.#best))) {
      // Begins anew, since each candidate is made of the plan as it is.
    }
    return this.#best !== before && this.#tries < MAX_TRIES;
  }

  async #attempt(candidate: Plan): Promise<boolean> {
    if (this.#tries >= MAX_TRIES) return false;
    this.#tries++;
    const { violation, faults } = await this.#run(candidate);
    if (violation === undefined || violation.invariant !== this.#invariant) return false;
    this.#best = candidate;
    this.#faults = faults;
    return true;
  }

  async #firstOf(candidates: Iterable<Plan>): Promise<boolean> {
    for (const candidate of candidates) if (await this.#attempt(candidate)) return true;
    return false;
  }

  /** Many at once first, then half as many. */
  async #fewerFaults(): Promise<void> {
    const faults = this.#faults;
    for (let size = faults.length; size >= 1; size = Math.floor(size / 2)) {
      for (let at = 0; at < faults.length; at += size) {
        const some = faults.slice(at, at + size).filter((fault) => !this.#best.muted.has(fault));
        if (some.length > 0) await this.#attempt({ ...this.#best, muted: new Set([...this.#best.muted, ...some]) });
      }
    }
  }

  async #fewerCommands(): Promise<void> {
    for (const [client, commands] of this.#best.clients.entries()) {
      for (let n = commands.length - 1; n >= 0; n--) {
        const clients = this.#best.clients.map((list, index) =>
          index === client ? list.filter((_, at) => at !== n) : list,
        );
        await this.#attempt({ ...this.#best, clients });
      }
    }
  }
}

/** Plans that are a little simpler. */
function* smallerPlans(plan: Plan): Iterable<Plan> {
  for (const [index, program] of plan.programs.entries()) {
    for (const smaller of smallerPrograms(program)) {
      yield { ...plan, programs: plan.programs.map((each, at) => (at === index ? smaller : each)) };
    }
  }
  const { policy } = plan;
  if (plan.tabs > 1) yield { ...plan, tabs: 1 };
  if (policy.drift > 0) yield { ...plan, policy: { ...policy, drift: 0 } };
  if (policy.inOrder < 0.98) yield { ...plan, policy: { ...policy, inOrder: 0.98 } };
  if (plan.cacheSize !== 1000) yield { ...plan, cacheSize: 1000 };
  if (plan.maxLiveInstances !== 1000) yield { ...plan, maxLiveInstances: 1000 };
  if (plan.faultySteps > 50) yield { ...plan, faultySteps: Math.floor(plan.faultySteps / 2) };
}

function* smallerPrograms(program: Program): Iterable<Program> {
  for (let at = 0; at < program.steps.length; at++) {
    yield { ...program, steps: program.steps.filter((_, index) => index !== at) };
  }
  for (const [at, step] of program.steps.entries()) {
    for (const smaller of smallerSteps(step)) {
      yield { ...program, steps: program.steps.map((each, index) => (index === at ? smaller : each)) };
    }
  }
  if (program.renewals > 0) yield { ...program, renewals: 0 };
  if (program.fails) yield { ...program, fails: false };
  if (program.style !== "generator") yield { ...program, style: "generator" };
}

function* smallerSteps(step: Step): Iterable<Step> {
  if (step.do === "fork") yield* step.branches.flat();
  if (step.do === "all" || step.do === "race") {
    yield* step.waits;
    for (let at = 0; at < step.waits.length && step.waits.length > 1; at++) {
      yield { ...step, waits: step.waits.filter((_, index) => index !== at) };
    }
  }
}
