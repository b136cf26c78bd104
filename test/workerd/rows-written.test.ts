import { env, runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { objectPorts } from "../../src/backends/durable-object/object-ports.ts";
import { LocalRouter } from "../../src/backends/memory/index.ts";
import { newInProcessHub, Partition, silentLogger } from "../../src/core/index.ts";
import { metered } from "./metered-storage.ts";
import { testRegistry } from "./registry.ts";

/** Runs a chain of activities over the object ports and tells what was written for each step in the middle of it. */
async function measureChain(length: number, from: number, to: number): Promise<Record<string, number>> {
  const namespace = (env as unknown as { ORCHESTRATIONS: DurableObjectNamespace }).ORCHESTRATIONS;
  const stub = namespace.get(namespace.idFromName(`default/1/rows-${length}`));
  return runInDurableObject(stub, async (_object, state) => {
    const { storage, meter } = metered(state.storage);
    const { ports } = objectPorts(storage, { router: new LocalRouter(), isImplicitHub: true });
    const logger = silentLogger();
    const options = { logger, maxPayloadBytes: 1e6, maxLiveInstances: 10, maxDeaths: 5 };
    const partition = new Partition(ports, options);
    const marks: { rows: number; transactions: number; alarms: number; at: number }[] = [];
    const registry = testRegistry();
    registry.addActivity("mark", () => {
      marks.push({ rows: meter.rows, transactions: meter.transactions, alarms: meter.alarms, at: Date.now() });
    });
    registry.addOrchestrator("marked", async (ctx, steps: number) => {
      for (let step = 0; step < steps; step++) await ctx.callActivity("mark");
    });
    const hub = newInProcessHub(
      partition,
      { registry, logger },
      { settle: ports.settle, now: Date.now, newUuid: () => crypto.randomUUID() },
    );
    await hub.worker.start();
    const id = await hub.client.scheduleNewOrchestration("marked", length);
    await hub.client.waitForOrchestrationCompletion(id);
    await hub.close();
    const first = marks[from];
    const last = marks[to];
    if (first === undefined || last === undefined) throw new Error("too few marks");
    const steps = to - from;
    console.log("first", JSON.stringify(marks[0]), JSON.stringify([...meter.statements]));
    return {
      rows: (last.rows - first.rows) / steps,
      transactions: (last.transactions - first.transactions) / steps,
      alarms: (last.alarms - first.alarms) / steps,
      ms: (last.at - first.at) / steps,
    };
  });
}

test("a step of a sequential orchestration writes two rows in one transaction and sets no alarm", async () => {
  const { rows, transactions, alarms, ms } = await measureChain(200, 50, 150);
  console.log({ rows, transactions, alarms, ms });
  expect(rows).toBe(2);
  expect(transactions).toBe(1);
  expect(alarms).toBe(0);
});
