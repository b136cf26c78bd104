/** The simulation itself: it repeats, it shrinks, and a fixed set of its seeds breaks no promise. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { FaultKind } from "../../src/testing/simulation/faults.ts";
import type { Plan, Shape } from "../../src/testing/simulation/plan.ts";
import { generatePlan } from "../../src/testing/simulation/plan-generator.ts";
import { Random } from "../../src/testing/simulation/random.ts";
import { shrink } from "../../src/testing/simulation/shrink.ts";
import { simulate } from "../../src/testing/simulation/simulate.ts";
import { Violation } from "../../src/testing/simulation/violation.ts";

const SHAPES: readonly Shape[] = ["objects", "tabs"];

/** How many seeds of each shape run here, and how many in one test. */
const SEEDS = 1000;
const SEEDS_PER_TEST = 100;

describe("the simulation", () => {
  it("draws the same numbers on every machine", () => {
    const random = new Random(42, "a test");
    expect([random.int(0, 999), random.int(0, 999), random.int(0, 999), random.uuid()]).toMatchInlineSnapshot(`
      [
        223,
        469,
        37,
        "664635ef-2c44-41b4-8c59-f250ad601190",
      ]
    `);
    expect(new Random(42, "another").int(0, 1e9)).not.toBe(new Random(42, "a test").int(0, 1e9));
  });

  it.each(SHAPES)("tells the same story twice for the same seed (%s)", async (shape) => {
    for (const seed of [3, 77, 1234]) {
      const plan = generatePlan(seed, shape);
      const { trace } = await simulate(plan, { trace: true });
      const again = await simulate(generatePlan(seed, shape), { trace: true });
      expect(again.trace).toEqual(trace);
      expect(trace.length).toBeGreaterThan(20);
    }
  });

  it("tells it in another process, with another zone, memory and way to run code", async () => {
    const flags = ["--no-opt", "--max-semi-space-size=1"];
    const script = fileURLToPath(new URL("../../scripts/sim.ts", import.meta.url));
    const args = [...flags, script, "--start", "77", "--seeds", "4", "--trace"];
    const env = { ...process.env, TZ: "America/St_Johns", NODE_OPTIONS: "" };
    const { stdout } = spawnSync(process.execPath, args, { env, encoding: "utf8" });
    const here: string[] = [];
    for (let seed = 77; seed < 81; seed++) here.push(...(await simulate(generatePlan(seed), { trace: true })).trace);
    const told = stdout.trimEnd().split("\n");
    // The last line tells of the seeds and their rate.
    expect(told.slice(0, -1)).toEqual(here);
    expect(told.at(-1)).toMatch(/^4 seeds from 77, \d+ a second, .*: no promise was broken$/u);
  });

  it("reaches every kind of fault", async () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 150; seed++) {
      const { trace } = await simulate(generatePlan(seed), { trace: true });
      for (const line of trace) {
        const kind = /^ {6}fault \d+: (.+)$/u.exec(line)?.[1];
        if (kind !== undefined) seen.add(kind);
      }
    }
    const kinds: readonly FaultKind[] = [
      "commit fails before it takes effect",
      "commit fails after it took effect",
      "append fails before it takes effect",
      "append fails after it took effect",
      "read fails",
      "a member of commits is poisoned",
      "quota is used up",
      "envelopes are lost",
      "acknowledgement is lost",
      "envelopes come twice",
      "signal is lost",
      "signal comes twice",
      "alarm is early",
      "alarm is late",
      "alarm comes twice",
      "clock jumps",
      "process crashes",
      "process freezes",
      "activity never answers",
      "activity answers twice",
      "activity kills its host",
      "ownership cannot be taken",
      "index fails before it takes effect",
      "index fails after it took effect",
      "client says it again",
      "code is missing",
      "record is corrupted",
    ];
    expect([...seen].sort()).toEqual([...kinds].sort());
  }, 120_000);

  it("makes a failing plan as small as it gets", async () => {
    const plan = generatePlan(9, "tabs");
    const culprit = plan.clients.flat().find((command) => command.do === "raise");
    const run = async (candidate: Plan) => {
      const fails = candidate.clients.flat().includes(culprit as never) && !candidate.muted.has(3);
      const faults = [1, 2, 3, 4].filter((fault) => !candidate.muted.has(fault));
      return { violation: fails ? new Violation("a promise", "broken") : undefined, faults };
    };
    const smallest = await shrink(plan, run);
    expect(smallest.clients.flat()).toEqual([culprit]);
    expect([...smallest.muted].sort()).toEqual([1, 2, 4]);
    expect(smallest.programs.every(({ steps }) => steps.length === 0)).toBe(true);
  });
});

it("the outcome is the same with orchestrators kept and with all of them evicted after every turn", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const plan = { ...generatePlan(seed, "tabs"), rates: {}, policy: { inOrder: 1, drift: 0 }, tabs: 1 };
    const kept = await simulate({ ...plan, cacheSize: 1000, maxLiveInstances: 1000 });
    const evicted = await simulate({ ...plan, cacheSize: 0, maxLiveInstances: 1 });
    expect([kept.violation, evicted.violation]).toEqual([undefined, undefined]);
    expect(evicted.ends).toEqual(kept.ends);
  }
}, 60_000);

describe.each(SHAPES)("no promise is broken (%s)", (shape) => {
  for (let from = 1; from <= SEEDS; from += SEEDS_PER_TEST) {
    it(`by the seeds from ${from}`, async () => {
      for (let seed = from; seed < from + SEEDS_PER_TEST; seed++) {
        const { violation } = await simulate(generatePlan(seed, shape));
        // `npm run sim -- --start <seed> --seeds 1 --shape <shape>` tells how it came to that.
        expect(violation?.message, `seed ${seed}, shape ${shape}`).toBeUndefined();
      }
    }, 60_000);
  }
});
