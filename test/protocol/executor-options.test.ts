/** What a host may say of how workers are served, option by option. */
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it } from "vitest";
import {
  type ConnectExecutor,
  type ConnectExecutorOptions,
  createConnectTaskHubClient,
} from "../../src/connect/index.ts";
import { listenGrpc } from "../../src/connect/node/index.ts";
import { daprService } from "../../src/connect/protocol/services.ts";
import { silentLogger } from "../../src/core/hub/logger.ts";
import type { TaskHubClient } from "../../src/core/hub/task-hub-client.ts";
import { completeOrchestrationAction, scheduleTaskAction } from "../../src/core/protocol/actions.ts";
import { type HistoryEvent, OrchestrationStatus } from "../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import type { WorkItem } from "../../src/core/protocol/gen/perdura/wire/v1/task_hub_service_pb.ts";
import { openExecutorHub } from "./support/executor-hub.ts";
import { frame, openSession, rawCall } from "./support/raw-grpc.ts";

const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Setup {
  readonly address: string;
  readonly remote: ConnectExecutor;
  readonly client: TaskHubClient;
  readonly raw: Client<typeof daprService>;
}

/** A hub over the executor, as a program of one's own makes it. */
async function setup(options: ConnectExecutorOptions): Promise<Setup> {
  const logger = silentLogger();
  const { remote, close } = await openExecutorHub({ skipWaitForInstanceStart: true, ...options });
  const server = await listenGrpc(remote.routes, { host: "127.0.0.1", port: 0 }, logger);
  undo.push(async () => {
    await close();
    await server.close(200);
  });
  const address = `127.0.0.1:${server.address.port}`;
  const transport = createGrpcTransport({ baseUrl: `http://${address}` });
  return { address, remote, client: createConnectTaskHubClient(transport), raw: createClient(daprService, transport) };
}

interface Stream {
  readonly items: WorkItem[];
  readonly ended: Promise<ConnectError | undefined>;
  close(): void;
}

/** Opens a stream and keeps what comes. */
function open(raw: Client<typeof daprService>): Stream {
  const stop = new AbortController();
  undo.push(() => stop.abort());
  const items: WorkItem[] = [];
  const ended = (async () => {
    for await (const item of raw.getWorkItems({}, { signal: stop.signal })) items.push(item);
    return undefined;
  })().catch(ConnectError.from);
  return { items, ended, close: () => stop.abort() };
}

/** Has the orchestration of the first item ask for an activity. */
async function schedule({ raw }: Setup, { items }: Stream, name: string): Promise<void> {
  await expect.poll(() => items.length).toBe(1);
  const [turn] = items;
  if (turn?.request.case !== "orchestratorRequest") throw new Error("a turn was expected");
  await raw.completeOrchestratorTask({
    instanceId: turn.request.value.instanceId,
    completionToken: turn.completionToken,
    actions: [scheduleTaskAction(0, { name, taskExecutionId: "" })],
  });
}

function resultsOf(events: readonly HistoryEvent[]): unknown[] {
  return events.flatMap(({ eventType }) => (eventType.case === "taskCompleted" ? [eventType.value.result] : []));
}

describe("the lease of an activity", () => {
  it("may be told for each: what takes longer is handed out again, and only the latest answer counts", async () => {
    const asked: string[] = [];
    const hub = await setup({
      activityLeaseMs: ({ name }) => {
        asked.push(name);
        return name === "short" ? 150 : 60_000;
      },
    });
    const stream = open(hub.raw);
    const instanceId = await hub.client.scheduleNewOrchestration("by-hand");
    await schedule(hub, stream, "short");
    await expect.poll(() => stream.items.length).toBe(3);
    const [, lost, again] = stream.items;
    expect(again?.completionToken).not.toBe(lost?.completionToken);
    const answer = { instanceId, taskId: 0 };
    await hub.raw.completeActivityTask({ ...answer, completionToken: lost?.completionToken ?? "", result: '"late"' });
    await hub.raw.completeActivityTask({ ...answer, completionToken: again?.completionToken ?? "", result: '"mine"' });
    // What the next turn is told of.
    await expect
      .poll(() =>
        stream.items.flatMap(({ request }) =>
          resultsOf(request.case === "orchestratorRequest" ? request.value.newEvents : []),
        ),
      )
      .toEqual(['"mine"']);
    expect(new Set(asked)).toEqual(new Set(["short"]));
  });

  it("is the stream: while that lives nobody else gets it, and when that is lost somebody does", async () => {
    const hub = await setup({ turnLeaseMs: 100 });
    const first = open(hub.raw);
    await hub.client.scheduleNewOrchestration("by-hand");
    await schedule(hub, first, "long");
    await expect.poll(() => first.items.length).toBe(2);
    const second = open(hub.raw);
    await sleep(300);
    expect([first.items.length, second.items.length]).toEqual([2, 0]);
    first.close();
    await expect.poll(() => second.items.map(({ request }) => request.case)).toEqual(["activityRequest"]);
  });

  it("ends when the worker hands it back", async () => {
    const hub = await setup({});
    const first = open(hub.raw);
    await hub.client.scheduleNewOrchestration("by-hand");
    await schedule(hub, first, "unwanted");
    await expect.poll(() => first.items.length).toBe(2);
    const second = open(hub.raw);
    await expect.poll(() => hub.remote.workers).toBe(2);
    await hub.raw.abandonTaskActivityWorkItem({ completionToken: first.items[1]?.completionToken ?? "" });
    await expect.poll(() => second.items.length).toBe(1);
  });
});

describe("a stream", () => {
  it("that takes longer than the send timeout for an item is ended, and others get what it held", async () => {
    const hub = await setup({ sendTimeoutMs: 200 });
    const session = openSession(hub.address);
    undo.push(() => session.destroy());
    // It reads nothing: HTTP/2 lets 64 KB through.
    const stuck = rawCall(session, "GetWorkItems", frame(new Uint8Array()));
    stuck.stream.pause();
    await expect.poll(() => hub.remote.workers).toBe(1);
    const instanceId = await hub.client.scheduleNewOrchestration("by-hand", "x".repeat(1_000_000));
    await expect.poll(() => hub.remote.workers).toBe(0);
    const { items } = open(hub.raw);
    await expect.poll(() => items.length).toBe(1);
    const action = completeOrchestrationAction(0, { status: OrchestrationStatus.COMPLETED, result: '"read"' });
    const completionToken = items[0]?.completionToken ?? "";
    await hub.raw.completeOrchestratorTask({ instanceId, completionToken, actions: [action] });
    expect((await hub.client.waitForOrchestrationCompletion(instanceId)).output).toBe('"read"');
    stuck.stream.resume();
    expect(await stuck.answer).toMatchObject({
      status: String(Code.Unknown),
      message: "timed out while sending work item",
    });
  });

  it("is refused where as many are open as may be, until one ends", async () => {
    const hub = await setup({ maxStreams: 1 });
    const first = open(hub.raw);
    await expect.poll(() => hub.remote.workers).toBe(1);
    expect(await open(hub.raw).ended).toMatchObject({ code: Code.ResourceExhausted });
    first.close();
    await expect.poll(() => hub.remote.workers).toBe(0);
    open(hub.raw);
    await expect.poll(() => hub.remote.workers).toBe(1);
  });

  it("ends with 'shutting down' when the shutdown signal says so, and so does a call that waits", async () => {
    const shutdown = new AbortController();
    const hub = await setup({ shutdownSignal: shutdown.signal });
    const stream = open(hub.raw);
    await expect.poll(() => hub.remote.workers).toBe(1);
    const instanceId = await hub.client.scheduleNewOrchestration("by-hand");
    const waiting = hub.raw.waitForInstanceCompletion({ instanceId }).catch(ConnectError.from);
    await sleep(50);
    shutdown.abort(new ConnectError("shutting down", Code.Canceled));
    expect(await stream.ended).toMatchObject({ code: Code.Canceled, rawMessage: "shutting down" });
    expect(await waiting).toMatchObject({ code: Code.Canceled });
  });

  it("is not harmed by a callback that fails when it ends", async () => {
    const hub = await setup({
      onDisconnect: () => {
        throw new Error("no");
      },
    });
    const first = open(hub.raw);
    await expect.poll(() => hub.remote.workers).toBe(1);
    first.close();
    await expect.poll(() => hub.remote.workers).toBe(0);
    const second = open(hub.raw);
    await hub.client.scheduleNewOrchestration("by-hand");
    await expect.poll(() => second.items.length).toBe(1);
  });
});

describe("a message", () => {
  it("above the limit is refused, one below it is not", async () => {
    const hub = await setup({ maxMessageBytes: 10_000 });
    const start = (length: number): Promise<unknown> =>
      hub.raw.startInstance({ name: "any", input: "x".repeat(length) });
    await start(9000);
    await expect(start(11_000)).rejects.toMatchObject({ code: Code.ResourceExhausted });
  });
});

describe("StartInstance", () => {
  it("waits for a worker to take the start up, in Dapr's dialect, unless it is told not to", async () => {
    const waits = await setup({ skipWaitForInstanceStart: false });
    const early = waits.raw.startInstance({ instanceId: "early", name: "by-hand" }, { timeoutMs: 200 });
    await expect(early).rejects.toMatchObject({ code: Code.DeadlineExceeded });
    // It was accepted all the same.
    expect((await waits.raw.getInstance({ instanceId: "early" })).exists).toBe(true);
    const skips = await setup({ skipWaitForInstanceStart: true });
    expect(await skips.raw.startInstance({ instanceId: "at-once", name: "by-hand" })).toMatchObject({
      instanceId: "at-once",
    });
  });
});
