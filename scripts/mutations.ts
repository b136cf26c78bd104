/**
 * `npm run mutations [-- --only 5]`: breaks each of the ten rules on purpose, in a copy of the project, and records what
 * notices it and how fast: the simulation, by an invariant, or else a test. Writes docs/decisions/mutations.md. Fails when a
 * break goes unnoticed.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Mutation, mutations } from "./mutations/list.ts";

const { values } = parseArgs({ options: { only: { type: "string" }, seeds: { type: "string", default: "600" } } });
const root = fileURLToPath(new URL("..", import.meta.url));
const page = join(root, "docs/decisions/mutations.md");

/** Longer than this nothing takes unless the break makes it hang, which is a way of noticing too, in ms. */
const PATIENCE_MS = 180_000;

/** What a run needs of the project. */
const COPIED = /^(src|test|scripts|examples|docs|package\.json|vitest\.config\.ts|tsconfig.*\.json)$/u;

/** The tests that state the rules. */
const TESTS = [
  ...["partition", "hub", "history", "orchestration", "protocol"].map((name) => `test/core/${name}`),
  "test/simulation/regressions",
  "test/backends/memory",
];

/** What noticed a break, and how fast. */
interface Notice {
  readonly by: string;
  readonly after: string;
}

interface Verdict {
  readonly mutation: Mutation;
  readonly noticed: Notice | undefined;
}

/** The part of Vitest's JSON report that is read here. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

const verdicts: Verdict[] = [];
for (const mutation of mutations) {
  if (values.only !== undefined && mutation.rule !== Number(values.only)) continue;
  const noticed = await tryOut(mutation);
  verdicts.push({ mutation, noticed });
  const words = noticed === undefined ? "noticed by NOTHING" : `noticed by ${noticed.by}, after ${noticed.after}`;
  console.log(`rule ${mutation.rule}, ${mutation.what}: ${words}`);
}
if (values.only === undefined) writeFileSync(page, pageOf(verdicts));
const missed = verdicts.filter(({ noticed }) => noticed === undefined);
console.log(`${verdicts.length} breaks, ${missed.length} unnoticed`);
process.exitCode = missed.length === 0 ? 0 : 1;

async function tryOut(mutation: Mutation): Promise<Notice | undefined> {
  const copy = mkdtempSync(join(tmpdir(), "perdura-mutation-"));
  try {
    for (const name of readdirSync(root)) {
      if (COPIED.test(name)) cpSync(join(root, name), join(copy, name), { recursive: true });
    }
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    for (const { file, from, to } of [mutation, ...(mutation.also === undefined ? [] : [mutation.also])]) {
      const text = readFileSync(join(copy, file), "utf8");
      if (text.split(from).length !== 2) throw new Error(`${file} does not hold this once: ${from}`);
      const broken = text.replace(from, () => to);
      writeFileSync(join(copy, file), broken);
    }
    return (await simulate(copy)) ?? (await test(copy));
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

async function simulate(copy: string): Promise<Notice | undefined> {
  const begun = performance.now();
  const { output, isOver } = await run(copy, ["scripts/sim.ts", "--seeds", values.seeds, "--no-shrink"]);
  const seconds = `${((performance.now() - begun) / 1000).toFixed(1)} s`;
  const [, seed, invariant] = /^seed (\d+) \(\w+\) breaks a promise: ([^:]+):/m.exec(output) ?? [];
  if (seed !== undefined) return { by: `the simulation: "${invariant}"`, after: `${seed} seed(s), ${seconds}` };
  return isOver ? undefined : { by: "the simulation, which hangs", after: seconds };
}

async function test(copy: string): Promise<Notice | undefined> {
  const begun = performance.now();
  const report = join(copy, "report.json");
  const options = [
    "run",
    "--project",
    "node",
    "--bail=1",
    "--testTimeout=60000",
    "--reporter=json",
    `--outputFile=${report}`,
  ];
  const { isOver } = await run(copy, ["node_modules/vitest/vitest.mjs", ...options, ...TESTS]);
  const after = `${((performance.now() - begun) / 1000).toFixed(0)} s`;
  if (!isOver) return { by: "the tests, which hang", after };
  const { testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = tests.find(({ status }) => status === "failed");
  if (failed !== undefined) return { by: `a test: "${failed.fullName.trim().replaceAll("|", "/")}"`, after };
  const unread = testResults.find(({ status }) => status === "failed");
  if (unread !== undefined) throw new Error(`${unread.name} cannot be loaded: ${unread.message}`);
  return undefined;
}

function run(cwd: string, args: readonly string[]): Promise<{ readonly output: string; readonly isOver: boolean }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let isOver = true;
    const timer = setTimeout(() => {
      isOver = false;
      child.kill("SIGKILL");
    }, PATIENCE_MS);
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (bytes) => {
        output += String(bytes);
      });
    }
    child.on("close", () => {
      clearTimeout(timer);
      resolve({ output, isOver });
    });
  });
}

function pageOf(all: readonly Verdict[]): string {
  const rows = all.map(({ mutation, noticed }) => {
    const { by, after } = noticed ?? { by: "**nothing**", after: "" };
    return `| ${mutation.rule} | ${mutation.what} (\`${mutation.file}\`) | ${by} | ${after} |`;
  });
  return `# Does the proof notice?

Each of the ten rules (design, section 4) is broken on purpose, in one place, in a copy of the project. The table says what
noticed it first, and how fast: the first ${values.seeds} seeds of the simulation, by an invariant, or, where these do not, the tests
of the core. The time includes the start of Node, or of Vitest. \`npm run mutations\` writes this page; the breaks are in
\`scripts/mutations/list.ts\`. A break that nothing notices would be a rule that is not proved, and the command fails.

| rule | broken | noticed by | after |
|---|---|---|---|
${rows.join("\n")}
`;
}
