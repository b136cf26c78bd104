/** How work is handed to workers and their answers are taken, seen from the wire: a worker written by hand, call by call. */
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it } from "vitest";
import { createConnectTaskHubClient } from "../../src/connect/index.ts";
import type { ServeOptions } from "../../src/connect/node/index.ts";
import { daprService, microsoftService } from "../../src/connect/protocol/services.ts";
import type { TaskHubClient } from "../../src/core/hub/task-hub-client.ts";
import { completeOrchestrationAction, scheduleTaskAction } from "../../src/core/protocol/actions.ts";
import {
  OrchestrationStatus as MicrosoftStatus,
  WorkerCapability,
} from "../../src/core/protocol/gen/microsoft/orchestrator_service_pb.ts";
import { OrchestrationStatus } from "../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import type { GetWorkItemsRequest, WorkItem } from "../../src/core/protocol/gen/perdura/wire/v1/task_hub_service_pb.ts";
import { serveHub, type TestHub } from "./support/served-hub.ts";

const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

interface Setup {
  readonly hub: TestHub;
  readonly client: TaskHubClient;
  readonly raw: Client<typeof daprService>;
  readonly microsoft: Client<typeof microsoftService>;
}

async function setup(options: ServeOptions = {}): Promise<Setup> {
  const hub = await serveHub({ skipWaitForInstanceStart: true, ...options });
  undo.push(() => hub.close());
  const transport = createGrpcTransport({ baseUrl: `http://${hub.address}` });
  return {
    hub,
    client: createConnectTaskHubClient(transport),
    raw: createClient(daprService, transport),
    microsoft: createClient(microsoftService, transport),
  };
}

interface Stream {
  /** Everything that came so far. */
  readonly items: WorkItem[];
  /** The next turn or activity that has not been looked at. */
  next(): Promise<WorkItem>;
  /** How it ended. */
  readonly ended: Promise<ConnectError | undefined>;
  close(): void;
}

/** Opens a stream and keeps what comes. */
function open(
  raw: Client<typeof daprService>,
  request: Partial<Pick<GetWorkItemsRequest, "maxConcurrentActivityWorkItems" | "keepsOrchestrators">> & {
    filters?: { orchestrators: string[]; activities: string[] };
  } = {},
): Stream {
  const stop = new AbortController();
  const items: WorkItem[] = [];
  let seen = 0;
  // So that a server of both dialects takes the limits for what they are.
  const headers = { "durabletask-dialect": "dapr" };
  const ended = (async () => {
    try {
      for await (const item of raw.getWorkItems(request, { signal: stop.signal, headers })) items.push(item);
      return undefined;
    } catch (error) {
      return ConnectError.from(error);
    }
  })();
  undo.push(() => stop.abort());
  return {
    items,
    ended,
    async next() {
      await expect.poll(() => items.length, { timeout: 5000, interval: 5 }).toBeGreaterThan(seen);
      const item = items[seen++];
      if (item === undefined) throw new Error("no item");
      return item;
    },
    close: () => stop.abort(),
  };
}

const complete = (result: string): ReturnType<typeof completeOrchestrationAction> =>
  completeOrchestrationAction(9, { status: OrchestrationStatus.COMPLETED, result });

const activities = (count: number): ReturnType<typeof scheduleTaskAction>[] =>
  Array.from({ length: count }, (_, id) => scheduleTaskAction(id, { name: "work", taskExecutionId: "" }));

describe("a turn", () => {
  it("comes with execution id, history and a token; the answer is checked against it", async () => {
    const { client, raw } = await setup();
    const stream = open(raw);
    const id = await client.scheduleNewOrchestration("by-hand", 7);
    const { request, completionToken } = await stream.next();
    if (request.case !== "orchestratorRequest") throw new Error("a turn was expected");
    expect(completionToken).toMatch(/^dapr:/);
    expect(request.value.executionId).toMatch(/^[0-9a-f]{32}$/);
    expect(request.value.pastEvents).toEqual([]);
    expect(request.value.newEvents.map(({ eventType }) => eventType.case)).toEqual([
      "orchestratorStarted",
      "executionStarted",
    ]);
    // A stale answer is taken without a word, and has no effect.
    await raw.completeOrchestratorTask({
      instanceId: id,
      completionToken: "dapr:another",
      actions: [complete('"stale"')],
    });
    await raw.completeOrchestratorTask({ instanceId: id, completionToken, actions: [complete('"right"')] });
    expect((await client.waitForOrchestrationCompletion(id)).output).toBe('"right"');
    await expect(raw.completeOrchestratorTask({ instanceId: id, completionToken, actions: [] })).rejects.toMatchObject({
      code: Code.NotFound,
    });
  });

  it("may be answered without a token, as older SDKs do", async () => {
    const { client, raw } = await setup();
    const stream = open(raw);
    const id = await client.scheduleNewOrchestration("by-hand");
    await stream.next();
    await raw.completeWorkflowTask({ instanceId: id, actions: [complete("1")] });
    expect((await client.waitForOrchestrationCompletion(id)).output).toBe("1");
  });

  it("goes to another worker when the stream is lost, with a new token", async () => {
    const { client, raw } = await setup();
    const first = open(raw);
    const id = await client.scheduleNewOrchestration("by-hand");
    const lost = await first.next();
    first.close();
    const second = open(raw);
    const again = await second.next();
    expect(again.completionToken).not.toBe(lost.completionToken);
    // The lost worker's answer comes late.
    await raw.completeOrchestratorTask({
      instanceId: id,
      completionToken: lost.completionToken,
      actions: [complete('"late"')],
    });
    await raw.completeOrchestratorTask({
      instanceId: id,
      completionToken: again.completionToken,
      actions: [complete('"second"')],
    });
    expect((await client.waitForOrchestrationCompletion(id)).output).toBe('"second"');
  });

  it("comes again to the same worker when its lease is over", async () => {
    const { client, raw } = await setup({ turnLeaseMs: 150 });
    const stream = open(raw);
    const id = await client.scheduleNewOrchestration("by-hand");
    const first = await stream.next();
    const second = await stream.next();
    expect(second.completionToken).not.toBe(first.completionToken);
    await raw.completeOrchestratorTask({
      instanceId: id,
      completionToken: second.completionToken,
      actions: [complete("2")],
    });
    expect((await client.waitForOrchestrationCompletion(id)).output).toBe("2");
  });

  it("that is handed back goes to another worker at once", async () => {
    const { client, raw } = await setup();
    const first = open(raw);
    await expect.poll(async () => first.items.length).toBe(0);
    const id = await client.scheduleNewOrchestration("by-hand");
    const { completionToken } = await first.next();
    const second = open(raw);
    await raw.abandonTaskOrchestratorWorkItem({ completionToken });
    const again = await second.next();
    await raw.completeOrchestratorTask({
      instanceId: id,
      completionToken: again.completionToken,
      actions: [complete("3")],
    });
    expect((await client.waitForOrchestrationCompletion(id)).output).toBe("3");
  });

  it("that is handed back does not hold up those that wait behind it", async () => {
    const { client, raw } = await setup({ maxInFlight: 1 });
    const stream = open(raw);
    const first = await client.scheduleNewOrchestration("by-hand");
    const { completionToken } = await stream.next();
    const second = await client.scheduleNewOrchestration("by-hand");
    await raw.abandonTaskOrchestratorWorkItem({ completionToken });
    const begun = performance.now();
    const ids: unknown[] = [];
    for (let turns = 0; turns < 2; turns++) {
      const item = await stream.next();
      if (turns === 0) expect(performance.now() - begun).toBeLessThan(500);
      const instanceId = item.request.case === "orchestratorRequest" ? item.request.value.instanceId : "";
      ids.push(instanceId);
      await raw.completeOrchestratorTask({
        instanceId,
        completionToken: item.completionToken,
        actions: [complete("1")],
      });
    }
    expect(ids).toEqual([second, first]);
  });

  it("may be answered in parts, each of which counts once", async () => {
    const { client, microsoft } = await setup({ dialect: "microsoft" });
    const stop = new AbortController();
    undo.push(() => stop.abort());
    const id = await client.scheduleNewOrchestration("by-hand");
    for await (const { request, completionToken } of microsoft.getWorkItems({}, { signal: stop.signal })) {
      if (request.case !== "orchestratorRequest") continue;
      expect(completionToken).toMatch(/^microsoft:/);
      const part = { instanceId: id, completionToken, isPartial: true };
      const timer = { fireAt: { seconds: 4_000_000_000n } };
      await microsoft.completeOrchestratorTask({
        ...part,
        chunkIndex: 0,
        actions: [{ id: 0, orchestratorActionType: { case: "createTimer", value: timer } }],
      });
      const second = {
        ...part,
        chunkIndex: 1,
        actions: [{ id: 1, orchestratorActionType: { case: "createTimer" as const, value: timer } }],
      };
      await microsoft.completeOrchestratorTask(second);
      // Its sender did not hear that it had arrived.
      await microsoft.completeOrchestratorTask(second);
      expect((await client.fetchOrchestrationMetadata(id)).waitingOn.timers).toHaveLength(0);
      await microsoft.completeOrchestratorTask({
        ...part,
        isPartial: false,
        chunkIndex: 2,
        actions: [],
        customStatus: '"whole"',
      });
      break;
    }
    await expect.poll(async () => (await client.fetchOrchestrationMetadata(id)).waitingOn.timers).toHaveLength(2);
    expect((await client.fetchOrchestrationMetadata(id)).customStatus).toBe('"whole"');
  });
});

describe("history", () => {
  it("is streamed to a worker that asks for it, and sent whole when the worker wants that after all", async () => {
    const { client, microsoft } = await setup({ dialect: "microsoft", streamHistoryFrom: 3 });
    const stop = new AbortController();
    undo.push(() => stop.abort());
    const id = await client.scheduleNewOrchestration("by-hand");
    const seen: unknown[] = [];
    const request = { capabilities: [WorkerCapability.HISTORY_STREAMING] };
    for await (const { request: item, completionToken } of microsoft.getWorkItems(request, { signal: stop.signal })) {
      if (item.case !== "orchestratorRequest") continue;
      const { pastEvents, requiresHistoryStreaming, executionId = "" } = item.value;
      const answer = { instanceId: id, completionToken };
      if (seen.length === 0) {
        const action = {
          id: 0,
          orchestratorActionType: { case: "createTimer" as const, value: { fireAt: { seconds: 1n } } },
        };
        await microsoft.completeOrchestratorTask({ ...answer, actions: [action] });
      } else if (requiresHistoryStreaming) {
        const kinds: unknown[] = [];
        const from = { instanceId: id, executionId, forWorkItemProcessing: true };
        for await (const { events } of microsoft.streamInstanceHistory(from))
          kinds.push(...events.map(({ eventType }) => eventType.case));
        expect(kinds).toEqual(["orchestratorStarted", "executionStarted", "timerCreated"]);
        await microsoft.completeOrchestratorTask({ ...answer, requiresHistory: true });
      } else {
        const done = { orchestrationStatus: MicrosoftStatus.COMPLETED, result: "4" };
        await microsoft.completeOrchestratorTask({
          ...answer,
          actions: [{ id: 1, orchestratorActionType: { case: "completeOrchestration", value: done } }],
        });
      }
      seen.push([pastEvents.length, requiresHistoryStreaming]);
      if (seen.length === 3) break;
    }
    expect(seen).toEqual([
      [0, false],
      [0, true],
      [3, false],
    ]);
    expect((await client.waitForOrchestrationCompletion(id)).output).toBe("4");
  });
});

describe("a stream", () => {
  it("never has more than its share in flight, and gets the next item with each answer", async () => {
    const { client, raw } = await setup({ maxInFlight: 20 });
    const stream = open(raw);
    const id = await client.scheduleNewOrchestration("by-hand");
    const { completionToken } = await stream.next();
    await raw.completeOrchestratorTask({ instanceId: id, completionToken, actions: activities(50) });
    await expect.poll(() => stream.items.length).toBe(1 + 15);
    await new Promise((resolve) => setTimeout(resolve, 50));
    // Some places are kept for turns, which would starve behind long activities.
    expect(stream.items).toHaveLength(1 + 15);
    const other = await client.scheduleNewOrchestration("by-hand");
    await expect
      .poll(() =>
        stream.items.some(
          ({ request }) => request.case === "orchestratorRequest" && request.value.instanceId === other,
        ),
      )
      .toBe(true);
    for (let answered = 0; answered < 50; answered++) {
      let item = await stream.next();
      while (item.request.case !== "activityRequest") item = await stream.next();
      await raw.completeActivityTask({
        instanceId: id,
        taskId: item.request.value.taskId,
        completionToken: item.completionToken,
        result: "1",
      });
    }
    const taken = stream.items.flatMap(({ request }) =>
      request.case === "activityRequest" ? [request.value.taskId] : [],
    );
    expect(taken.toSorted((one, two) => one - two)).toEqual(Array.from({ length: 50 }, (_, n) => n));
  });

  it("has the limits that its worker names", async () => {
    const { client, raw } = await setup();
    const stream = open(raw, { maxConcurrentActivityWorkItems: 2 });
    const id = await client.scheduleNewOrchestration("by-hand");
    const { completionToken } = await stream.next();
    await raw.completeOrchestratorTask({ instanceId: id, completionToken, actions: activities(5) });
    await expect.poll(() => stream.items.length).toBe(3);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(stream.items).toHaveLength(3);
  });

  it("gets only the names that its worker has; what nobody has is parked, and goes on when somebody comes", async () => {
    const { client, raw } = await setup({ patienceMs: 50 });
    const picky = open(raw, { filters: { orchestrators: ["mine"], activities: [] } });
    const id = await client.scheduleNewOrchestration("theirs");
    await expect
      .poll(async () => (await client.fetchOrchestrationMetadata(id)).waitingOn.parked?.code)
      .toBe("not_registered");
    expect((await client.fetchOrchestrationMetadata(id)).runtimeStatus).toBe("STALLED");
    // Clients of the protocol see it as what it was: it has not begun.
    expect((await raw.getInstance({ instanceId: id })).orchestrationState?.orchestrationStatus).toBe(
      OrchestrationStatus.PENDING,
    );
    expect(picky.items).toEqual([]);
    const other = open(raw);
    const { completionToken } = await other.next();
    await raw.completeOrchestratorTask({ instanceId: id, completionToken, actions: [complete("5")] });
    expect((await client.waitForOrchestrationCompletion(id)).output).toBe("5");
  });

  it("that is not there lets nothing begin, and a termination needs none", async () => {
    const { client } = await setup({ patienceMs: 30 });
    const id = await client.scheduleNewOrchestration("nobodys");
    await expect
      .poll(async () => (await client.fetchOrchestrationMetadata(id)).waitingOn.parked?.code)
      .toBe("no_worker");
    await client.terminateOrchestration(id, { output: "over" });
    expect(await client.waitForOrchestrationCompletion(id)).toMatchObject({
      runtimeStatus: "TERMINATED",
      output: '"over"',
    });
  });

  it("that is lost over an item again and again parks its instance", async () => {
    const { client, raw } = await setup({ maxLosses: 2 });
    const id = await client.scheduleNewOrchestration("killer");
    for (let worker = 0; worker < 3; worker++) {
      const stream = open(raw);
      await stream.next();
      stream.close();
      await stream.ended;
    }
    await expect
      .poll(async () => (await client.fetchOrchestrationMetadata(id)).waitingOn.parked?.message)
      .toContain("in the hands of 3 workers");
  });

  it("is kept alive with health pings in Microsoft's dialect, and left in peace in Dapr's", async () => {
    const { raw, microsoft } = await setup({ healthPingMs: 30 });
    const quiet = open(raw);
    const headers = { "durabletask-dialect": "microsoft" };
    for await (const { request } of microsoft.getWorkItems({}, { headers })) {
      expect(request.case).toBe("healthPing");
      break;
    }
    expect(quiet.items).toEqual([]);
  });

  it("may be refused, and is told of when it comes and goes", async () => {
    const told: string[] = [];
    let isRefusing = true;
    const { raw } = await setup({
      onConnect: ({ worker }) => {
        told.push(`connect ${worker.dialect}`);
        if (isRefusing) throw new Error("not today");
      },
      onDisconnect: () => void told.push("disconnect"),
    });
    const refused = await open(raw).ended;
    expect(refused?.code).toBe(Code.Unavailable);
    expect(refused?.rawMessage).toBe("unable to establish work item stream at this time: not today");
    isRefusing = false;
    const stream = open(raw);
    await expect.poll(() => told).toEqual(["connect 1", "disconnect", "connect 1"]);
    stream.close();
    await expect.poll(() => told.length).toBe(4);
  });

  it("ends with 'shutting down' when the server does", async () => {
    const { hub, raw } = await setup();
    const stream = open(raw);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await hub.close();
    const ended = await stream.ended;
    expect([Code.Canceled, Code.Unavailable]).toContain(ended?.code);
  });
});

describe("the dialect", () => {
  it("is found out by header, by prefix, and by what a request holds", async () => {
    const { hub, client, raw } = await setup();
    const id = await client.scheduleNewOrchestration("by-hand");
    // Work item filters are only Microsoft's: no header, no prefix.
    const bare = createClient(microsoftService, createGrpcTransport({ baseUrl: `http://${hub.address}` }));
    const below = createClient(microsoftService, createGrpcTransport({ baseUrl: `http://${hub.address}/microsoft` }));
    for await (const { request, completionToken } of bare.getWorkItems({
      workItemFilters: { orchestrations: [{ name: "by-hand" }] },
    })) {
      if (request.case !== "orchestratorRequest") continue;
      // In Dapr's dialect these tags would be a router, and the trace an execution id.
      const value = { name: "tagged", tags: { a: "b" }, parentTraceContext: { traceParent: "00-1-2-01" } };
      await bare.completeOrchestratorTask({
        instanceId: id,
        completionToken,
        actions: [{ id: 0, orchestratorActionType: { case: "scheduleTask", value } }],
      });
      break;
    }
    await expect.poll(async () => (await client.fetchOrchestrationMetadata(id)).waitingOn.activities).toHaveLength(1);
    const scheduled = (await client.getInstanceHistory(id)).find(({ eventType }) => eventType.case === "taskScheduled");
    expect(scheduled?.eventType.value).toMatchObject({
      name: "tagged",
      tags: { a: "b" },
      parentTraceContext: { traceParent: "00-1-2-01" },
    });
    expect((await below.getInstance({ instanceId: id })).exists).toBe(true);
    // The generation is Microsoft's from its first turn on: a Dapr worker does not get its turns.
    const dapr = open(raw);
    await client.raiseEvent(id, "something");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(dapr.items.every(({ request }) => request.case === "activityRequest")).toBe(true);
  });
});
