/** Workers of Microsoft's SDK behind a gateway whose upstream, or which itself, goes away and comes back; and one that is killed. */
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it } from "vitest";
import { createConnectTaskHubClient, createRemoteTaskHubWorker } from "../../src/connect/index.ts";
import type { TaskHubClient } from "../../src/core/hub/task-hub-client.ts";
import { silentLogger, TaskRegistry } from "../../src/core/index.ts";
import { newCable } from "./support/cable.ts";
import { deleteStorage, startEdgeWorker } from "./support/edge-worker.ts";
import {
  openBehindGateway,
  openFetchHub,
  openTestGateway,
  serveFetch,
  serveThroughGateway,
} from "./support/fetch-upstream.ts";
import { startScript } from "./support/serve-process.ts";
import type { OpenHub } from "./support/served-hub.ts";
import { serveWorkerThroughGateway } from "./support/worker-upstream.ts";

const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const transportTo = (address: string): ReturnType<typeof createGrpcTransport> =>
  createGrpcTransport({ baseUrl: `http://${address}` });
const clientOf = (address: string): TaskHubClient => createConnectTaskHubClient(transportTo(address));

async function worker(
  address: string,
  seconds: number,
  dialect: "microsoft" | "dapr" = "microsoft",
): Promise<Awaited<ReturnType<typeof startScript>>> {
  const script = await startScript(`${dialect}-worker.ts`, address, String(seconds));
  undo.push(() => script.kill());
  return script;
}

const NAMES = ["a", "b", "c", "d", "e", "f"];

describe("a worker of Microsoft's SDK behind a gateway", () => {
  it("connects again when the upstream has died and come back, and the run goes on", { timeout: 60_000 }, async () => {
    const hub = await openFetchHub();
    const first = await serveFetch(hub.handle);
    const gateway = await openTestGateway({ upstream: first.url, dialect: "microsoft" });
    undo.push(
      () => hub.close(),
      () => gateway.close(),
    );
    const address = `127.0.0.1:${gateway.port}`;
    const run = await worker(address, 0.3);
    const id = await clientOf(address).scheduleNewOrchestration("slowly", NAMES);
    await expect.poll(() => run.lines(), { timeout: 10_000 }).toContain("ends b");
    await first.close();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const second = await serveFetch(hub.handle, first.port);
    undo.push(() => second.close());
    const metadata = await clientOf(address).waitForOrchestrationCompletion(id, { timeout: "40s" });
    expect(metadata.output).toBe(String(NAMES.length));
    expect(run.lines().filter((line) => line === "begins a")).toHaveLength(1);
  });

  it("connects again when the gateway has stopped and come back, and the run goes on", {
    timeout: 60_000,
  }, async () => {
    const hub = await openFetchHub();
    const server = await serveFetch(hub.handle);
    const options = { upstream: server.url, dialect: "microsoft" } as const;
    const first = await openTestGateway(options);
    undo.push(
      () => hub.close(),
      () => server.close(),
    );
    const address = `127.0.0.1:${first.port}`;
    const run = await worker(address, 0.3);
    const id = await clientOf(address).scheduleNewOrchestration("slowly", NAMES);
    await expect.poll(() => run.lines(), { timeout: 10_000 }).toContain("ends b");
    await first.close();
    const second = await openTestGateway({ ...options, port: first.port });
    undo.push(() => second.close());
    const metadata = await clientOf(address).waitForOrchestrationCompletion(id, { timeout: "40s" });
    expect(metadata.output).toBe(String(NAMES.length));
  });

  it.each<[string, OpenHub]>([
    ["fetch", serveThroughGateway],
    ["the Worker", serveWorkerThroughGateway],
  ])("may stand beside a worker and a client of ours over native gRPC (%s)", async (_, openHub) => {
    const hub = await openHub({});
    undo.push(() => hub.close());
    const registry = new TaskRegistry()
      .addActivity("plus-one", (_ctx, n: number) => n + 1)
      .addOrchestrator("sum", async (ctx, n: number) => {
        let sum = 0;
        for (let step = 0; step < n; step++) sum = await ctx.callActivity<number>("plus-one", sum);
        return sum;
      });
    const ours = createRemoteTaskHubWorker(transportTo(hub.address), registry, { logger: silentLogger() });
    ours.start();
    undo.push(() => ours.stop());
    const client = clientOf(hub.address);
    const id = await client.scheduleNewOrchestration("sum", 20);
    expect((await client.waitForOrchestrationCompletion(id, { timeout: "20s" })).output).toBe("20");
    await expect(client.fetchOrchestrationMetadata("nobody")).rejects.toMatchObject({ code: "instance_not_found" });
  });
});

/** A Worker that tries silent streams often: by what it cannot send it notices that a worker has gone. */
const serveEdgeThroughGateway: OpenHub = async ({ dialect = "auto" }) => {
  const edge = await startEdgeWorker();
  return openBehindGateway({ upstream: edge.url }, dialect, async () => {
    await edge.stop();
    deleteStorage(edge);
  });
};

describe.each(["microsoft", "dapr"] as const)(
  "a worker of %s's SDK that is killed in an activity leaves it to another one",
  (dialect) => {
    it.each<[string, OpenHub]>([
      ["fetch", serveThroughGateway],
      ["a Worker", serveEdgeThroughGateway],
    ])("behind a gateway before %s", { timeout: 60_000 }, async (_, openHub) => {
      const hub = await openHub({ dialect });
      undo.push(() => hub.close());
      const first = await worker(hub.address, 60, dialect);
      const client = clientOf(hub.address);
      const id = await client.scheduleNewOrchestration("slowly", ["a"]);
      await expect.poll(() => first.lines(), { timeout: 10_000 }).toContain("begins a");
      await first.kill();
      const second = await worker(hub.address, 0, dialect);
      expect((await client.waitForOrchestrationCompletion(id, { timeout: "30s" })).output).toBe("1");
      expect(second.lines()).toContain("ends a");
    });
  },
);

describe.each(["microsoft", "dapr"] as const)("a worker of %s's SDK behind a gateway before a Worker", (dialect) => {
  it("connects again when workerd is killed and comes back, and the run goes on", { timeout: 90_000 }, async () => {
    const first = await startEdgeWorker();
    undo.push(() => deleteStorage(first));
    const upstream = await newCable(first.url);
    undo.push(() => upstream.close());
    const gateway = await openTestGateway({ upstream: upstream.url, dialect });
    undo.push(() => gateway.close());
    const address = `127.0.0.1:${gateway.port}`;
    const run = await worker(address, 0.3, dialect);
    const id = await clientOf(address).scheduleNewOrchestration("slowly", NAMES);
    await expect.poll(() => run.lines(), { timeout: 10_000 }).toContain("ends b");
    await first.kill9();
    const second = await startEdgeWorker(first.folder);
    undo.push(() => second.stop());
    upstream.leadTo(second.url);
    const metadata = await clientOf(address).waitForOrchestrationCompletion(id, { timeout: "60s" });
    expect(metadata.output).toBe(String(NAMES.length));
    expect(run.lines().filter((line) => line === "begins a")).toHaveLength(1);
  });
});
