/** Remote workers and clients of a Worker whose instances each live in a Durable Object: what the contract does not ask. */
import { createClient, type Transport } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  createConnectTaskHubClient,
  createRemoteTaskHubWorker,
  type RemoteTaskHubWorker,
  type RemoteWorkerOptions,
} from "../../src/connect/index.ts";
import { daprService } from "../../src/connect/protocol/services.ts";
import { silentLogger } from "../../src/core/hub/logger.ts";
import type { TaskHubClient } from "../../src/core/hub/task-hub-client.ts";
import { TaskRegistry } from "../../src/core/orchestration/registry.ts";
import { Runner } from "../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { newCable } from "./support/cable.ts";
import { deleteStorage, EDGE_TRANSPORTS, type EdgeWorker, startEdgeWorker } from "./support/edge-worker.ts";

let edge: EdgeWorker;
beforeAll(async () => {
  edge = await startEdgeWorker();
});
afterAll(async () => {
  await edge.stop();
  deleteStorage(edge);
});

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await isSo()) return;
    await sleep(25);
  }
  throw new Error(`never came: ${what}`);
}

let hubs = 0;

interface Hub {
  readonly name: string;
  readonly transport: Transport;
  readonly client: TaskHubClient;
}

/** A hub of its own for each test. */
function newHub(kind = "grpc-web", name = `edge-${++hubs}`, url = edge.url): Hub {
  const newTransport = EDGE_TRANSPORTS[kind];
  if (newTransport === undefined) throw new Error(`there is no transport '${kind}'`);
  const transport = newTransport(url, name);
  return { name, transport, client: createConnectTaskHubClient(transport) };
}

function work(
  { transport }: Hub,
  registry: TaskRegistry = code(),
  options: RemoteWorkerOptions = {},
): RemoteTaskHubWorker {
  const worker = createRemoteTaskHubWorker(transport, registry, {
    logger: silentLogger(),
    firstRetryMs: 30,
    maxRetryMs: 200,
    ...options,
  });
  worker.start();
  undo.push(() => worker.stop());
  return worker;
}

/** What a remote worker has. */
function code(remote: (n: number) => number | Promise<number> = (n) => n + 1): TaskRegistry {
  return new TaskRegistry()
    .addActivity("remote", (_ctx, n: number) => remote(n))
    .addOrchestrator("remote-child", async (ctx, n: number) => ((await ctx.callActivity("remote", n)) as number) * 2)
    .addOrchestrator("sum", async (ctx, n: number) => {
      let sum = 0;
      for (let step = 0; step < n; step++) sum = (await ctx.callActivity("remote", sum)) as number;
      return sum;
    })
    .addOrchestrator("fan-out", async (ctx, n: number) => {
      const results = await ctx.whenAll(Array.from({ length: n }, (_, at) => ctx.callActivity("remote", at)));
      return (results as number[]).reduce((sum, each) => sum + each, 0);
    })
    .addOrchestrator("mixed", (ctx, n: number) => ctx.callActivity("in-object", n))
    .addOrchestrator("echo", async (ctx, text: string) => {
      const sizes: number[] = [];
      for (let step = 0; step < 12; step++) {
        sizes.push(((await ctx.callActivity("same", text)) as string).length);
      }
      return sizes;
    })
    .addActivity("same", (_ctx, text: string) => text);
}

async function outputOf({ client }: Hub, orchestrator: string, input: unknown): Promise<unknown> {
  const id = await client.scheduleNewOrchestration(orchestrator, input);
  return client.outputOf(await client.waitForOrchestrationCompletion(id));
}

describe.each(Object.keys(EDGE_TRANSPORTS))("a Worker over %s", (kind) => {
  it("serves sequences, fan-outs of 200 and of 1,000, and errors with their codes", { timeout: 120_000 }, async () => {
    const hub = newHub(kind);
    work(hub);
    expect(await outputOf(hub, "sum", 20)).toBe(20);
    expect(await outputOf(hub, "fan-out", 200)).toBe((200 * 201) / 2);
    expect(await outputOf(hub, "fan-out", 1000)).toBe((1000 * 1001) / 2);
    await expect(hub.client.fetchOrchestrationMetadata("nobody")).rejects.toMatchObject({ code: "instance_not_found" });
    await expect(hub.client.raiseEvent("nobody", "x")).rejects.toMatchObject({ code: "instance_not_found" });
  });
});

describe("remote and in-object execution side by side", () => {
  it("names that the Worker has run in the object, others at connected workers, whoever calls them", async () => {
    const hub = newHub();
    work(hub);
    expect(await outputOf(hub, "local-parent", 1)).toBe(24);
    expect(await outputOf(hub, "mixed", 7)).toBe(70);
  });

  it("the limit on activities in the object does not hold back those elsewhere", async () => {
    const hub = newHub();
    let underWay = 0;
    let release = (): void => undefined;
    const allBegun = new Promise<void>((resolve) => {
      release = resolve;
    });
    // None ends before all ten have begun; two at once is the limit in the object.
    const meet = async (n: number): Promise<number> => {
      if (++underWay === 10) release();
      await allBegun;
      return n;
    };
    work(hub, code(meet));
    expect(await outputOf(hub, "fan-out", 10)).toBe(45);
  });

  it("the first turn of a generation pins who runs it", async () => {
    const hub = newHub();
    work(hub);
    for (const [orchestrator, runner] of [
      ["sum", Runner.REMOTE],
      ["local-parent", Runner.IN_PROCESS],
    ] as const) {
      const id = await hub.client.scheduleNewOrchestration(orchestrator, 1);
      await hub.client.waitForOrchestrationCompletion(id);
      const [first] = await hub.client.getInstanceHistory(id);
      const started = first?.eventType.case === "orchestratorStarted" ? first.eventType.value : undefined;
      expect(started?.engine?.runner).toBe(runner);
    }
  });
});

describe("a worker that comes and goes", () => {
  it("work without a worker says so, and goes on at once when one connects", async () => {
    const hub = newHub();
    const ids = await Promise.all([1, 2, 3].map((n) => hub.client.scheduleNewOrchestration("sum", n)));
    const [id = ""] = ids;
    const reason = async (): Promise<string | undefined> =>
      (await hub.client.fetchOrchestrationMetadata(id)).waitingOn.parked?.code;
    await until("parked", async () => (await reason()) === "no_worker");
    // Another worker, without the code, changes only the reason.
    const other = work(
      hub,
      new TaskRegistry().addOrchestrator("other", () => 0),
    );
    await until("connected", () => other.isConnected);
    await sleep(300);
    expect((await hub.client.fetchOrchestrationMetadata(id)).runtimeStatus).toBe("STALLED");
    work(hub);
    for (const [at, each] of ids.entries()) {
      expect((await hub.client.waitForOrchestrationCompletion(each)).output).toBe(String(at + 1));
    }
  });

  it("what a stopped worker held goes to another one at once", async () => {
    const hub = newHub();
    let begun = 0;
    const stuck = work(
      hub,
      code(() => {
        begun++;
        return new Promise(() => undefined);
      }),
      { drainMs: 10 },
    );
    const id = await hub.client.scheduleNewOrchestration("sum", 3);
    await until("in its hands", () => begun > 0);
    await stuck.stop();
    work(hub);
    expect((await hub.client.waitForOrchestrationCompletion(id)).output).toBe("3");
  });

  it("a worker that vanishes is missed at the next ping, and what it held goes to another one", async () => {
    const hub = newHub();
    let begun = 0;
    const cable = await newCable(edge.url);
    undo.push(() => cable.close());
    work(
      newHub("connect", hub.name, cable.url),
      code(() => {
        begun++;
        return new Promise(() => undefined);
      }),
    );
    const id = await hub.client.scheduleNewOrchestration("sum", 3);
    await until("in its hands", () => begun > 0);
    cable.close();
    work(hub);
    expect((await hub.client.waitForOrchestrationCompletion(id)).output).toBe("3");
  });

  it("a termination needs no worker", async () => {
    const hub = newHub();
    const id = await hub.client.scheduleNewOrchestration("sum", 3);
    await hub.client.terminateOrchestration(id);
    expect((await hub.client.waitForOrchestrationCompletion(id)).runtimeStatus).toBe("TERMINATED");
  });
});

describe("objects and servers that die", () => {
  it("an activity that a worker is at is not begun again when the instance's object is restarted", async () => {
    const hub = newHub();
    let begun = 0;
    let release = (_n: number): void => undefined;
    work(
      hub,
      code(() => {
        begun++;
        return new Promise<number>((resolve) => {
          release = resolve;
        });
      }),
    );
    const id = await hub.client.scheduleNewOrchestration("sum", 1);
    await until("in its hands", () => begun > 0);
    // More often than an instance's host may die with work of its own in flight.
    for (let times = 0; times < 8; times++) {
      await edge.fetch(`/die?id=${id}`, { headers: { taskhub: hub.name } });
      const { waitingOn, runtimeStatus } = await hub.client.fetchOrchestrationMetadata(id);
      expect([runtimeStatus, waitingOn.activities.length]).toEqual(["RUNNING", 1]);
      await sleep(50);
    }
    release(41);
    expect((await hub.client.waitForOrchestrationCompletion(id)).output).toBe("41");
    expect(begun).toBe(1);
  });

  it("workerd is killed in the middle of runs, starts again, and workers go on", { timeout: 120_000 }, async () => {
    const own = await startEdgeWorker();
    undo.push(() => deleteStorage(own));
    const [at, port] = [new URL(own.url).hostname, new URL(own.url).port];
    const newTransport = EDGE_TRANSPORTS.connect;
    if (newTransport === undefined) throw new Error("no transport");
    let url = `http://${at}:${port}`;
    // The second server listens elsewhere; for the worker it is the same address.
    const transport = (): Transport => newTransport(url, "kill");
    const client = createConnectTaskHubClient(transport());
    const first = work(
      { name: "kill", transport: transport(), client },
      code((n) => sleep(5).then(() => n + 1)),
    );
    const ids = await Promise.all(Array.from({ length: 10 }, () => client.scheduleNewOrchestration("sum", 30)));
    await sleep(400);
    await own.kill9();
    await first.stop();
    const again = await startEdgeWorker(own.folder);
    undo.push(() => again.stop());
    ({ url } = again);
    const later = createConnectTaskHubClient(transport());
    work({ name: "kill", transport: transport(), client: later });
    for (const id of ids) {
      expect((await later.waitForOrchestrationCompletion(id)).output).toBe("30");
      const done = (await later.getInstanceHistory(id)).filter(({ eventType }) => eventType.case === "taskCompleted");
      expect(done.length).toBe(30);
    }
  });
});

describe("a hub that is deleted", () => {
  it("takes its streams with it; the workers serve the next one of that name", async () => {
    const hub = newHub();
    const worker = work(hub);
    await until("connected", () => worker.isConnected);
    const raw = createClient(daprService, hub.transport);
    await raw.createTaskHub({}).catch(() => undefined);
    expect(await outputOf(hub, "sum", 2)).toBe(2);
    await raw.deleteTaskHub({});
    await raw.createTaskHub({});
    expect(await outputOf(hub, "sum", 3)).toBe(3);
  });
});

describe("large payloads", () => {
  it("a history above the platform's limit on messages reaches a worker that needs it whole", {
    timeout: 120_000,
  }, async () => {
    const hub = newHub("connect");
    // Kept orchestrators need no history: this one replays each turn.
    work(hub, code(), { cacheSize: 0 });
    const text = "x".repeat(3 * 1024 * 1024);
    expect(await outputOf(hub, "echo", text)).toEqual(Array.from({ length: 12 }, () => text.length));
  });
});

describe("pages of other origins", () => {
  const path = "/TaskHubSidecarService/Hello";
  const preflight = (origin: string): Promise<Response> =>
    edge.fetch(path, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type" },
    });

  it("may call when they are on the list, with a token and what the protocols need", async () => {
    const response = await preflight("https://app.example.com");
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBe("https://app.example.com");
    const allowed = response.headers.get("access-control-allow-headers")?.toLowerCase().split(", ");
    expect(allowed).toEqual(
      expect.arrayContaining(["content-type", "authorization", "x-grpc-web", "connect-timeout-ms"]),
    );
    expect(response.headers.get("access-control-allow-credentials")).toBeNull();
    const answer = await edge.fetch(path, {
      method: "POST",
      body: "{}",
      headers: { origin: "https://app.example.com", "content-type": "application/json" },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("access-control-expose-headers")).toContain("perdura-error-code");
  });

  it("get no leave when they are not", async () => {
    const response = await preflight("https://evil.example.com");
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
    expect(response.headers.get("vary")).toBe("origin");
  });
});
