import type { Plan } from "./plan.ts";
import type { Program, Step } from "./program.ts";
import { type RunOptions, type RunResult, simulate } from "./simulate.ts";

/** How many smaller plans are tried at most. */
const MAX_TRIES = 1500;

/** Makes a failing plan smaller for as long as it breaks the same promise: fewer faults, commands, programs' steps. */
export async function shrink(plan: Plan, onProgress: (tries: number) => void = () => undefined, options: RunOptions = {}): Promise<Plan> {
  const first = await simulate(plan, options);
  const invariant = first.violation?.invariant;
  let best = plan;
  let result = first;
  let tries = 0;
  const attempt = async (candidate: Plan): Promise<boolean> => {
    if (tries >= MAX_TRIES) return false;
    if (++tries % 250 === 0) onProgress(tries);
    const outcome = await simulate(candidate, options);
    if (outcome.violation?.invariant !== invariant) return false;
    best = candidate;
    result = outcome;
    return true;
  };
  for (let hasShrunk = true; hasShrunk && tries < MAX_TRIES; ) {
    hasShrunk = false;
    for (const make of candidates(best, result)) {
      const candidate = make(best, result);
      if (candidate !== undefined && (await attempt(candidate))) hasShrunk = true;
    }
  }
  return best;
}

type Make = (plan: Plan, result: RunResult) => Plan | undefined;

/** Ways to make a plan smaller, boldest first. Each looks at the plan as it is when its turn comes. */
function* candidates(plan: Plan, { faults }: RunResult): Iterable<Make> {
  for (let size = faults.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < faults.length; at += size) {
      const some = faults.slice(at, at + size);
      yield (now) => ({ ...now, muted: new Set([...now.muted, ...some]) });
    }
  }
  for (const [client, commands] of plan.clients.entries()) {
    for (let n = commands.length - 1; n >= 0; n--) {
      yield (now) => ({
        ...now,
        clients: now.clients.map((list, index) => (index === client ? list.filter((_, at) => at !== n) : list)),
      });
    }
  }
  for (const [index, program] of plan.programs.entries()) {
    for (const smaller of smallerPrograms(program)) {
      yield (now) => ({ ...now, programs: now.programs.map((each, at) => (at === index ? smaller : each)) });
    }
  }
  if (plan.tabs > 1) yield (now) => ({ ...now, tabs: 1 });
  yield (now) => (now.policy.drift === 0 ? undefined : { ...now, policy: { ...now.policy, drift: 0 } });
  yield (now) => (now.policy.inOrder >= 0.98 ? undefined : { ...now, policy: { ...now.policy, inOrder: 0.98 } });
  yield (now) => (now.cacheSize === 1000 ? undefined : { ...now, cacheSize: 1000 });
  yield (now) => (now.maxLiveInstances === 1000 ? undefined : { ...now, maxLiveInstances: 1000 });
  yield (now) => (now.faultySteps <= 50 ? undefined : { ...now, faultySteps: Math.floor(now.faultySteps / 2) });
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
