/**
 * `npm test`: every Vitest project that needs no browser; `npm run test:browser`: those that do. One run, closed by one plain line that sums them, `N passed, N failed[, N
 * skipped]`. A file that does not load, an error outside any test, and a run without a test are failures too.
 * Browsers that are missing are installed where that is possible; what is left out for want of one is said in a line.
 * Arguments go to Vitest: `npm test -- --project node history`.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installBrowsers } from "./browsers.ts";

/** The part of Vitest's JSON report that is read here. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { status: string }[];
  }[];
}

function readReport(file: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

const WITHOUT_BROWSER = ["node", "workerd", "e2e", "protocol"];
const WITH_BROWSER = ["browser*", "driven"];

const isBrowserRun = process.argv[2] === "--browsers";
const given = process.argv.slice(isBrowserRun ? 3 : 2);
// Before Vitest reads its configuration, which takes up the browsers that are there.
if (isBrowserRun) for (const line of installBrowsers()) console.log(`Left out: ${line}.`);
const projects = isBrowserRun ? WITH_BROWSER : WITHOUT_BROWSER;
const chosen = given.includes("--project") ? [] : projects.flatMap((project) => ["--project", project]);
const folder = mkdtempSync(join(tmpdir(), "perdura-test-"));
const file = join(folder, "report.json");
const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
const child = spawn(process.execPath, [vitest, "run", ...reporters, ...chosen, ...given], { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));

child.on("exit", (code) => {
  const report = readReport(file);
  rmSync(folder, { recursive: true, force: true });
  const passed = report?.numPassedTests ?? 0;
  const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
  const broken = (report?.testResults ?? []).filter(
    ({ status, assertionResults }) => status === "failed" && assertionResults.every((test) => test.status !== "failed"),
  );
  let failed = (report?.numFailedTests ?? 0) + broken.length;
  if (failed === 0 && code !== 0) failed = 1;
  if (passed + failed === 0) console.log("No test ran.");
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  process.exit(failed > 0 || passed === 0 ? 1 : 0);
});
