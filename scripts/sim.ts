/**
 * `npm run sim -- --seeds 1000 [--start N] [--shape objects|tabs] [--trace]`: runs the simulation for many seeds. Ends at
 * the first failing seed, with a trace in words of the smallest plan that still fails.
 */
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { generatePlan } from "../src/testing/simulation/plan-generator.ts";
import { shrink } from "../src/testing/simulation/shrink.ts";
import { simulate } from "../src/testing/simulation/simulate.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    start: { type: "string", default: "1" },
    shape: { type: "string" },
    trace: { type: "boolean", default: false },
    "no-shrink": { type: "boolean", default: false },
    "keep-going": { type: "boolean", default: false },
  },
});

const shape = shapeOf(values.shape);
const start = Number(values.start);
const count = Number(values.seeds);
const begun = performance.now();
let steps = 0;
let faults = 0;
const failures = new Map<string, number[]>();

for (let seed = start; seed < start + count; seed++) {
  const plan = generatePlan(seed, shape);
  const result = await simulate(plan, { trace: values.trace });
  steps += result.steps;
  faults += result.faults.length;
  if (values.trace) console.log(result.trace.join("\n"));
  if (result.violation !== undefined) {
    if (values["keep-going"]) {
      const { invariant } = result.violation;
      const seeds = failures.get(invariant) ?? [];
      if (seeds.length === 0) console.log(`seed ${seed}: ${result.violation.message.slice(0, 600)}`);
      failures.set(invariant, [...seeds, seed]);
      continue;
    }
    await fail(seed);
    break;
  }
  const done = seed - start + 1;
  if (done % 1000 === 0) console.log(`${done} seeds, ${rate(done)} a second`);
}
for (const [invariant, seeds] of failures)
  console.log(`${invariant}: ${seeds.length} seeds: ${seeds.slice(0, 12).join(", ")}`);
if (process.exitCode === undefined) {
  console.log(
    `${count} seeds from ${start}, ${rate(count)} a second, ${steps} steps, ${faults} faults: ${failures.size === 0 ? "no promise was broken" : "see above"}`,
  );
}

function rate(done: number): string {
  return ((done * 1000) / (performance.now() - begun)).toFixed(0);
}

async function fail(seed: number): Promise<void> {
  process.exitCode = 1;
  const plan = generatePlan(seed, shape);
  const { violation } = await simulate(plan);
  console.log(`seed ${seed} (${plan.shape}) breaks a promise: ${violation?.message}`);
  const smallest = values["no-shrink"] ? plan : await shrink(plan);
  const { trace } = await simulate(smallest, { trace: true });
  const { rates: _, muted: __, ...rest } = smallest;
  console.log(`the smallest plan that still does: ${JSON.stringify(rest)}`);
  console.log(trace.join("\n"));
}

function shapeOf(text: string | undefined): "objects" | "tabs" | undefined {
  if (text === undefined || text === "objects" || text === "tabs") return text;
  if (text === "a") return "objects";
  if (text === "b") return "tabs";
  throw new Error(`--shape is ${text}: give objects (a) or tabs (b)`);
}
