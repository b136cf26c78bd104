/**
 * `npm run bench:browser`: what the engine costs in a browser, beside what the browser itself takes for the same writes, in the same
 * run and on the same profile.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { type BrowserContext, chromium, firefox, type Page } from "playwright";
import { type BrowserName, browsers, CHROMIUM_ARGS } from "../scripts/browsers.ts";
import { median, printTable } from "./table.ts";

interface Timed {
  readonly ms: number;
  readonly transactions: number;
}

/** How often the short measurements are made; the middle one counts. */
const ROUNDS = 5;
const STEPS = 300;
/** Steps and bare transactions before the measurement. */
const WARM_UP = 2000;

async function bundle(input: { readonly entry?: string; readonly code?: string }): Promise<string> {
  const { outputFiles } = await build({
    ...(input.entry === undefined
      ? {
          stdin: {
            contents: input.code ?? "",
            resolveDir: fileURLToPath(new URL("..", import.meta.url)),
            loader: "ts",
          },
        }
      : { entryPoints: [fileURLToPath(new URL(input.entry, import.meta.url))] }),
    bundle: true,
    format: "esm",
    target: "es2022",
    minify: true,
    write: false,
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
}

async function launch(name: BrowserName, executablePath: string, profile: string): Promise<BrowserContext> {
  return name === "chromium"
    ? chromium.launchPersistentContext(profile, { executablePath, args: [...CHROMIUM_ARGS] })
    : firefox.launchPersistentContext(profile, { executablePath, channel: "moz-firefox" });
}

async function measure(page: Page): Promise<string[][]> {
  const ask = <T>(code: string): Promise<T> => page.evaluate(`bench.${code}`) as Promise<T>;
  const rate = (msPerStep: number): string => `${(1000 / msPerStep).toFixed(0)}/s`;
  const one: number[] = [];
  const bare: number[] = [];
  const steps: number[] = [];
  const generators: number[] = [];
  const perStep: number[] = [];
  const cold = await ask<Timed>(`chain(${STEPS})`);
  // A rate is what it settles at: until the browser has compiled what runs often, it takes half as long again.
  await ask(`bare(${WARM_UP})`);
  for (const style of ["chain", "chain-generator"]) await ask(`chain(${WARM_UP}, "${style}")`);
  for (let round = 0; round < ROUNDS; round++) {
    one.push(await ask<number>(`oneRecord(${STEPS})`));
    bare.push(await ask<number>(`bare(${STEPS})`));
    const chain = await ask<Timed>(`chain(${STEPS})`);
    steps.push(chain.ms / STEPS);
    perStep.push((chain.transactions - 2) / STEPS);
    generators.push((await ask<Timed>(`chain(${STEPS}, "chain-generator")`)).ms / STEPS);
  }
  // Each step beside the bare writes of its own round, since the machine is not the same all the time.
  const ratio = (times: readonly number[]): string =>
    median(times.map((ms, at) => (bare[at] ?? Number.NaN) / ms)).toFixed(2);
  const fan = await ask<Timed>("fan(1000)");
  const many = await ask<Timed>("many(500, 3)");
  const growth = await ask<{ at: number; ms: number }[]>("growth(10000, [600, 1100, 5000, 9999], 500)");
  const coldOpen = await ask<{ openMs: number; allMs: number; transactions: number }>("coldOpen(1000)");
  const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`;
  return [
    ["one record, one transaction", ms(median(one)), rate(median(one)), ""],
    ["bare transaction with a step's requests", ms(median(bare)), rate(median(bare)), "1.00 of bare"],
    ["sequential step, async, the first 300 of a page", ms(cold.ms / STEPS), rate(cold.ms / STEPS), ""],
    ["sequential step, async", ms(median(steps)), rate(median(steps)), `${ratio(steps)} of bare`],
    ["sequential step, function*", ms(median(generators)), rate(median(generators)), `${ratio(generators)} of bare`],
    ["transactions a step", median(perStep).toFixed(2), "", ""],
    [
      "fan-out of 1,000 and join",
      ms(fan.ms),
      `${((1000 / fan.ms) * 1000).toFixed(0)}/s`,
      `${fan.transactions} transactions`,
    ],
    [
      "500 instances of 3 steps",
      ms(many.ms),
      `${((1500 / many.ms) * 1000).toFixed(0)} steps/s`,
      `${many.transactions} transactions`,
    ],
    ...growth.map(({ at, ms: each }) => [`10,000 steps: the 500 before step ${at}`, ms(each), rate(each), ""]),
    ["cold open, 1,000 unfinished: open", ms(coldOpen.openMs), "", ""],
    ["cold open: all have run on and wait", ms(coldOpen.allMs), "", `${coldOpen.transactions} transactions`],
  ];
}

const script = await bundle({ entry: "browser/page.ts" });
const server = createServer((request, response) => {
  const isScript = request.url === "/page.js";
  response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
  response.end(isScript ? script : '<!doctype html><title>bench</title><script type="module" src="/page.js"></script>');
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const address = server.address();
const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/`;

for (const { name, path } of browsers()) {
  const profile = mkdtempSync(join(tmpdir(), `perdura-bench-${name}-`));
  const context = await launch(name, path, profile);
  try {
    const page = await context.newPage();
    await page.goto(url);
    await page.waitForFunction('"bench" in window');
    const version = (await page.evaluate("navigator.userAgent")) as string;
    const [product] = /(Chrome|Firefox)\/\d+/.exec(version) ?? [name];
    printTable(product, ["", "time", "rate", ""], await measure(page));
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 3 });
  }
}
server.close();

const size = (text: string): string[] => [
  `${(text.length / 1000).toFixed(1)} kB`,
  `${(gzipSync(text, { level: 9 }).length / 1000).toFixed(1)} kB`,
];
const app = `export { openTaskHub } from "./src/backends/indexeddb/index.ts";
export { defineActivity, defineEvent, defineOrchestrator, TaskRegistry } from "./src/core/index.ts";`;
const all = `export * from "./src/backends/indexeddb/index.ts"; export * from "./src/core/index.ts";`;
printTable(
  "Bundle",
  ["", "minified", "gzip"],
  [
    ["what an app imports to run orchestrations", ...size(await bundle({ code: app }))],
    ["everything of core and the IndexedDB entry", ...size(await bundle({ code: all }))],
  ],
);
