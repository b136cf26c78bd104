/** Runs every example of docs/testing.md: as files of one folder, with the commands that a reader would use. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

interface Example {
  readonly name: string;
  readonly code: string;
}

/** What Vitest's JSON report says of one file. */
interface FileReport {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly assertionResults: readonly { readonly status: string; readonly failureMessages: readonly string[] }[];
}

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(root, "docs/testing.md"), "utf8");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
};

/** The source of each of the package's entries, by the name that users import. */
const sources = new Map(
  Object.entries(manifest.exports).flatMap(([entry, target]) => {
    if (typeof target === "string") return [];
    const source = target.default.replace("./dist/", "src/").replace(/\.js$/, ".ts");
    return [[`perdura${entry.slice(1)}`, join(root, source)] as const];
  }),
);

/** The page's blocks; the first line of each names its file in a comment. */
const examples: readonly Example[] = [...page.matchAll(/^```(?:ts|toml)\n(?:\/\/|#) (\S+)\n(.*?)^```$/gms)].map(
  ([, name = "", code = ""]) => ({
    name,
    code: code.replace(/(?<=from )"(perdura[^"]*)"/g, (text, entry) => JSON.stringify(sources.get(entry) ?? text)),
  }),
);

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "perdura-docs-"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "dir");
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  for (const { name, code } of examples) writeFileSync(join(folder, name), code);
  const workerd = ["worker.ts", "*.workerd.ts"];
  writeConfig("tsconfig.node.json", ["node"], { include: ["*.ts"], exclude: workerd });
  writeConfig("tsconfig.workerd.json", WORKER_TYPES, { include: workerd });
});

const WORKER_TYPES = ["@cloudflare/workers-types", "@cloudflare/vitest-plugin/types"];

function writeConfig(name: string, types: readonly string[], files: object): void {
  const compilerOptions = { noEmit: true, skipLibCheck: true, types };
  writeFileSync(
    join(folder, name),
    JSON.stringify({ extends: join(root, "tsconfig.base.json"), compilerOptions, ...files }),
  );
}

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a Node program in the folder, apart from the runner that this test runs in. Resolves with what it said. */
function run(...args: readonly string[]): Promise<string> {
  const { PATH, HOME, TMPDIR } = process.env;
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { PATH, HOME, TMPDIR, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => resolve(said));
  });
}

const program = (path: string): string => join(root, "node_modules", path);

test("every block of code is named, and so is run", () => {
  const blocks = page.match(/^```(ts|toml)$/gm) ?? [];
  expect(examples.map(({ name }) => name)).toHaveLength(blocks.length);
  expect(new Set(examples.map(({ name }) => name)).size).toBe(examples.length);
});

test("the examples pass under Vitest, in Node and in workerd", { timeout: 120_000 }, async () => {
  const report = join(folder, "report.json");
  const said = await run(program("vitest/vitest.mjs"), "run", "--reporter=json", `--outputFile=${report}`);
  expect(existsSync(report), said).toBe(true);
  const { testResults } = JSON.parse(readFileSync(report, "utf8")) as { readonly testResults: readonly FileReport[] };
  const expected = examples.filter(({ name }) => /\.(test|workerd)\.ts$/.test(name)).map(({ name }) => name);
  expect(testResults.map(({ name }) => basename(name)).sort()).toEqual(expected.sort());
  for (const { name, status, message, assertionResults } of testResults) {
    const failures = assertionResults.flatMap(({ failureMessages }) => failureMessages);
    expect([status, ...failures], `${basename(name)} ${message}`).toEqual(["passed"]);
    expect(assertionResults.length, basename(name)).toBeGreaterThan(0);
  }
});

test("the examples pass under Node's own runner", { timeout: 60_000 }, async () => {
  const files = examples.filter(({ name }) => name.endsWith(".node.ts")).map(({ name }) => name);
  expect(await run("--test", ...files)).toContain("pass 1");
});

test.each(["node", "workerd"])(
  "the examples have no type error, with the types of %s",
  { timeout: 60_000 },
  async (host) => {
    const said = await run(program("typescript/bin/tsc"), "-p", `tsconfig.${host}.json`, "--pretty", "false");
    // What is not of this folder is the engine's own source, which is checked with other settings.
    expect(said.split("\n").filter((line) => /^[\w.]+\.ts\(/.test(line) || line.startsWith("error"))).toEqual([]);
  },
);
