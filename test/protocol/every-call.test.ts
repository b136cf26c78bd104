/** Every call that the service has, in both dialects, made by hand: what the SDKs that were tried never call is here too. */
import type { DescMethod, DescMethodStreaming, DescMethodUnary } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { createConnectTaskHubClient, createRemoteTaskHubWorker } from "../../src/connect/index.ts";
import { daprService, microsoftService } from "../../src/connect/protocol/services.ts";
import { silentLogger } from "../../src/core/hub/logger.ts";
import type { TaskHubClient } from "../../src/core/hub/task-hub-client.ts";
import { TaskRegistry } from "../../src/core/orchestration/registry.ts";
import { OrchestrationStatus as MicrosoftStatus } from "../../src/core/protocol/gen/microsoft/orchestrator_service_pb.ts";
import { OrchestrationStatus } from "../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { deleteStorage, EDGE_TRANSPORTS, type EdgeWorker, startEdgeWorker } from "./support/edge-worker.ts";
import { serveHub } from "./support/served-hub.ts";

const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

interface Setup {
  readonly transportBelow: Place["transportBelow"];
  readonly post: Place["post"];
  readonly client: TaskHubClient;
  readonly dapr: Client<typeof daprService>;
  readonly microsoft: Client<typeof microsoftService>;
}

/** A way to a hub. */
interface Place {
  transportBelow(prefix: string): Transport;
  /** A call without any library, in JSON. */
  post(method: string, body: object, headers: Record<string, string>): Promise<Response>;
}

function postTo(url: string, own: Record<string, string> = {}): Place["post"] {
  return (method, body, headers) =>
    fetch(`${url}/TaskHubSidecarService/${method}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...own, ...headers },
      body: JSON.stringify(body),
    });
}

/** Where a hub may be. */
const PLACES: Readonly<Record<string, () => Promise<Place>>> = {
  "perdura serve": async () => {
    const hub = await serveHub();
    undo.push(() => hub.close());
    const url = `http://${hub.address}`;
    return {
      transportBelow: (prefix) => createGrpcTransport({ baseUrl: `${url}${prefix}` }),
      post: postTo(url),
    };
  },
  "a Worker": async () => {
    edge ??= await startEdgeWorker();
    const { url } = edge;
    const hub = `calls-${++hubs}`;
    const newTransport = EDGE_TRANSPORTS["grpc-web"];
    if (newTransport === undefined) throw new Error("no transport");
    const below = (prefix: string): Transport => newTransport(`${url}${prefix}`, hub);
    // There a hub may be used without that; it is not there by name then.
    await createClient(daprService, below("")).createTaskHub({});
    return { transportBelow: below, post: postTo(url, { taskhub: hub }) };
  },
};

let edge: EdgeWorker | undefined;
let hubs = 0;
afterAll(async () => {
  if (edge === undefined) return;
  await edge.stop();
  deleteStorage(edge);
});

/** A hub with a worker. */
async function setup(place: string): Promise<Setup> {
  const way = await PLACES[place]?.();
  if (way === undefined) throw new Error(`there is no place '${place}'`);
  const { transportBelow, post } = way;
  const transport = transportBelow("");
  let failures = 0;
  const registry = new TaskRegistry()
    .addActivity("plus-one", (_, n: number) => n + 1)
    .addActivity("fails-once", () => {
      if (failures++ === 0) throw new Error("no luck");
      return "luck";
    })
    .addOrchestrator("add", (ctx, n: number) => ctx.callActivity("plus-one", n))
    .addOrchestrator("parent", (ctx) => ctx.callSubOrchestrator("add", 1, { instanceId: `${ctx.instanceId}-child` }))
    .addOrchestrator("unlucky", (ctx) => ctx.callActivity("fails-once"))
    .addOrchestrator("two-events", async (ctx) => [
      await ctx.waitForExternalEvent("go"),
      await ctx.waitForExternalEvent("go"),
    ])
    .addOrchestrator("wait", (ctx) => ctx.waitForExternalEvent("go"));
  const worker = createRemoteTaskHubWorker(transport, registry, { logger: silentLogger(), firstRetryMs: 30 });
  worker.start();
  undo.push(() => worker.stop());
  return {
    transportBelow,
    post,
    client: createConnectTaskHubClient(transport),
    dapr: createClient(daprService, transportBelow("/dapr")),
    microsoft: createClient(microsoftService, transportBelow("/microsoft")),
  };
}

/** The code and the text of a call that fails. */
async function failure(call: Promise<unknown>): Promise<readonly [Code, string]> {
  const error = await call.then(() => undefined, ConnectError.from);
  if (error === undefined) throw new Error("the call succeeded");
  return [error.code, error.rawMessage];
}

async function ended(client: TaskHubClient, name: string, input?: unknown): Promise<string> {
  const id = await client.scheduleNewOrchestration(name, input);
  await client.waitForOrchestrationCompletion(id);
  return id;
}

/** A Worker's lists lag behind by moments. */
async function untilListed(client: TaskHubClient, completed: number): Promise<void> {
  const listed = async (): Promise<number> =>
    (await client.listInstanceIds({ runtimeStatus: ["COMPLETED"] })).instanceIds.length;
  await expect.poll(listed).toBe(completed);
}

const ENTITIES = [
  "AbandonTaskEntityWorkItem",
  "CleanEntityStorage",
  "CompleteEntityTask",
  "GetEntity",
  "QueryEntities",
  "SignalEntity",
];

/** Makes a call with an empty message; a stream is read for a moment. */
async function callEmpty(transport: Transport, method: DescMethod): Promise<{ readonly code: Code | undefined }> {
  const { signal } = new AbortController();
  try {
    if (method.methodKind === "unary") await transport.unary(method as DescMethodUnary, signal, 5000, undefined, {});
    else {
      const requests = (async function* (): AsyncGenerator<Record<string, never>> {
        yield {};
      })();
      const { message } = await transport.stream(method as DescMethodStreaming, signal, 200, undefined, requests);
      for await (const _ of message);
    }
    return { code: undefined };
  } catch (error) {
    return { code: ConnectError.from(error).code };
  }
}

describe.each(Object.keys(PLACES))("of %s", (place) => {
  describe.each([
    ["dapr", daprService],
    ["microsoft", microsoftService],
  ] as const)("in %s's dialect", (prefix, service) => {
    it("each call is served, but for those of entities", async () => {
      const { transportBelow } = await setup(place);
      const transport = transportBelow(`/${prefix}`);
      const unserved: string[] = [];
      for (const method of service.methods) {
        const { code } = await callEmpty(transport, method);
        if (code === Code.Unimplemented) unserved.push(method.name);
      }
      expect(unserved.toSorted()).toEqual(ENTITIES);
    });
  });

  describe("errors", () => {
    it("have the fitting code, and the texts that the Go reference's clients look for", async () => {
      const { client, dapr, microsoft } = await setup(place);
      const nobody = { instanceId: "nobody" };
      const waiting = await client.scheduleNewOrchestration("wait");
      await client.waitForOrchestrationStart(waiting);
      const done = await ended(client, "add", 1);
      const start = { instanceId: waiting, name: "wait" };
      for (const [call, code, text] of [
        [
          () => dapr.startInstance(start),
          Code.AlreadyExists,
          "failed to create orchestration instance: orchestration instance already exists",
        ],
        [() => microsoft.startInstance(start), Code.AlreadyExists, "orchestration instance already exists"],
        [() => dapr.startInstance({ name: "" }), Code.InvalidArgument, "failed to create orchestration instance: "],
        [() => dapr.raiseEvent({ ...nobody, name: "go" }), Code.NotFound, "no such instance exists"],
        [
          () => dapr.terminateInstance(nobody),
          Code.NotFound,
          "failed to submit termination request: no such instance exists",
        ],
        [() => dapr.suspendInstance(nobody), Code.NotFound, "no such instance exists"],
        [() => dapr.resumeInstance(nobody), Code.NotFound, "no such instance exists"],
        [() => dapr.getInstanceHistory(nobody), Code.NotFound, "no such instance exists"],
        [() => dapr.rewindInstance(nobody), Code.NotFound, "no such instance exists"],
        [() => dapr.restartInstance(nobody), Code.NotFound, "no such instance exists"],
        [() => dapr.rerunWorkflowFromEvent({ sourceInstanceID: "nobody" }), Code.NotFound, "no such instance exists"],
        [() => dapr.rerunWorkflowFromEvent({ sourceInstanceID: done, eventID: 99 }), Code.NotFound, "99"],
        [
          () => dapr.restartInstance({ instanceId: waiting }),
          Code.FailedPrecondition,
          "orchestration has not yet completed",
        ],
        [
          () => dapr.rewindInstance({ instanceId: waiting }),
          Code.FailedPrecondition,
          "orchestration has not yet completed",
        ],
        [
          () => dapr.purgeInstances({ request: { case: "instanceId", value: "nobody" } }),
          Code.NotFound,
          "failed to purge orchestration state: no such instance exists",
        ],
        [
          () => dapr.purgeInstances({ request: { case: "instanceId", value: waiting } }),
          Code.FailedPrecondition,
          "failed to purge orchestration state: orchestration has not yet completed",
        ],
        [() => dapr.purgeInstances({}), Code.InvalidArgument, "name an instance or a filter"],
        [() => microsoft.purgeInstances({}), Code.InvalidArgument, "name an instance, a batch or a filter"],
        [
          () => dapr.queryInstances({ query: { continuationToken: "none of ours" } }),
          Code.InvalidArgument,
          "continuation token",
        ],
        [() => dapr.completeOrchestratorTask(nobody), Code.NotFound, "unknown instance ID: nobody"],
        [
          () => dapr.completeActivityTask({ ...nobody, taskId: 3 }),
          Code.NotFound,
          "unknown instance ID/task ID combo: nobody/3",
        ],
        [() => dapr.createTaskHub({}), Code.AlreadyExists, "task hub already exists"],
        [() => dapr.getEntity({}), Code.Unimplemented, ""],
      ] as const) {
        const [seenCode, seenText] = await failure(call());
        expect([Code[seenCode], seenText], text).toEqual([Code[code], expect.stringContaining(text)]);
      }
      await client.terminateOrchestration(waiting);
    });
  });

  describe("a start under an id that is taken", () => {
    it("is refused while that runs and after its end, where the id is to be unique", async () => {
      const { client, dapr } = await setup(place);
      const running = await client.scheduleNewOrchestration("wait");
      const done = await ended(client, "add", 1);
      for (const instanceId of [running, done]) {
        const start = dapr.startInstance({ instanceId, name: "add", input: "1", enforceUniqueInstanceId: true });
        expect((await failure(start))[0]).toBe(Code.AlreadyExists);
      }
    });

    it("replaces what Microsoft's policy lists, one that runs as well, and nothing else", async () => {
      const { client, microsoft } = await setup(place);
      const running = await client.scheduleNewOrchestration("wait");
      await client.waitForOrchestrationStart(running);
      const former = (await client.fetchOrchestrationMetadata(running)).executionId;
      const start = (instanceId: string, ...replaceableStatus: MicrosoftStatus[]): Promise<unknown> =>
        microsoft.startInstance({
          instanceId,
          name: "add",
          input: "1",
          orchestrationIdReusePolicy: { replaceableStatus },
        });
      for (const policy of [[], [MicrosoftStatus.COMPLETED, MicrosoftStatus.FAILED]])
        expect((await failure(start(running, ...policy)))[0]).toBe(Code.AlreadyExists);
      await start(running, MicrosoftStatus.RUNNING);
      const replaced = await client.waitForOrchestrationCompletion(running);
      expect([replaced.name, replaced.output]).toEqual(["add", "2"]);
      expect(replaced.executionId).not.toBe(former);
      expect((await failure(start(running, MicrosoftStatus.RUNNING)))[0]).toBe(Code.AlreadyExists);
      await start(running, MicrosoftStatus.COMPLETED);
      expect((await client.waitForOrchestrationCompletion(running)).executionId).not.toBe(replaced.executionId);
    });

    it("or an event counts once under one idempotency key", async () => {
      const { client } = await setup(place);
      const key = { idempotencyKey: "once" };
      const [id, again] = [
        await client.scheduleNewOrchestration("two-events", undefined, key),
        await client.scheduleNewOrchestration("two-events", undefined, key),
      ];
      expect(again).toBe(id);
      for (const payload of [1, 2]) await client.raiseEvent(id, "go", payload, { idempotencyKey: "first" });
      await client.raiseEvent(id, "go", 3, { idempotencyKey: "second" });
      expect((await client.waitForOrchestrationCompletion(id)).output).toBe("[1,3]");
    });
  });

  describe("what a start says", () => {
    it("is shown by the instance and by its children, in both dialects", async () => {
      const { client, dapr, microsoft } = await setup(place);
      const executionId = "0123456789abcdef0123456789abcdef";
      for (const [kind, one] of [
        ["dapr", dapr],
        ["microsoft", microsoft],
      ] as const) {
        const instanceId = `told-${kind}`;
        const said = { version: "2.1", tags: { team: "blue" }, executionId };
        // The past means now, and an empty text no input.
        const scheduledStartTimestamp = { seconds: 0n };
        await one.startInstance({ instanceId, name: "parent", input: "", scheduledStartTimestamp, ...said });
        await client.waitForOrchestrationCompletion(instanceId);
        const { exists, orchestrationState } = await one.getInstance({ instanceId, getInputsAndOutputs: true });
        expect([exists, orchestrationState]).toMatchObject([
          true,
          { instanceId, name: "parent", output: "2", ...said },
        ]);
        expect(orchestrationState?.input).toBeUndefined();
        const bare = (await one.getInstance({ instanceId })).orchestrationState;
        expect([bare?.output, bare?.tags]).toEqual([undefined, said.tags]);
        const child = (await one.getInstance({ instanceId: `${instanceId}-child` })).orchestrationState;
        expect(child).toMatchObject({ name: "add", parentInstanceId: instanceId });
        expect(child?.executionId).toMatch(/^[0-9a-f]{32}$/);
        expect((await one.waitForInstanceStart({ instanceId: "nobody" })).exists).toBe(false);
        expect((await one.waitForInstanceCompletion({ instanceId: "nobody" })).exists).toBe(false);
      }
    });
  });

  describe("a wait", () => {
    it("ends with the deadline that it was given, said by the server itself", async () => {
      const { client, post } = await setup(place);
      const instanceId = await client.scheduleNewOrchestration("wait");
      const begun = performance.now();
      const response = await post("WaitForInstanceCompletion", { instanceId }, { "connect-timeout-ms": "300" });
      expect(await response.json()).toMatchObject({ code: "deadline_exceeded" });
      expect(performance.now() - begun).toBeLessThan(3000);
      await client.raiseEvent(instanceId, "go", "on");
      expect((await client.waitForOrchestrationCompletion(instanceId)).output).toBe('"on"');
    });
  });

  describe("lists and histories", () => {
    it("come in pages of the size that was asked for, each instance once", async () => {
      const { client, dapr, microsoft } = await setup(place);
      const ids: string[] = [];
      for (const n of [1, 2, 3, 4, 5]) {
        ids.push(await ended(client, "add", n));
        // Lists are by the time of creation.
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      await untilListed(client, 5);
      const byDapr: string[] = [];
      const sizes: number[] = [];
      for (let token: string | undefined; ; ) {
        const page = await dapr.listInstanceIDs({
          pageSize: 2,
          ...(token === undefined ? {} : { continuationToken: token }),
        });
        byDapr.push(...page.instanceIds);
        sizes.push(page.instanceIds.length);
        token = page.continuationToken;
        if (token === undefined) break;
      }
      expect(sizes).toEqual([2, 2, 1]);
      expect(byDapr.toSorted()).toEqual(ids.toSorted());
      const byMicrosoft: string[] = [];
      for (let key: string | undefined; ; ) {
        const page = await microsoft.listInstanceIds({
          pageSize: 2,
          ...(key === undefined ? {} : { lastInstanceKey: key }),
        });
        byMicrosoft.push(...page.instanceIds);
        key = page.lastInstanceKey;
        if (key === undefined) break;
      }
      expect(byMicrosoft.toSorted()).toEqual(ids.toSorted());
      const none = { runtimeStatus: [OrchestrationStatus.FAILED] };
      expect((await microsoft.listInstanceIds(none)).instanceIds).toEqual([]);
      const { orchestrationState } = await dapr.queryInstances({
        query: { maxInstanceCount: 3, fetchInputsAndOutputs: true },
      });
      expect(orchestrationState.map(({ output }) => output)).toEqual(["6", "5", "4"]);
    });

    it("are the same, asked for whole or as a stream", async () => {
      const { client, dapr, microsoft } = await setup(place);
      const instanceId = await ended(client, "add", 1);
      const whole = await dapr.getInstanceHistory({ instanceId });
      const kinds = whole.events.map(({ eventType }) => eventType.case);
      expect(kinds).toEqual([
        "orchestratorStarted",
        "executionStarted",
        "taskScheduled",
        "orchestratorStarted",
        "taskCompleted",
        "executionCompleted",
      ]);
      const streamed: typeof whole.events = [];
      for await (const { events } of dapr.streamInstanceHistory({ instanceId })) streamed.push(...events);
      expect(streamed).toEqual(whole.events);
      const theirs: unknown[] = [];
      for await (const { events } of microsoft.streamInstanceHistory({ instanceId }))
        theirs.push(...events.map(({ eventType }) => eventType.case));
      expect(theirs).toEqual(kinds);
    });
  });

  describe("starting over", () => {
    it("a run begins anew from an event of another, with another input", async () => {
      const { client, dapr } = await setup(place);
      const sourceInstanceID = await ended(client, "add", 1);
      const rerun = { sourceInstanceID, eventID: 0, overwriteInput: true, input: "41", newInstanceID: "rerun" };
      expect(await dapr.rerunWorkflowFromEvent(rerun)).toMatchObject({ newInstanceID: "rerun" });
      expect((await client.waitForOrchestrationCompletion("rerun")).output).toBe("42");
    });

    it("an ended run is restarted, and a failed one rewound", async () => {
      const { client, dapr, microsoft } = await setup(place);
      const id = await ended(client, "add", 1);
      for (const restartInstance of [dapr.restartInstance, microsoft.restartInstance]) {
        const other = await restartInstance({ instanceId: id, restartWithNewInstanceId: true });
        expect(other.instanceId).not.toBe(id);
        expect((await client.waitForOrchestrationCompletion(other.instanceId)).output).toBe("2");
        expect((await restartInstance({ instanceId: id })).instanceId).toBe(id);
        await client.waitForOrchestrationCompletion(id);
      }
      const unlucky = await ended(client, "unlucky");
      expect((await client.fetchOrchestrationMetadata(unlucky)).runtimeStatus).toBe("FAILED");
      await dapr.rewindInstance({ instanceId: unlucky, reason: "try again" });
      await expect.poll(async () => (await client.fetchOrchestrationMetadata(unlucky)).output).toBe('"luck"');
    });
  });

  describe("a purge", () => {
    it("of a batch, or by a filter, takes what has ended and nothing else", async () => {
      const { client, dapr, microsoft } = await setup(place);
      const waiting = await client.scheduleNewOrchestration("wait");
      await client.waitForOrchestrationStart(waiting);
      const [one = "", two = "", three = ""] = await Promise.all([1, 2, 3].map((n) => ended(client, "add", n)));
      await untilListed(client, 3);
      const instanceIds = [one, "nobody", waiting, two];
      expect(
        await microsoft.purgeInstances({ request: { case: "instanceBatch", value: { instanceIds } } }),
      ).toMatchObject({
        deletedInstanceCount: 2,
        isComplete: true,
      });
      // A filter that only running ones fit takes none, and none of the others either.
      const running = { case: "purgeInstanceFilter" as const, value: { runtimeStatus: [OrchestrationStatus.RUNNING] } };
      expect((await microsoft.purgeInstances({ request: running })).deletedInstanceCount).toBe(0);
      expect((await dapr.purgeInstances({ request: running })).deletedInstanceCount).toBe(0);
      expect((await client.fetchOrchestrationMetadata(three)).output).toBe("4");
      await untilListed(client, 1);
      const all = { case: "purgeInstanceFilter" as const, value: {} };
      expect((await dapr.purgeInstances({ request: all })).deletedInstanceCount).toBe(1);
      await expect.poll(async () => (await client.listInstanceIds()).instanceIds).toEqual([waiting]);
      const forced = { request: { case: "instanceId" as const, value: waiting }, force: true };
      expect((await dapr.purgeInstances(forced)).deletedInstanceCount).toBe(1);
      expect((await dapr.getInstance({ instanceId: waiting })).exists).toBe(false);
    });

    it("stops when its time is over, and says that it is not complete", async () => {
      const { client, microsoft } = await setup(place);
      await ended(client, "add", 1);
      await untilListed(client, 1);
      const value = { timeout: { seconds: 0n, nanos: 0 } };
      const done = await microsoft.purgeInstances({ request: { case: "purgeInstanceFilter", value } });
      expect(done).toMatchObject({ deletedInstanceCount: 0, isComplete: false });
    });
  });

  describe("many at once", () => {
    it("are terminated without grace; those that are not there are named", async () => {
      const { client, microsoft } = await setup(place);
      const ids = await Promise.all([1, 2].map(() => client.scheduleNewOrchestration("wait")));
      const request = { instanceBatch: { instanceIds: [...ids, "nobody"] }, reason: '"over"' };
      const { unterminatedInstanceIds } = await microsoft.skipGracefulOrchestrationTerminations(request);
      expect(unterminatedInstanceIds).toEqual(["nobody"]);
      for (const id of ids) {
        expect(await client.waitForOrchestrationCompletion(id)).toMatchObject({
          runtimeStatus: "TERMINATED",
          output: '"over"',
        });
      }
    });
  });

  describe("the hub itself", () => {
    it("is deleted with all that is in it, and made again; its worker goes on", async () => {
      const { client, dapr, microsoft } = await setup(place);
      const id = await ended(client, "add", 1);
      await microsoft.createTaskHub({});
      expect((await dapr.getInstance({ instanceId: id })).exists).toBe(true);
      await dapr.createTaskHub({ recreateIfExists: true });
      expect((await dapr.getInstance({ instanceId: id })).exists).toBe(false);
      expect((await client.fetchOrchestrationMetadata(await ended(client, "add", 2))).output).toBe("3");
      await microsoft.deleteTaskHub({});
      if (place === "perdura serve")
        expect((await failure(dapr.startInstance({ name: "add" })))[0]).toBe(Code.FailedPrecondition);
      await microsoft.createTaskHub({ recreateIfExists: true });
      expect((await client.fetchOrchestrationMetadata(await ended(client, "add", 3))).output).toBe("4");
    });
  });
});
