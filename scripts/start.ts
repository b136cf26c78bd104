/**
 * `npm start`: serves the Worker on this machine only, with `wrangler dev`, and prints one line when it answers. State
 * stays in .wrangler/state between runs. The variable that opens the Worker is given here, on the command line, so that
 * no configuration file can deploy it open; so is the browser example, which is served here and deployed nowhere.
 */
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ASSETS, buildExample, EXAMPLE_PATH } from "./example/build.ts";

const HOST = "127.0.0.1";
const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 5_000;
const WATCH_EVERY_MS = 5_000;
const MISSES_BEFORE_END = 4;

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

/** What serves the browser example; nothing when it cannot be built, since the Worker does without it. */
async function exampleArguments(): Promise<string[]> {
  try {
    await buildExample();
    return ["--assets", ASSETS, "--var", `PERDURA_EXAMPLE:${EXAMPLE_PATH}`];
  } catch (error) {
    console.error("The browser example was not built, and is left out:", error);
    return [];
  }
}

/** The error code that listening on the port gives, or undefined when it is free. */
function portTrouble(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, HOST, () => server.close(() => resolve(undefined)));
  });
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

const port = Number(process.env.PORT ?? 8787);
if (!Number.isInteger(port) || port < 1 || port > 65_535) {
  fail(`PORT must be a whole number from 1 to 65535, not "${process.env.PORT}".`);
}
const trouble = await portTrouble(port);
if (trouble === "EADDRINUSE")
  fail(`Port ${port} is taken: stop what listens there, or choose another: PORT=8788 npm start`);
if (trouble !== undefined) fail(`Port ${port} cannot be used (${trouble}): choose another: PORT=8788 npm start`);

const url = `http://${HOST}:${port}`;
const local = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const wrangler = spawn(
  process.execPath,
  [
    "--no-warnings",
    "--import",
    new URL("die-with-parent.mjs", import.meta.url).href,
    local("../node_modules/wrangler/wrangler-dist/cli.js"),
    ...["dev", "--local", "--ip", HOST, "--port", String(port), "--inspector-port", "0"],
    ...["--persist-to", local("../.wrangler/state"), "--var", "PERDURA_OPEN:1", "--log-level", "warn"],
    ...(await exampleArguments()),
  ],
  // A group of its own, so that Ctrl-C reaches it once, from us.
  { stdio: ["ignore", "pipe", "pipe"], detached: true },
);

let stopping = false;
for (const stream of [wrangler.stdout, wrangler.stderr]) {
  createInterface({ input: stream }).on("line", (line) => {
    if (!stopping && line.trim() !== "") console.error(line);
  });
}

wrangler.on("exit", (code) => {
  if (!stopping) fail(`The local server ended by itself (code ${code}).`);
  process.exit(process.exitCode ?? 0);
});

async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  wrangler.kill("SIGTERM");
  await sleep(STOP_WITHIN_MS);
  wrangler.kill("SIGKILL");
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, stop);

const deadline = Date.now() + READY_WITHIN_MS;
while (!(await answers(url))) {
  if (Date.now() > deadline) {
    console.error(
      `Nothing answered at ${url}/healthz within ${READY_WITHIN_MS / 1000} seconds: see the messages above.`,
    );
    process.exitCode = 1;
    await stop();
  }
  await sleep(100);
}
if (!stopping) console.log(`Perdura is at ${url}`);

// Wrangler restarts a runtime that dies, but not always one that listens: rather an end that says so than a silent server.
for (let misses = 0; !stopping; ) {
  await sleep(WATCH_EVERY_MS);
  misses = (await answers(url)) ? 0 : misses + 1;
  if (misses < MISSES_BEFORE_END || stopping) continue;
  console.error(`Nothing answers at ${url}/healthz any more: start it again, the instances go on where they were.`);
  process.exitCode = 1;
  await stop();
}
