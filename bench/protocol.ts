/**
 * The executor protocol: a remote worker and client against `perdura serve` in a process of its own, per transport, beside the
 * same work in one process and the bare cost of a call (`Hello`). Times in ms; machines differ, ratios travel.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { openMemoryTaskHub } from "../src/backends/memory/index.ts";
import { createConnectTaskHubClient, createRemoteTaskHubWorker } from "../src/connect/index.ts";
import { daprService } from "../src/connect/protocol/services.ts";
import { silentLogger, type TaskHubClient, TaskRegistry } from "../src/core/index.ts";
import { median, printTable } from "./table.ts";

const STEPS = 500;
const INSTANCES = 500;
const WIDTH = 1000;
const EVENTS = 200;

const registry = new TaskRegistry()
  .addActivity("plus-one", (_, n: number) => n + 1)
  .addOrchestrator("steps", async (ctx, steps: number) => {
    let n = 0;
    for (let step = 0; step < steps; step++) n = (await ctx.callActivity("plus-one", n)) as number;
    return n;
  })
  .addOrchestrator("fan-out", async (ctx, width: number) => {
    const results = await ctx.whenAll(Array.from({ length: width }, (_, n) => ctx.callActivity("plus-one", n)));
    return results.length;
  })
  .addOrchestrator("events", async (ctx, count: number) => {
    for (let event = 0; event < count; event++) await ctx.waitForExternalEvent("tick");
    return count;
  });

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

/** The four loads, each as the ms that it took. */
async function loads(client: TaskHubClient): Promise<number[]> {
  const run = async (name: string, input: number): Promise<void> => {
    const id = await client.scheduleNewOrchestration(name, input);
    const { output } = await client.waitForOrchestrationCompletion(id);
    if (output !== String(input)) throw new Error(`'${name}' gave ${output}`);
  };
  await run("steps", 20);
  return [
    await timed(() => run("steps", STEPS)),
    await timed(() => Promise.all(Array.from({ length: INSTANCES }, () => run("steps", 3)))),
    await timed(() => run("fan-out", WIDTH)),
    await timed(async () => {
      const id = await client.scheduleNewOrchestration("events", EVENTS);
      for (let event = 0; event < EVENTS; event++) await client.raiseEvent(id, "tick", event);
      await client.waitForOrchestrationCompletion(id);
    }),
  ];
}

/** `perdura serve`, and where it listens. */
async function startServe(): Promise<{ readonly baseUrl: string; stop(): void }> {
  const cli = fileURLToPath(new URL("../src/connect/node/cli.ts", import.meta.url));
  const child = spawn(process.execPath, [cli, "serve", "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const line = await new Promise<string>((resolve) => child.stdout.setEncoding("utf8").once("data", resolve));
  return { baseUrl: `http://${/on (\S+) /.exec(line)?.[1]}`, stop: () => void child.kill() };
}

async function overTransport(transport: Transport): Promise<number[]> {
  const worker = createRemoteTaskHubWorker(transport, registry, { logger: silentLogger() });
  worker.start();
  const bare = createClient(daprService, transport);
  for (let call = 0; call < 50; call++) await bare.hello({});
  const hello = await timed(async () => {
    for (let call = 0; call < 200; call++) await bare.hello({});
  });
  const times = await loads(createConnectTaskHubClient(transport));
  await worker.stop();
  return [...times, hello / 200];
}

async function inProcess(): Promise<number[]> {
  const hub = await openMemoryTaskHub({ registry, logger: silentLogger() });
  const times = await loads(hub.client);
  await hub.close();
  return [...times, 0];
}

const TRANSPORTS: Readonly<Record<string, (baseUrl: string) => Transport>> = {
  gRPC: (baseUrl) => createGrpcTransport({ baseUrl }),
  "gRPC-Web": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
  Connect: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true }),
  "Connect, JSON": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: false }),
};

const ROUNDS = Number(process.argv[2] ?? 3);
const results = new Map<string, number[][]>();
for (let round = 0; round < ROUNDS; round++) {
  results.set("in one process", [...(results.get("in one process") ?? []), await inProcess()]);
  for (const [name, newTransport] of Object.entries(TRANSPORTS)) {
    const server = await startServe();
    results.set(name, [...(results.get(name) ?? []), await overTransport(newTransport(server.baseUrl))]);
    server.stop();
  }
}
const rows = [...results].map(([name, rounds]) => {
  const [steps = 0, many = 0, fan = 0, events = 0, hello = 0] = [0, 1, 2, 3, 4].map((column) =>
    median(rounds.map((round) => round[column] ?? 0)),
  );
  const perStep = steps / STEPS;
  return [
    name,
    perStep.toFixed(2),
    many.toFixed(0),
    fan.toFixed(0),
    events.toFixed(0),
    hello === 0 ? "-" : hello.toFixed(2),
    // A step is two items sent and two calls that answer them.
    hello === 0 ? "-" : (perStep / hello).toFixed(1),
  ];
});
printTable(
  `The executor protocol, medians of ${ROUNDS} rounds, ms`,
  ["transport", "a step", `${INSTANCES} x 3`, `fan-out ${WIDTH}`, `${EVENTS} events`, "a bare call", "step / call"],
  rows,
);
process.exit(0);
