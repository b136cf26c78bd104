import type { FaultKind, FaultRates } from "./faults.ts";
import type { Command, Plan, Shape } from "./plan.ts";
import type { Program } from "./program.ts";
import { generatePrograms } from "./program-generator.ts";
import { Random } from "./random.ts";

/** How often each fault happens in a wild world. */
const RATES: Readonly<Record<FaultKind, number>> = {
  "commit fails before it takes effect": 0.04,
  "commit fails after it took effect": 0.03,
  "append fails before it takes effect": 0.04,
  "append fails after it took effect": 0.03,
  "read fails": 0.02,
  "a member of commits is poisoned": 0.002,
  "quota is used up": 0.002,
  "envelopes are lost": 0.1,
  "acknowledgement is lost": 0.1,
  "envelopes come twice": 0.1,
  "signal is lost": 0.1,
  "signal comes twice": 0.1,
  "alarm is early": 0.1,
  "alarm is late": 0.1,
  "alarm comes twice": 0.1,
  "clock jumps": 0.003,
  "process crashes": 0.006,
  "process freezes": 0.004,
  "activity never answers": 0.03,
  "activity answers twice": 0.08,
  "activity kills its host": 0.03,
  "ownership cannot be taken": 0.1,
  "index fails before it takes effect": 0.1,
  "index fails after it took effect": 0.1,
  "client says it again": 0.3,
  "code is missing": 0.1,
  "record is corrupted": 0.0005,
};

/** Makes the plan of a seed. */
export function generatePlan(seed: number, shape?: Shape): Plan {
  const random = new Random(seed, "plan");
  const chosen = shape ?? (random.chance(0.5) ? "objects" : "tabs");
  const programs = generatePrograms(random, ROOTS);
  return {
    seed,
    shape: chosen,
    programs,
    clients: generateClients(random, programs),
    rates: generateRates(random),
    muted: new Set(),
    policy: { inOrder: random.pick([0, 0.5, 0.9, 0.98]), drift: random.pick([0, 0.02, 0.1]) },
    tabs: random.int(1, 3),
    cacheSize: random.pick([0, 1, 2, 1000]),
    maxLiveInstances: random.pick([1, 2, 1000]),
    maxDeaths: random.pick([2, 5, 20]),
    faultySteps: random.int(200, 1500),
  };
}

/** The ids that clients give. */
const ROOTS: readonly string[] = ["r0", "r1", "r2"];

/** A third of the worlds has every kind of fault, a third only a few kinds, the rest none or hardly any. */
function generateRates(random: Random): FaultRates {
  const kinds = Object.keys(RATES) as FaultKind[];
  const share = random.pick([0, 0.15, 0.3, 1]);
  const force = random.pick([0.3, 1, 1, 2.5]);
  return Object.fromEntries(kinds.filter(() => random.chance(share)).map((kind) => [kind, RATES[kind] * force]));
}

function generateClients(random: Random, programs: readonly Program[]): Command[][] {
  const clients: Command[][] = [];
  for (let client = 0; client < random.int(1, 3); client++) {
    const commands: Command[] = [];
    for (let n = 0; n < random.int(2, 8); n++) commands.push(generateCommand(random, programs, client, n));
    clients.push(commands);
  }
  return clients;
}

function generateCommand(random: Random, programs: readonly Program[], client: number, n: number): Command {
  const instance = random.pick(ROOTS);
  const afterMs = random.chance(0.5) ? 0 : random.int(0, 5000);
  const start = (): Command => ({
    do: "start",
    instance,
    program: random.int(0, programs.length - 1),
    afterMs,
    ...(random.chance(0.5) ? { key: `k${random.int(0, 1)}-${instance}` } : {}),
    ...(random.chance(0.15) ? { delayMs: random.int(1, 5000) } : {}),
  });
  if (n === 0) return start();
  switch (random.pick(COMMANDS)) {
    case "start":
      return start();
    case "raise": {
      const name = random.pick(["go", "Stop"]);
      const key = random.chance(0.5) ? { key: `e${client}-${n}` } : {};
      return { do: "raise", instance, name, payload: `${instance}/${name}/${client}/${n}`, afterMs, ...key };
    }
    case "terminate":
      return { do: "terminate", instance, recursive: random.chance(0.6), afterMs };
    case "purge":
      return { do: "purge", instance, force: random.chance(0.3), afterMs };
    case "restart":
      return { do: "restart", instance, afterMs, ...(random.chance(0.3) ? { newInstance: `s${client}${n}` } : {}) };
    case "rerun":
      return { do: "rerun", instance, newInstance: `n${client}${n}`, nth: random.int(0, 3), afterMs };
    case "query":
      return { do: "query", afterMs };
    case "resume":
      return { do: "resume", instance, afterMs };
    case "suspend":
      return { do: "suspend", instance, afterMs };
    case "rewind":
      return { do: "rewind", instance, afterMs };
    case "history":
      return { do: "history", instance, afterMs };
    case "wait":
      return { do: "wait", instance, afterMs };
    default:
      return { do: "ask", instance, afterMs };
  }
}

/** The more often a word is here, the more often it is done. */
const COMMANDS: readonly Command["do"][] = [
  ..."start start start raise raise raise raise raise suspend resume resume terminate purge".split(" "),
  ..."restart rerun rewind query ask history wait".split(" "),
] as Command["do"][];
