/**
 * The executor protocol: a remote worker and client per transport, against `perdura serve`, against a Worker in a local workerd, and
 * over native gRPC through `perdura gateway` to either; each in processes of its own, beside the same work in one process and the
 * bare cost of a call (`Hello`). Times in ms; machines differ, ratios travel.
 *
 * Arguments: how many rounds (default 3), and a text: only rows whose name has it are run.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { openMemoryTaskHub } from "../src/backends/memory/index.ts";
import { createConnectTaskHubClient, createRemoteTaskHubWorker } from "../src/connect/index.ts";
import { daprService } from "../src/connect/protocol/services.ts";
import { silentLogger, type TaskHubClient, TaskRegistry } from "../src/core/index.ts";
import { startLocalWorker } from "./local-worker.ts";
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

/** What is measured at the far end, and how it is stopped. */
interface Far {
  readonly baseUrl: string;
  stop(): Promise<void> | void;
}

/** The command `perdura`, and where it listens. */
async function startPerdura(...args: readonly string[]): Promise<Far> {
  const cli = fileURLToPath(new URL("../src/connect/node/cli.ts", import.meta.url));
  const [command = "", ...options] = args;
  const child = spawn(process.execPath, [cli, command, "--listen", "127.0.0.1:0", ...options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const line = await new Promise<string>((resolve) => child.stdout.setEncoding("utf8").once("data", resolve));
  return { baseUrl: `http://${/on (\S+) /.exec(line)?.[1]}`, stop: () => void child.kill() };
}

const startServe = (): Promise<Far> => startPerdura("serve");

async function startServeOnDisk(): Promise<Far> {
  const folder = mkdtempSync(join(tmpdir(), "perdura-bench-"));
  const { baseUrl, stop } = await startPerdura("serve", "--data", folder);
  return {
    baseUrl,
    stop: async () => {
      await stop();
      await new Promise((resolve) => setTimeout(resolve, 500));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startWorker(): Promise<Far> {
  const durableObjects = {
    ORCHESTRATIONS: "OrchestrationObject",
    HUB_INDEX: "HubIndexObject",
    DISPATCHER: "DispatcherObject",
  };
  const { url, stop } = await startLocalWorker({ entry: "bench/protocol/worker.ts", durableObjects });
  return { baseUrl: url, stop };
}

/** A gateway before another far end. */
function behindGateway(start: () => Promise<Far>): () => Promise<Far> {
  return async () => {
    const upstream = await start();
    const gateway = await startPerdura("gateway", "--upstream", upstream.baseUrl);
    return {
      baseUrl: gateway.baseUrl,
      stop: async () => {
        await gateway.stop();
        await upstream.stop();
      },
    };
  };
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

type NewTransport = (baseUrl: string) => Transport;

const grpc: NewTransport = (baseUrl) => createGrpcTransport({ baseUrl });
const grpcWeb = (httpVersion: "1.1" | "2"): NewTransport => {
  return (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion });
};
const connect = (httpVersion: "1.1" | "2", useBinaryFormat = true): NewTransport => {
  return (baseUrl) => createConnectTransport({ baseUrl, httpVersion, useBinaryFormat });
};

/** What is measured: a name, the far end, and the transport to it. */
const ROWS: readonly (readonly [name: string, start: () => Promise<Far>, newTransport: NewTransport])[] = [
  ["serve, gRPC", startServe, grpc],
  ["serve, gRPC-Web", startServe, grpcWeb("2")],
  ["serve, Connect", startServe, connect("2")],
  ["serve, Connect in JSON", startServe, connect("2", false)],
  ["serve, Connect over HTTP/1.1", startServe, connect("1.1")],
  ["serve on disk, gRPC", startServeOnDisk, grpc],
  ["gateway, serve, gRPC", behindGateway(startServe), grpc],
  ["Worker, gRPC-Web", startWorker, grpcWeb("1.1")],
  ["Worker, Connect", startWorker, connect("1.1")],
  ["Worker, Connect in JSON", startWorker, connect("1.1", false)],
  ["gateway, Worker, gRPC", behindGateway(startWorker), grpc],
];

const ROUNDS = Number(process.argv[2] ?? 3);
const wanted = process.argv[3] ?? "";
const results = new Map<string, number[][]>();
for (let round = 0; round < ROUNDS; round++) {
  results.set("in one process", [...(results.get("in one process") ?? []), await inProcess()]);
  for (const [name, start, newTransport] of ROWS.filter(([name]) => name.includes(wanted))) {
    const far = await start();
    results.set(name, [...(results.get(name) ?? []), await overTransport(newTransport(far.baseUrl))]);
    await far.stop();
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
  [
    "far end, transport",
    "a step",
    `${INSTANCES} x 3`,
    `fan-out ${WIDTH}`,
    `${EVENTS} events`,
    "a bare call",
    "step / call",
  ],
  rows,
);
process.exit(0);
