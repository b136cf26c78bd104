/** Answers of workers that arrive twice: they arrived, but the way back broke, and they were sent again. */
import "./support/quiet.ts";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it } from "vitest";
import { createConnectTaskHubClient } from "../../src/connect/index.ts";
import { daprSdk } from "./support/dapr-sdk.ts";
import { openFetchHub, openTestGateway, serveFetch } from "./support/fetch-upstream.ts";
import type { ForeignContext } from "./support/foreign-sdk.ts";

const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

describe("a worker that sends no tokens, behind a gateway", () => {
  it("is taken at its word once, when its answer arrives but the receipt does not", { timeout: 30_000 }, async () => {
    const hub = await openFetchHub();
    undo.push(() => hub.close());
    let answers = 0;
    const server = await serveFetch(async (request) => {
      const response = await hub.handle(request);
      const isAnswer = /\/Complete\w+Task$/.test(new URL(request.url).pathname);
      if (isAnswer && answers++ % 2 === 0) throw new Error("the way back is broken");
      return response;
    });
    undo.push(() => server.close());
    const gateway = await openTestGateway({ upstream: server.url, patienceMs: 3000 });
    undo.push(() => gateway.close());
    const address = `127.0.0.1:${gateway.port}`;
    const worker = daprSdk.worker(address);
    const made: number[] = [];
    worker.activity("step", (_: unknown, n: number) => {
      made.push(n);
      return n + 1;
    });
    worker.orchestrator("steps", async function* (ctx: ForeignContext): AsyncGenerator<object, number, number> {
      let n = 1;
      while (n < 6) {
        n = yield ctx.callActivity("step", n);
        // The turn is in the worker's hands when the answer to the one before comes once more.
        if (!ctx.isReplaying) await new Promise((resolve) => setTimeout(resolve, 150));
      }
      return n;
    });
    await worker.start();
    undo.push(() => worker.stop());
    const client = createConnectTaskHubClient(createGrpcTransport({ baseUrl: `http://${address}` }));
    const id = await client.scheduleNewOrchestration("steps");
    const { runtimeStatus, output, failureDetails } = await client.waitForOrchestrationCompletion(id);
    expect([runtimeStatus, output, failureDetails?.errorMessage]).toEqual(["COMPLETED", "6", undefined]);
    expect(made).toEqual([1, 2, 3, 4, 5]);
    const history = await client.getInstanceHistory(id);
    expect(history.filter(({ eventType }) => eventType.case === "taskScheduled")).toHaveLength(5);
  });
});
