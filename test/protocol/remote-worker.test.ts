/** Our own worker and client against a server that comes late, goes away, and shares the work. */
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it } from "vitest";
import { newMemoryBackend } from "../../src/backends/memory/index.ts";
import {
  CompositeExecutor,
  createConnectExecutor,
  createConnectTaskHubClient,
  createRemoteTaskHubWorker,
  isDurableTaskRequest,
  type RemoteTaskHubWorker,
  type RemoteWorkerOptions,
} from "../../src/connect/index.ts";
import { listenGrpc } from "../../src/connect/node/index.ts";
import { newActivityTaskWorker } from "../../src/core/hub/activity-worker.ts";
import { silentLogger } from "../../src/core/hub/logger.ts";
import { newOrchestrationWorker } from "../../src/core/hub/orchestration-worker.ts";
import { newTaskHubWorker } from "../../src/core/hub/task-hub-worker.ts";
import { InProcessExecutor } from "../../src/core/orchestration/in-process-executor.ts";
import { TaskRegistry } from "../../src/core/orchestration/registry.ts";
import { Runner } from "../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { newCable } from "./support/cable.ts";
import { TRANSPORTS } from "./support/remote-setup.ts";
import { serveHub } from "./support/served-hub.ts";

const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function transportTo(address: string, name = "grpc"): Transport {
  const newTransport = TRANSPORTS[name];
  if (newTransport === undefined) throw new Error(`there is no transport '${name}'`);
  return newTransport(`http://${address}`);
}

function code(): TaskRegistry {
  return new TaskRegistry()
    .addActivity("plus-one", (_, n: number) => n + 1)
    .addOrchestrator("sum", async (ctx, n: number) => {
      let sum = 0;
      for (let step = 0; step < n; step++) sum = (await ctx.callActivity("plus-one", sum)) as number;
      return sum;
    })
    .addOrchestrator("fan-out", async (ctx, n: number) => {
      const results = await ctx.whenAll(Array.from({ length: n }, (_, at) => ctx.callActivity("plus-one", at)));
      return results.length;
    });
}

function work(transport: Transport, registry: TaskRegistry, options: RemoteWorkerOptions = {}): RemoteTaskHubWorker {
  const worker = createRemoteTaskHubWorker(transport, registry, {
    logger: silentLogger(),
    firstRetryMs: 30,
    ...options,
  });
  worker.start();
  undo.push(() => worker.stop());
  return worker;
}

describe.each(Object.keys(TRANSPORTS))("over %s", (name) => {
  it("sequences, fan-outs, errors and waits work", { timeout: 60_000 }, async () => {
    const hub = await serveHub();
    undo.push(() => hub.close());
    const transport = transportTo(hub.address, name);
    const client = createConnectTaskHubClient(transport);
    work(transport, code());
    for (const [orchestrator, input] of [
      ["sum", 20],
      ["fan-out", 200],
    ] as const) {
      const id = await client.scheduleNewOrchestration(orchestrator, input);
      expect((await client.waitForOrchestrationCompletion(id)).output).toBe(String(input));
    }
    await expect(client.fetchOrchestrationMetadata("nobody")).rejects.toMatchObject({ code: "instance_not_found" });
    await expect(client.waitForOrchestrationCompletion("nobody")).rejects.toMatchObject({ code: "instance_not_found" });
    const id = await client.scheduleNewOrchestration("unknown-here");
    await expect(client.waitForOrchestrationCompletion(id, { timeout: 100 })).rejects.toMatchObject({
      code: "wait_timed_out",
    });
    const stop = new AbortController();
    const wait = client.waitForOrchestrationCompletion(id, { signal: stop.signal });
    setTimeout(() => stop.abort(), 30);
    await expect(wait).rejects.toMatchObject({ code: "aborted" });
  });
});

describe("a remote worker", () => {
  it("waits for a server that starts later, and comes back to one that was away", { timeout: 30_000 }, async () => {
    const first = await serveHub();
    const { port, address } = first;
    await first.close();
    const heard: boolean[] = [];
    const worker = work(transportTo(address), code(), {
      onConnection: (isConnected) => heard.push(isConnected),
      maxRetryMs: 200,
    });
    await sleep(150);
    expect(worker.isConnected).toBe(false);
    for (let round = 0; round < 2; round++) {
      const hub = await serveHub({ port });
      const client = createConnectTaskHubClient(transportTo(address));
      const id = await client.scheduleNewOrchestration("sum", 3);
      expect((await client.waitForOrchestrationCompletion(id)).output).toBe("3");
      await hub.close();
    }
    await expect.poll(() => heard).toEqual([true, false, true, false]);
  });

  it("comes back ever more slowly to a hub that greets it and refuses its stream", async () => {
    let refusals = 0;
    const hub = await serveHub({
      onConnect: () => {
        refusals++;
        throw new Error("not today");
      },
    });
    undo.push(() => hub.close());
    const warnings: unknown[] = [];
    const logger = {
      ...silentLogger(),
      warn: (...values: readonly unknown[]) => warnings.push(values.map(String).join()),
    };
    work(transportTo(hub.address), code(), { firstRetryMs: 20, maxRetryMs: 2000, logger });
    await sleep(1500);
    // With delays that do not grow it would be 75 or so.
    expect(refusals).toBeGreaterThan(3);
    expect(refusals).toBeLessThan(20);
    // It says so, and not each time.
    expect(warnings).toEqual([expect.stringContaining("not today")]);
  });

  it("ends what it has when it is stopped, and takes nothing new", async () => {
    const hub = await serveHub();
    undo.push(() => hub.close());
    const transport = transportTo(hub.address);
    const client = createConnectTaskHubClient(transport);
    const begun: string[] = [];
    const registry = new TaskRegistry()
      .addActivity("slow", async (_, name: string) => {
        begun.push(name);
        await sleep(300);
        return name;
      })
      .addOrchestrator("one-slow", async (ctx, name: string) => ctx.callActivity("slow", name));
    const first = work(transport, registry);
    const id = await client.scheduleNewOrchestration("one-slow", "a");
    await expect.poll(() => begun).toEqual(["a"]);
    const stopped = first.stop();
    const late = await client.scheduleNewOrchestration("one-slow", "b");
    await stopped;
    expect(begun).toEqual(["a"]);
    work(transport, registry);
    expect((await client.waitForOrchestrationCompletion(id)).output).toBe('"a"');
    expect((await client.waitForOrchestrationCompletion(late)).output).toBe('"b"');
    // The answer of the first was taken: it was not run again.
    expect(begun).toEqual(["a", "b"]);
  });

  it("never runs more than it may at once", async () => {
    const hub = await serveHub();
    undo.push(() => hub.close());
    const transport = transportTo(hub.address);
    const client = createConnectTaskHubClient(transport);
    let running = 0;
    let most = 0;
    const registry = new TaskRegistry()
      .addActivity("counted", async () => {
        most = Math.max(most, ++running);
        await sleep(5);
        running--;
      })
      .addOrchestrator(
        "many",
        async (ctx) => void (await ctx.whenAll(Array.from({ length: 40 }, () => ctx.callActivity("counted")))),
      );
    work(transport, registry, { maxParallelActivities: 4 });
    const id = await client.scheduleNewOrchestration("many");
    await client.waitForOrchestrationCompletion(id);
    expect(most).toBe(4);
  });

  it("never has more turns than it may at once", async () => {
    const hub = await serveHub({ skipWaitForInstanceStart: true });
    undo.push(() => hub.close());
    const transport = transportTo(hub.address);
    const client = createConnectTaskHubClient(transport);
    let most = 0;
    let running = 0;
    const registry = new TaskRegistry().addOrchestrator("slow-to-think", async () => "thought");
    // Counted where a turn's payload is decoded, which is in its turn.
    const codec = {
      encode: async (text: string) => text,
      decode: async (text: string) => {
        most = Math.max(most, ++running);
        await sleep(5);
        running--;
        return text;
      },
    };
    const ids = await Promise.all(
      Array.from({ length: 20 }, (_, n) => client.scheduleNewOrchestration("slow-to-think", n)),
    );
    work(transport, registry, { maxParallelTurns: 3, codec });
    for (const id of ids) await client.waitForOrchestrationCompletion(id);
    expect(most).toBe(3);
  });

  it("keeps its orchestrators between turns and fetches no history, until it has lost its connection", async () => {
    const hub = await serveHub();
    undo.push(() => hub.close());
    const fetched: string[] = [];
    const cable = await newCable(`http://${hub.address}`);
    undo.push(() => cable.close());
    const transport = createGrpcTransport({
      baseUrl: cable.url,
      interceptors: [
        (next) => (request) => {
          if (request.method.name === "StreamInstanceHistory") fetched.push(request.method.name);
          return next(request);
        },
      ],
    });
    let calls = 0;
    const registry = new TaskRegistry().addOrchestrator("ticks", async (ctx) => {
      calls++;
      for (let ticks = 0; ticks < 20; ticks++) await ctx.waitForExternalEvent("tick");
      return "done";
    });
    const worker = work(transport, registry);
    const client = createConnectTaskHubClient(transportTo(hub.address));
    const id = await client.scheduleNewOrchestration("ticks");
    const waits = async (): Promise<number> => (await client.fetchOrchestrationMetadata(id)).waitingOn.events.length;
    for (let ticks = 0; ticks < 10; ticks++) {
      await client.raiseEvent(id, "tick");
      await expect.poll(waits).toBe(1);
    }
    expect([calls, fetched.length]).toEqual([1, 0]);
    cable.cut();
    await expect.poll(() => worker.isConnected).toBe(false);
    for (let ticks = 0; ticks < 10; ticks++) await client.raiseEvent(id, "tick");
    expect((await client.waitForOrchestrationCompletion(id)).output).toBe('"done"');
    // What it kept is as good as before: it was not behind.
    expect(calls).toBeLessThanOrEqual(2);
    expect(fetched.length).toBe(calls - 1);
  });

  it.each<[string, (baseUrl: string) => Transport, boolean]>([
    [
      "its connection is dead, over a transport that pings,",
      (baseUrl) => createGrpcTransport({ baseUrl, pingIntervalMs: 200, pingTimeoutMs: 200 }),
      true,
    ],
    [
      "only the connection of its stream is dead, over HTTP/1.1,",
      (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
      false,
    ],
  ])(
    "makes another stream when %s and nobody has said so",
    { timeout: 40_000 },
    async (_, newTransport, areAllDead) => {
      const hub = await serveHub({ healthPingMs: 50 });
      undo.push(() => hub.close());
      const cable = await newCable(`http://${hub.address}`);
      undo.push(() => cable.close());
      const heard: boolean[] = [];
      work(newTransport(cable.url), code(), {
        keepAliveMs: 100,
        onConnection: (isConnected) => heard.push(isConnected),
      });
      await sleep(400);
      expect(heard).toEqual([true]);
      cable.fallSilent((sent) => areAllDead || sent.includes("GetWorkItems"));
      await expect.poll(() => heard, { timeout: 20_000 }).toEqual([true, false, true]);
      cable.cutSilent();
      const client = createConnectTaskHubClient(transportTo(hub.address));
      const id = await client.scheduleNewOrchestration("sum", 3);
      expect((await client.waitForOrchestrationCompletion(id, { timeout: "15s" })).output).toBe("3");
    },
  );

  it("frees what it held when it comes again, also where the hub has not heard of its stream's end", async () => {
    const hub = await serveHub({ healthPingMs: 50 });
    undo.push(() => hub.close());
    const cable = await newCable(`http://${hub.address}`);
    undo.push(() => cable.close());
    let begun = 0;
    const registry = new TaskRegistry()
      .addActivity("slow", async (ctx) => {
        // The first attempt ends with the connection, whose loss it is told of.
        if (++begun === 1) await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
        return begun;
      })
      .addOrchestrator("one-slow", async (ctx) => ctx.callActivity("slow"));
    work(transportTo(cable.address, "connect over HTTP/1.1"), registry, { keepAliveMs: 100 });
    const client = createConnectTaskHubClient(transportTo(hub.address));
    const id = await client.scheduleNewOrchestration("one-slow");
    await expect.poll(() => begun).toBe(1);
    // It has had pings.
    await sleep(200);
    cable.fallSilent((sent) => sent.includes("GetWorkItems"));
    expect((await client.waitForOrchestrationCompletion(id, { timeout: "10s" })).output).toBe("2");
  });

  it("is told of an attempt's number, tags and time limit, and its overdue attempt fails", async () => {
    const hub = await serveHub();
    undo.push(() => hub.close());
    const transport = transportTo(hub.address);
    const client = createConnectTaskHubClient(transport);
    const seen: unknown[] = [];
    const registry = new TaskRegistry()
      .addActivity("fussy", async (ctx) => {
        seen.push([ctx.attempt, ctx.tags]);
        if (ctx.attempt < 3) throw new Error("again");
        await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
      })
      .addOrchestrator("patient", async (ctx) => {
        const options = { tags: { a: "b" }, timeout: 100, retry: { maxAttempts: 3, firstDelay: 10 } };
        try {
          return await ctx.callActivity("fussy", undefined, options);
        } catch (error) {
          return (error as { failure?: { errorType: string } }).failure?.errorType ?? (error as Error).message;
        }
      });
    work(transport, registry);
    const id = await client.scheduleNewOrchestration("patient");
    const { output } = await client.waitForOrchestrationCompletion(id, { timeout: "10s" });
    expect(output).toMatch(/TaskTimedOut|did not finish within 100 ms/);
    expect(seen).toEqual([
      [1, { a: "b" }],
      [2, { a: "b" }],
      [3, { a: "b" }],
    ]);
  });

  it("keeps payloads to itself and its clients when it has a codec", async () => {
    const hub = await serveHub();
    undo.push(() => hub.close());
    const transport = transportTo(hub.address);
    const codec = {
      encode: async (text: string) => JSON.stringify([...text].reverse().join("")),
      decode: async (text: string) => [...(JSON.parse(text) as string)].reverse().join(""),
    };
    const registry = code().addOrchestrator("greet", async (ctx, name: string) => {
      const event = await ctx.waitForExternalEvent<string>("go");
      return `${name} ${String((event as { value?: unknown }).value ?? event)}`;
    });
    // Without a cache every turn fetches its history.
    work(transport, registry, { codec, cacheSize: 0 });
    const client = createConnectTaskHubClient(transport, { codec });
    const id = await client.scheduleNewOrchestration("greet", "Ada");
    await client.waitForOrchestrationStart(id);
    await client.raiseEvent(id, "go", "Lovelace");
    expect((await client.waitForOrchestrationCompletion(id)).output).toBe('"Ada Lovelace"');
    const stranger = await createConnectTaskHubClient(transport).fetchOrchestrationMetadata(id);
    expect([stranger.input, stranger.output].join()).not.toMatch(/Ada|Lovelace/);
    const sum = await client.scheduleNewOrchestration("sum", 3);
    expect((await client.waitForOrchestrationCompletion(sum)).output).toBe("3");
  });

  it("is told anew of the names when its registry grows", async () => {
    const hub = await serveHub({ patienceMs: 30, skipWaitForInstanceStart: true });
    undo.push(() => hub.close());
    const transport = transportTo(hub.address);
    const client = createConnectTaskHubClient(transport);
    const registry = code();
    work(transport, registry);
    const id = await client.scheduleNewOrchestration("late");
    await expect.poll(async () => (await client.fetchOrchestrationMetadata(id)).runtimeStatus).toBe("STALLED");
    registry.addOrchestrator("late", async () => "here");
    expect((await client.waitForOrchestrationCompletion(id, { timeout: "10s" })).output).toBe('"here"');
  });
});

describe("a hub with code of its own", () => {
  it("runs its own names itself and sends the others out; a generation stays where it began", async () => {
    const logger = silentLogger();
    const backend = newMemoryBackend({}, { logger });
    const remote = createConnectExecutor(backend, { logger, patienceMs: 50 });
    const here: string[] = [];
    const local = new TaskRegistry()
      .addActivity("here", () => {
        here.push("activity");
        return "here";
      })
      .addOrchestrator("mixed", async (ctx) => [
        await ctx.callActivity("here"),
        await ctx.callActivity("plus-one", 1),
        await ctx.callSubOrchestrator("sum", 2),
      ]);
    const executor = new CompositeExecutor(local, new InProcessExecutor({ registry: local, logger }), remote.executor);
    const worker = newTaskHubWorker(
      backend,
      newOrchestrationWorker(backend, executor, logger),
      newActivityTaskWorker(backend, executor, logger),
      logger,
    );
    await worker.start();
    const server = await listenGrpc(remote.routes, { host: "127.0.0.1", port: 0 }, logger);
    undo.push(async () => {
      await worker.shutdown();
      await executor.shutdown();
      await remote.shutdown();
      await server.close(100);
    });
    const transport = transportTo(`127.0.0.1:${server.address.port}`);
    const client = createConnectTaskHubClient(transport);
    const registry = code().addOrchestrator("waits", async (ctx) => (await ctx.waitForExternalEvent("go")) ?? "gone");
    const far = work(transport, registry);
    const id = await client.scheduleNewOrchestration("mixed");
    expect((await client.waitForOrchestrationCompletion(id)).output).toBe('["here",2,2]');
    expect(here).toEqual(["activity"]);
    const runners = async (instanceId: string): Promise<unknown[]> =>
      (await backend.getInstanceHistory(instanceId)).flatMap(({ eventType }) =>
        eventType.case === "orchestratorStarted" && eventType.value.engine !== undefined
          ? [eventType.value.engine.runner]
          : [],
      );
    expect(await runners(id)).toEqual([Runner.IN_PROCESS]);
    expect(await runners(`${id}:0002`)).toEqual([Runner.REMOTE]);

    // Begun out there; now the name is here as well, and the worker is gone: it waits for the worker all the same.
    const pinned = await client.scheduleNewOrchestration("waits");
    await expect.poll(async () => (await client.fetchOrchestrationMetadata(pinned)).waitingOn.events.length).toBe(1);
    await far.stop();
    local.addOrchestrator("waits", async () => "run by the wrong one");
    await client.raiseEvent(pinned, "go", "right");
    await expect
      .poll(async () => (await client.fetchOrchestrationMetadata(pinned)).waitingOn.parked?.code)
      .toBe("no_worker");
    work(transport, registry);
    expect((await client.waitForOrchestrationCompletion(pinned)).output).toBe('"right"');
  });
});

describe("a client without any library", () => {
  it("can call it over HTTP/1.1, in JSON", async () => {
    const hub = await serveHub({ skipWaitForInstanceStart: true });
    undo.push(() => hub.close());
    const call = async (method: string, body: unknown): Promise<unknown> => {
      const headers = { "content-type": "application/json" };
      const url = `http://${hub.address}/TaskHubSidecarService/${method}`;
      return (await fetch(url, { method: "POST", headers, body: JSON.stringify(body) })).json();
    };
    expect(await call("StartInstance", { instanceId: "by-fetch", name: "any", input: "1" })).toEqual({
      instanceId: "by-fetch",
    });
    const answer = await call("GetInstance", { instanceId: "by-fetch", getInputsAndOutputs: true });
    expect(answer).toMatchObject({
      exists: true,
      orchestrationState: { name: "any", input: "1", orchestrationStatus: "ORCHESTRATION_STATUS_PENDING" },
    });
    expect(await call("RewindInstance", { instanceId: "nobody" })).toMatchObject({ code: "not_found" });
  });
});

describe("isDurableTaskRequest", () => {
  it("knows the protocol's paths, below any prefix", () => {
    for (const path of [
      "/TaskHubSidecarService/Hello",
      "/hub/a/TaskHubSidecarService/X",
      "TaskHubSidecarService/Hello",
    ]) {
      expect(isDurableTaskRequest(path), path).toBe(true);
    }
    for (const path of [
      "/",
      "/TaskHubSidecarService",
      "/OtherTaskHubSidecarService/Hello",
      "/grpc.health.v1.Health/Check",
    ]) {
      expect(isDurableTaskRequest(path), path).toBe(false);
    }
  });
});
