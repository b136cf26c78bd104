/**
 * The engine in memory: how the cost of a step grows with the length of an orchestration, and what a cold replay costs
 * beside reading and decoding the same history. Prints ratios of one run: machines differ, ratios travel.
 */
import { MemoryStore, openMemoryTaskHub } from "../src/backends/memory/index.ts";
import {
  defineActivity,
  defineOrchestrator,
  historyOf,
  InProcessExecutor,
  silentLogger,
  TaskRegistry,
} from "../src/core/index.ts";
import { orchestratorStarted } from "../src/core/protocol/events.ts";
import { marshalSegment, unmarshalSegment } from "../src/core/protocol/marshal.ts";
import { median, printTable } from "./table.ts";

const marks: number[] = [];
const mark = defineActivity("mark", () => {
  marks.push(performance.now());
});
const asyncChain = defineOrchestrator("async", async (ctx, steps: number) => {
  for (let step = 0; step < steps; step++) await ctx.callActivity(mark);
});
const generatorChain = defineOrchestrator("generator", function* (ctx, steps: number) {
  for (let step = 0; step < steps; step++) yield* ctx.callActivity(mark);
});
const crowd = defineOrchestrator("crowd", async (ctx, size: number) => {
  await ctx.whenAll(Array.from({ length: size }, () => ctx.callActivity(mark)));
});
const short = defineOrchestrator("short", async (ctx) => {
  for (let step = 0; step < 3; step++) await ctx.callActivity(mark);
});
const registry = new TaskRegistry().add(mark, asyncChain, generatorChain, crowd, short);

/** Mean time of the steps around one step, in microseconds. */
function around(step: number, width: number): number {
  const from = marks[step - width / 2] ?? Number.NaN;
  const to = marks[step + width / 2] ?? Number.NaN;
  return ((to - from) / width) * 1000;
}

async function growth(): Promise<void> {
  const rows: string[][] = [];
  for (const chain of [asyncChain, generatorChain]) {
    const store = new MemoryStore();
    const hub = await openMemoryTaskHub({ registry, logger: silentLogger() }, { store });
    await hub.client.waitForOrchestrationCompletion(await hub.client.scheduleNewOrchestration(chain, 500));
    marks.length = 0;
    const id = await hub.client.scheduleNewOrchestration(chain, 10_200);
    await hub.client.waitForOrchestrationCompletion(id);
    const [early, late, last] = [around(200, 200), around(5000, 200), around(10_000, 200)];
    rows.push([chain.name, early.toFixed(0), late.toFixed(0), last.toFixed(0), (last / early).toFixed(2)]);
    await hub.close();
  }
  printTable("time per step, us (memory)", ["style", "at 100", "at 5,000", "at 10,000", "10,000 / 100"], rows);
}

async function replay(): Promise<void> {
  const rows: string[][] = [];
  for (const chain of [asyncChain, generatorChain]) {
    const hub = await openMemoryTaskHub({ registry, logger: silentLogger() });
    const id = await hub.client.scheduleNewOrchestration(chain, 3332);
    await hub.client.waitForOrchestrationCompletion(id);
    const history = (await hub.client.getInstanceHistory(id)).slice(0, -1);
    await hub.close();
    const segments: Uint8Array[] = [];
    for (let from = 0; from < history.length; from += 3) segments.push(marshalSegment(history.slice(from, from + 3)));
    const decode: number[] = [];
    const cold: number[] = [];
    for (let round = 0; round < 7; round++) {
      const begun = performance.now();
      const events = segments.flatMap((bytes) => unmarshalSegment(bytes));
      const decoded = performance.now();
      const executor = new InProcessExecutor({ registry, logger: silentLogger() });
      await executor.executeOrchestrator({
        instanceId: id,
        executionId: "e",
        oldEvents: historyOf(events),
        newEvents: [orchestratorStarted(Date.now())],
      });
      const replayed = performance.now();
      decode.push(decoded - begun);
      cold.push(replayed - begun);
      await executor.shutdown();
    }
    const [d, c] = [median(decode), median(cold)];
    rows.push([chain.name, String(history.length), d.toFixed(1), c.toFixed(1), (c / d).toFixed(2)]);
  }
  printTable("cold replay, ms", ["style", "events", "decode", "decode + replay", "ratio (goal: 2)"], rows);
}

async function concurrency(): Promise<void> {
  const hub = await openMemoryTaskHub({ registry, logger: silentLogger() });
  const time = async (run: () => Promise<unknown>): Promise<number> => {
    const begun = performance.now();
    await run();
    return performance.now() - begun;
  };
  const run = async (orchestrator: typeof crowd | typeof short, input: number): Promise<void> => {
    await hub.client.waitForOrchestrationCompletion(
      await hub.client.scheduleNewOrchestration<number>(orchestrator as typeof crowd, input),
    );
  };
  await run(short, 0);
  const fan = await time(() => run(crowd, 1000));
  const many = await time(() => Promise.all(Array.from({ length: 500 }, () => run(short, 0))));
  printTable(
    "side by side (memory)",
    ["what", "ms"],
    [
      ["fan-out of 1,000 and join", fan.toFixed(0)],
      ["500 instances, 3 steps each", many.toFixed(0)],
    ],
  );
  await hub.close();
}

await growth();
await replay();
await concurrency();
