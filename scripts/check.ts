/**
 * `npm run check`: everything that must hold besides the tests, one line each. Every step runs, even after one failed;
 * the exit code says whether all passed. `npm run check -- types bundle` runs only those named.
 */
import { performance } from "node:perf_hooks";
import { checkBundles } from "./check/bundles.ts";
import { checkCycles } from "./check/cycles.ts";
import { checkGenerated } from "./check/generated.ts";
import { checkPackage } from "./check/package.ts";
import { run } from "./check/run.ts";
import { checkTypes } from "./check/types.ts";

/** Each gives a remark for its line, or throws with what is wrong. `package` reads what `types` has built. */
const steps: Record<string, () => Promise<string>> = {
  biome: async () => {
    await run("biome", ["check", "--error-on-warnings", "--colors=off"]);
    return "format and lint";
  },
  types: checkTypes,
  proto: checkGenerated,
  knip: async () => {
    await run("knip", ["--no-progress", "--no-config-hints"]);
    return "no unused file, export or dependency";
  },
  package: checkPackage,
  bundles: checkBundles,
  cycles: checkCycles,
};

const named = process.argv.slice(2);
const unknown = named.filter((name) => !(name in steps));
if (unknown.length > 0) {
  console.error(`No such step: ${unknown.join(", ")}. There are: ${Object.keys(steps).join(", ")}.`);
  process.exit(2);
}

let failures = 0;
for (const [name, step] of Object.entries(steps)) {
  if (named.length > 0 && !named.includes(name)) continue;
  const begun = performance.now();
  const line = (verdict: string, remark: string): string =>
    `${verdict.padEnd(4)}  ${name.padEnd(8)}  ${((performance.now() - begun) / 1000).toFixed(1).padStart(5)} s  ${remark}`;
  try {
    console.log(line("ok", await step()));
  } catch (error) {
    failures += 1;
    console.log(line("FAIL", "see below"));
    console.log((error instanceof Error ? error.message : String(error)).replace(/^/gm, "      "));
  }
}
console.log(failures === 0 ? "All checks passed." : `${failures} of the checks failed.`);
process.exitCode = failures === 0 ? 0 : 1;
