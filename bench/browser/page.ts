/** What the benchmark runs inside a browser, as `window.bench`: each function measures one thing and returns plain numbers. */
import { BrowserTaskHub, databaseName, openTaskHub, type TaskHub } from "../../src/backends/indexeddb/index.ts";
import { defineActivity, defineOrchestrator, silentLogger, TaskRegistry } from "../../src/core/index.ts";

const step = defineActivity("step", (_ctx, n: number): number => n + 1);

const chain = defineOrchestrator("chain", async (ctx, steps: number): Promise<number> => {
  let n = 0;
  for (let i = 0; i < steps; i++) n = await ctx.callActivity(step, n);
  return n;
});

/** The same, in the style that needs no settling. */
const chainGenerator = defineOrchestrator("chain-generator", function* (ctx, steps: number) {
  let n = 0;
  for (let i = 0; i < steps; i++) n = yield* ctx.callActivity(step, n);
  return n;
});

const fan = defineOrchestrator("fan", async (ctx, width: number): Promise<number> => {
  const results = await ctx.whenAll(Array.from({ length: width }, (_, n) => ctx.callActivity(step, n)));
  return results.length;
});

const waiter = defineOrchestrator("waiter", async (ctx) => {
  await ctx.callActivity(step, 0);
  return ctx.waitForExternalEvent("go");
});

const code = (): TaskRegistry => new TaskRegistry().add(step, chain, chainGenerator, fan, waiter);

let transactions = 0;
const original = IDBDatabase.prototype.transaction;
IDBDatabase.prototype.transaction = function counted(this: IDBDatabase, ...args: Parameters<typeof original>) {
  if (args[1] === "readwrite") transactions++;
  return original.apply(this, args);
};

function open(name: string): Promise<TaskHub> {
  return openTaskHub({ name, registry: code(), logger: silentLogger() });
}

async function timed(run: () => Promise<unknown>): Promise<{ ms: number; transactions: number }> {
  const before = transactions;
  const beganMs = performance.now();
  await run();
  return { ms: performance.now() - beganMs, transactions: transactions - before };
}

async function runOne(hub: TaskHub, name: string, input: unknown): Promise<void> {
  const id = await hub.client.scheduleNewOrchestration(name, input);
  await hub.client.waitForOrchestrationCompletion(id);
}

async function drop(name: string): Promise<void> {
  await new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(databaseName(name));
    request.onsuccess = resolve;
    request.onerror = resolve;
  });
  localStorage.removeItem(databaseName(name));
}

const bench = {
  /** Transactions with exactly the requests of a step, and nothing else around them. */
  async bare(count: number): Promise<number> {
    await drop("bench-bare");
    const hub = await open("bench-bare");
    await runOne(hub, "chain", 5);
    await hub.close();
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(databaseName("bench-bare"));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const stores = ["meta", "instances", "listing", "history"];
    const row = await new Promise<{ instanceId: string }>((resolve) => {
      const request = original.call(database, "instances", "readonly").objectStore("instances").getAll();
      request.onsuccess = () => resolve(request.result[0]);
    });
    const segment = crypto.getRandomValues(new Uint8Array(260));
    const { ms } = await timed(async () => {
      for (let n = 0; n < count; n++) {
        await new Promise<void>((resolve, reject) => {
          const transaction = original.call(database, stores, "readwrite", { durability: "relaxed" });
          transaction.oncomplete = () => resolve();
          transaction.onabort = () => reject(transaction.error);
          transaction.objectStore("meta").get("hub");
          transaction.objectStore("instances").get(row.instanceId).onsuccess = () => {
            transaction.objectStore("history").put(segment, [row.instanceId, 100 + n]);
            transaction.objectStore("instances").put(row);
            transaction.commit();
          };
        });
      }
    });
    database.close();
    await drop("bench-bare");
    return ms / count;
  },
  /** One record, one transaction: what the browser does at best. */
  async oneRecord(count: number): Promise<number> {
    await new Promise((resolve) => {
      indexedDB.deleteDatabase("bench-one").onsuccess = resolve;
    });
    const database = await new Promise<IDBDatabase>((resolve) => {
      const request = indexedDB.open("bench-one");
      request.onupgradeneeded = () => request.result.createObjectStore("s");
      request.onsuccess = () => resolve(request.result);
    });
    const bytes = crypto.getRandomValues(new Uint8Array(300));
    const { ms } = await timed(async () => {
      for (let n = 0; n < count; n++) {
        await new Promise<void>((resolve) => {
          const transaction = original.call(database, "s", "readwrite", { durability: "relaxed" });
          transaction.oncomplete = () => resolve();
          transaction.objectStore("s").put(bytes, n);
          transaction.commit();
        });
      }
    });
    database.close();
    return ms / count;
  },
  async chain(steps: number, name = "chain"): Promise<{ ms: number; transactions: number }> {
    await drop("bench-chain");
    const hub = await open("bench-chain");
    await runOne(hub, name, 20);
    const result = await timed(() => runOne(hub, name, steps));
    await hub.close();
    await drop("bench-chain");
    return result;
  },
  async fan(width: number): Promise<{ ms: number; transactions: number }> {
    await drop("bench-fan");
    const hub = await open("bench-fan");
    await runOne(hub, "fan", 5);
    const result = await timed(() => runOne(hub, "fan", width));
    await hub.close();
    await drop("bench-fan");
    return result;
  },
  async many(instances: number, steps: number): Promise<{ ms: number; transactions: number }> {
    await drop("bench-many");
    const hub = await open("bench-many");
    await runOne(hub, "chain", 5);
    const result = await timed(() => Promise.all(Array.from({ length: instances }, () => runOne(hub, "chain", steps))));
    await hub.close();
    await drop("bench-many");
    return result;
  },
  /** Time per step at several places of one long orchestration. */
  async growth(steps: number, places: readonly number[], width: number): Promise<{ at: number; ms: number }[]> {
    await drop("bench-growth");
    const times: number[] = [];
    const stamp = defineActivity("step", (_ctx, n: number): number => {
      times.push(performance.now());
      return n + 1;
    });
    const hub = await openTaskHub({
      name: "bench-growth",
      registry: new TaskRegistry().add(stamp, chain),
      logger: silentLogger(),
    });
    await runOne(hub, "chain", steps);
    await hub.close();
    await drop("bench-growth");
    return places.map((at) => ({ at, ms: ((times[at] ?? 0) - (times[at - width] ?? 0)) / width }));
  },
  /** Opens a hub with so many instances whose activity was begun and never finished; time until all wait for their event. */
  async coldOpen(instances: number): Promise<{ openMs: number; allMs: number; transactions: number }> {
    await drop("bench-cold");
    const never = defineActivity("step", () => new Promise<number>(() => undefined));
    const dead = await openTaskHub({
      name: "bench-cold",
      registry: new TaskRegistry().add(never, waiter),
      logger: silentLogger(),
    });
    const ids = Array.from({ length: instances }, (_, n) => `cold-${n}`);
    await Promise.all(ids.map((instanceId) => dead.client.scheduleNewOrchestration(waiter, undefined, { instanceId })));
    for (const id of ids) {
      for (;;) {
        const { waitingOn } = await dead.client.fetchOrchestrationMetadata(id, { fetchPayloads: false });
        if (waitingOn.activities.length > 0) break;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    await dead.close();
    const before = transactions;
    const beganMs = performance.now();
    const hub = new BrowserTaskHub({ name: "bench-cold", registry: code(), logger: silentLogger() });
    await hub.open();
    const openMs = performance.now() - beganMs;
    // Waiting for an event is nothing unfinished.
    while (hub.status.role !== "runner" || (await hub.hasWork()))
      await new Promise((resolve) => setTimeout(resolve, 10));
    const allMs = performance.now() - beganMs;
    await hub.close();
    await drop("bench-cold");
    return { openMs, allMs, transactions: transactions - before };
  },
};

/** The type of `window.bench`. */
export type Bench = typeof bench;

declare global {
  interface Window {
    bench: Bench;
  }
}

window.bench = bench;
