/** A page whose hub is a remote one: a service worker's, or a Worker's of another origin. The test drives it as `window.remote`. */
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import {
  createConnectTaskHubClient,
  createRemoteTaskHubWorker,
  type RemoteTaskHubWorker,
} from "../../../src/connect/index.ts";
import { silentLogger, type TaskHubClient, TaskRegistry } from "../../../src/core/index.ts";

/** What the page speaks. */
export type Wire = "connect" | "connect+json" | "grpc-web";

const MAKERS: Readonly<Record<Wire, (options: Parameters<typeof createConnectTransport>[0]) => Transport>> = {
  connect: (options) => createConnectTransport({ ...options, useBinaryFormat: true }),
  "connect+json": createConnectTransport,
  "grpc-web": createGrpcWebTransport,
};

let transport: Transport | undefined;
let worker: RemoteTaskHubWorker | undefined;
/** Activities that this page has begun. */
const calls: string[] = [];

function connected(): Transport {
  if (transport === undefined) throw new Error("the page has no hub yet");
  return transport;
}

const registry = new TaskRegistry()
  .addActivity("in-page", (_ctx, n: number) => {
    calls.push(`in-page ${n}`);
    return n + 1;
  })
  .addActivity("slow-in-page", async (_ctx, [n, ms]: [number, number]) => {
    calls.push(`slow ${n}`);
    await new Promise((resolve) => setTimeout(resolve, ms));
    return n + 1;
  })
  .addOrchestrator("page-child", async (_ctx, n: number) => n + 1)
  .addOrchestrator("page-parent", async (ctx, n: number) => {
    const here = (await ctx.callActivity("in-page", n)) as number;
    const there = (await ctx.callActivity("in-worker", here)) as number;
    return ctx.callSubOrchestrator("mixed", there);
  })
  .addOrchestrator("steps", async (ctx, [count, ms]: [number, number]) => {
    let n = 0;
    while (n < count) n = (await ctx.callActivity("slow-in-page", [n, ms])) as number;
    return n;
  })
  .addOrchestrator("fan", async (ctx, width: number) => {
    const tasks = Array.from({ length: width }, (_, n) => ctx.callActivity("in-page", n));
    return (await ctx.whenAll(tasks)).length;
  })
  .addOrchestrator("listen", async (ctx) => ctx.waitForExternalEvent("word"));

const remote = {
  calls,
  /** Registers the service worker and waits until it controls this page. */
  async register(hub: string): Promise<void> {
    await navigator.serviceWorker.register(`/remote-worker.js?hub=${hub}`, { type: "module" });
    while (navigator.serviceWorker.controller === null) await new Promise((resolve) => setTimeout(resolve, 10));
  },
  /** Which life of the service worker answers. */
  life: async (): Promise<string> => (await fetch("/life")).text(),
  use(wire: Wire, baseUrl: string = location.origin, token = ""): void {
    transport = MAKERS[wire]({
      baseUrl,
      interceptors: [
        (next) => (request) => {
          if (token !== "") request.header.set("authorization", `Bearer ${token}`);
          return next(request);
        },
      ],
    });
  },
  get client(): TaskHubClient {
    return createConnectTaskHubClient(connected());
  },
  /** Begins to work, and waits for the connection. */
  async work(): Promise<void> {
    worker = createRemoteTaskHubWorker(connected(), registry, {
      logger: silentLogger(),
      firstRetryMs: 50,
      maxRetryMs: 500,
    });
    worker.start();
    while (!worker.isConnected) await new Promise((resolve) => setTimeout(resolve, 10));
  },
  async rest(): Promise<void> {
    await worker?.stop();
  },
  get isWorking(): boolean {
    return worker?.isConnected ?? false;
  },
  start(name: string, input: unknown, instanceId: string): Promise<string> {
    return this.client.scheduleNewOrchestration(name, input, { instanceId });
  },
  async wait(instanceId: string, timeout: "1s" | "30s" | "60s" = "30s"): Promise<{ status: string; output: unknown }> {
    const done = await this.client.waitForOrchestrationCompletion(instanceId, { timeout });
    return { status: done.runtimeStatus, output: done.output === undefined ? undefined : JSON.parse(done.output) };
  },
  /** Rejections as plain data: errors lose their fields on the way to the driver. */
  async codeOf(run: () => Promise<unknown>): Promise<string> {
    return run().then(
      () => "ok",
      (error: { code?: string; message: string }) => error.code ?? error.message,
    );
  },
};

/** The type of `window.remote`. */
export type Remote = typeof remote;

declare global {
  interface Window {
    remote: Remote;
  }
}

window.remote = remote;
