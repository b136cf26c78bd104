/** The service over `Request` and `Response`, as a Worker or a service worker serves it: no socket, no Node. */
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { afterEach, describe, expect, it } from "vitest";
import { createConnectTaskHubClient, createRemoteTaskHubWorker, createSidecarFetch } from "../../src/connect/index.ts";
import { silentLogger } from "../../src/core/hub/logger.ts";
import { TaskRegistry } from "../../src/core/orchestration/registry.ts";
import { openExecutorHub } from "./support/executor-hub.ts";

const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const KINDS: readonly (readonly [string, (fetch: typeof globalThis.fetch) => Transport])[] = [
  ["Connect", (fetch) => createConnectTransport({ baseUrl: "https://hub.test/api", fetch, useBinaryFormat: true })],
  ["Connect with JSON", (fetch) => createConnectTransport({ baseUrl: "https://hub.test/api", fetch })],
  ["gRPC-Web", (fetch) => createGrpcWebTransport({ baseUrl: "https://hub.test/api", fetch })],
];

describe.each(KINDS)("over fetch, with %s", (_, newTransport) => {
  it("serves client and worker, below a prefix", async () => {
    const { remote, close } = await openExecutorHub();
    const handle = createSidecarFetch(remote.handlers, "/api");
    expect(handle(new Request("https://hub.test/TaskHubSidecarService/Hello", { method: "POST" }))).toBeUndefined();
    const fetchHere = async (input: string | URL, init?: RequestInit): Promise<Response> => {
      const response = await handle(new Request(input, init));
      return response ?? new Response(null, { status: 404 });
    };
    const transport = newTransport(fetchHere as typeof globalThis.fetch);
    const registry = new TaskRegistry()
      .addActivity("plus-one", (_ctx, n: number) => n + 1)
      .addOrchestrator("sum", async (ctx, n: number) => {
        let sum = 0;
        for (let step = 0; step < n; step++) sum = (await ctx.callActivity("plus-one", sum)) as number;
        return sum;
      });
    const worker = createRemoteTaskHubWorker(transport, registry, { logger: silentLogger() });
    worker.start();
    undo.push(async () => {
      await worker.stop();
      await close();
    });
    const client = createConnectTaskHubClient(transport);
    const id = await client.scheduleNewOrchestration("sum", 5);
    expect((await client.waitForOrchestrationCompletion(id, { timeout: "10s" })).output).toBe("5");
    await expect(client.fetchOrchestrationMetadata("nobody")).rejects.toMatchObject({ code: "instance_not_found" });
    expect((await client.getInstanceHistory(id)).length).toBeGreaterThan(10);
  });
});
