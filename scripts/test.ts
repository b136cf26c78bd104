/**
 * `npm test`: all tests. `npm run test:browser`: those in browsers only; `npm run test:webkit`: the contract suite in WebKitGTK only.
 *
 * What needs no browser runs one part after the other; beside it, browsers that are missing are installed, where that is possible, and
 * theirs run, whose output follows when each part has ended. Both spend most of their time waiting. What is left out for want of a browser
 * is said in a line. A browser that hangs ends with the part's time limit, and fails the run. Closed by one plain line that sums it all,
 * `N passed, N failed[, N skipped]`. A file that does not load, an error outside any test, and a run without a test are failures too.
 * Arguments go to Vitest: `npm test -- --project node history`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { browsers, installBrowsers } from "./browsers.ts";
import { killProcess } from "./processes.ts";
import { installWebKit, webkit, without } from "./webkit.ts";

/** The part of Vitest's JSON report that is read here. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/** What a run of Vitest came to. */
interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Vitest projects that run together. */
interface Part {
  readonly name: string;
  readonly projects: readonly string[];
  /** In ms. Several times what it takes on two cores. */
  readonly limitMs?: number;
}

const BASE: Part = { name: "tests", projects: ["node", "workerd", "e2e"] };
const PROTOCOL: Part = { name: "tests of the protocol", projects: ["protocol"] };
const INSIDE: Part = { name: "tests inside browsers", projects: ["browser*"], limitMs: 6 * 60_000 };
const DRIVEN: Part = { name: "tests that drive browsers", projects: ["driven"], limitMs: 9 * 60_000 };
const WEBKIT: Part = { name: "contract suite in WebKitGTK", projects: ["webkit"], limitMs: 5 * 60_000 };

const [mode, ...rest] = process.argv.slice(2);
const given = mode === "--browsers" || mode === "--webkit" ? rest : process.argv.slice(2);
const named = given.flatMap((argument, at) =>
  argument === "--project" ? [given[at + 1] ?? ""] : argument.startsWith("--project=") ? [argument.slice(10)] : [],
);
const outcomes: Outcome[] = [];
let isStopped = false;
await runAll();
const sum = (key: keyof Outcome): number => outcomes.reduce((total, outcome) => total + outcome[key], 0);
const [passed, failed, skipped] = [sum("passed"), sum("failed"), sum("skipped")];
if (passed + failed === 0) console.log("No test ran.");
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

/** Runs what was asked for. */
async function runAll(): Promise<void> {
  if (mode === "--webkit") {
    if (!leaveOut(await installWebKit())) await run(WEBKIT);
  } else if (named.length > 0) {
    if (named.some((project) => /^(browser|driven)/.test(project))) leaveOut(await installBrowsers());
    await run({ name: "tests", projects: named });
  } else if (mode === "--browsers") {
    leaveOut(await installBrowsers());
    await runBrowsers("inherit");
  } else {
    const others = run(BASE).then(() => run(PROTOCOL));
    leaveOut(await installBrowsers());
    await Promise.all([others, runBrowsers("pipe")]);
  }
}

/** The tests in the browsers that are here. */
async function runBrowsers(output: "inherit" | "pipe"): Promise<void> {
  if (browsers().length > 0) await run(INSIDE, output);
  if (webkit() !== undefined) await run(WEBKIT, output);
  else if (process.env.PERDURA_BROWSERS === undefined) {
    leaveOut([`${without()}; npm run test:webkit installs it`]);
  }
  if (browsers().length > 0) await run(DRIVEN, output);
}

/** Says what is left out. False: nothing is. */
function leaveOut(lines: readonly string[]): boolean {
  for (const line of lines) console.log(`Left out: ${line}.`);
  return lines.length > 0;
}

/** Runs a part and keeps what came of it. Piped output is held back until the part has ended: two at once would mix. */
async function run(part: Part, output: "inherit" | "pipe" = "inherit"): Promise<void> {
  if (!isStopped) outcomes.push(await outcomeOf(part, output));
}

async function outcomeOf({ name, projects, limitMs }: Part, output: "inherit" | "pipe"): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "perdura-test-"));
  const file = join(folder, "report.json");
  const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  const chosen = named.length > 0 ? [] : projects.flatMap((project) => ["--project", project]);
  const options = ["--passWithNoTests", ...reporters, ...chosen, ...given];
  const child = spawn(process.execPath, [vitest, "run", ...options], { stdio: ["inherit", output, output] });
  const held: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => held.push(chunk));
  const forward = (signal: NodeJS.Signals): void => {
    isStopped = true;
    child.kill(signal);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, forward);
  let isLate = false;
  const onLate = (): void => {
    isLate = true;
    if (child.pid !== undefined) killProcess(child.pid);
  };
  const late = new AbortController();
  if (limitMs !== undefined) void setTimeout(limitMs, undefined, late).then(onLate, () => undefined);
  const code = await new Promise<number | null>((resolve) => child.on("exit", resolve));
  if (output === "pipe") {
    // What was written last is still on its way; a browser that outlives the part may hold the pipe for ever.
    await Promise.race([once(child, "close"), setTimeout(1000, undefined, { ref: false })]);
    process.stdout.write(Buffer.concat(held));
  }
  late.abort();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, forward);
  const report = readReport(file);
  rmSync(folder, { recursive: true, force: true });
  if (isLate) {
    console.log(`The ${name} took more than ${(limitMs ?? 0) / 60_000} minutes and were stopped: one of them hangs.`);
  }
  const broken = (report?.testResults ?? []).filter(
    ({ status, assertionResults }) => status === "failed" && assertionResults.every((test) => test.status !== "failed"),
  );
  const failed = (report?.numFailedTests ?? 0) + broken.length;
  return {
    passed: report?.numPassedTests ?? 0,
    failed: failed === 0 && code !== 0 ? 1 : failed,
    skipped: (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0),
  };
}

function readReport(file: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}
