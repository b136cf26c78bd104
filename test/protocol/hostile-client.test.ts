/** A client that means no good, or is broken: every call ends with an error of the protocol, and nobody else notices. */
import { connect as connectHttp2, constants } from "node:http2";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createConnectTaskHubClient,
  createRemoteTaskHubWorker,
  type RemoteTaskHubWorker,
} from "../../src/connect/index.ts";
import { daprService, microsoftService } from "../../src/connect/protocol/services.ts";
import type { TaskHubClient } from "../../src/core/hub/task-hub-client.ts";
import { TaskRegistry } from "../../src/core/orchestration/registry.ts";
import { completeOrchestrationAction, orchestratorResponse } from "../../src/core/protocol/actions.ts";
import {
  OrchestrationStatus,
  OrchestratorResponseSchema,
} from "../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { CreateInstanceRequestSchema } from "../../src/core/protocol/gen/perdura/wire/v1/task_hub_service_pb.ts";
import { frame, seededRandom } from "./support/raw-grpc.ts";
import { serveHub, type TestHub } from "./support/served-hub.ts";

/** Lets what is no longer needed go. */
async function settled(): Promise<void> {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    gc();
  }
}

interface RawAnswer {
  readonly http: number;
  readonly grpc: string | undefined;
  readonly message: string | undefined;
}

describe("a hostile client", () => {
  let hub: TestHub;
  let transport: Transport;
  let client: TaskHubClient;
  let worker: RemoteTaskHubWorker;

  beforeAll(async () => {
    hub = await serveHub({ skipWaitForInstanceStart: true });
    transport = createGrpcTransport({ baseUrl: `http://${hub.address}`, nodeOptions: { maxSessionMemory: 256 } });
    const registry = new TaskRegistry()
      .addActivity("plus-one", (_, n: number) => n + 1)
      .addOrchestrator("sum", async (ctx, n: number) => {
        let sum = 0;
        for (let step = 0; step < n; step++) sum = (await ctx.callActivity("plus-one", sum)) as number;
        return sum;
      })
      .addOrchestrator("wait", async (ctx) => (await ctx.waitForExternalEvent("go")) ?? "gone on");
    worker = createRemoteTaskHubWorker(transport, registry);
    worker.start();
    client = createConnectTaskHubClient(transport);
    await stillWorks();
  });

  afterAll(async () => {
    await worker.stop();
    await hub.close();
  });

  async function stillWorks(): Promise<void> {
    const id = await client.scheduleNewOrchestration("sum", 3);
    const { output } = await client.waitForOrchestrationCompletion(id, { timeout: "20s" });
    expect(output).toBe("3");
  }

  /** Posts bytes to a method, as they are, all over one connection. */
  async function post(method: string, bodies: readonly Uint8Array[], type = "application/grpc"): Promise<RawAnswer[]> {
    // At its default, Node's own client closes a connection that has 10 MB to send.
    const session = connectHttp2(`http://${hub.address}`, { maxSessionMemory: 256 });
    session.on("error", () => undefined);
    const answers = await Promise.all(
      bodies.map(
        (body) =>
          new Promise<RawAnswer>((resolve) => {
            const path = method.startsWith("/") ? method : `/TaskHubSidecarService/${method}`;
            const request = session.request({ ":method": "POST", ":path": path, "content-type": type, te: "trailers" });
            const seen = { http: 0, grpc: undefined as string | undefined, message: undefined as string | undefined };
            const note = (headers: Record<string, unknown>): void => {
              seen.http = Number(headers[":status"] ?? seen.http);
              seen.grpc = (headers["grpc-status"] as string | undefined) ?? seen.grpc;
              seen.message = (headers["grpc-message"] as string | undefined) ?? seen.message;
            };
            request.on("response", note);
            request.on("trailers", note);
            request.on("error", () => undefined);
            // What is answered before all was sent leaves the rest for the client to give up, as all do.
            request.on("end", () => request.close(constants.NGHTTP2_CANCEL));
            request.on("close", () => resolve({ ...seen }));
            request.resume();
            request.end(body);
          }),
      ),
    );
    session.close();
    return answers;
  }

  const METHODS = [...new Set([...daprService.methods, ...microsoftService.methods].map(({ name }) => name))].filter(
    // These two may do as they are told, whatever the bytes.
    (name) => !["GetWorkItems", "DeleteTaskHub", "CreateTaskHub"].includes(name),
  );

  it.each(["/TaskHubSidecarService/", "/microsoft/TaskHubSidecarService/"])(
    "gets an answer to random bytes on every method of %s",
    async (prefix) => {
      const next = seededRandom(7);
      for (const method of METHODS) {
        const bodies = Array.from({ length: 12 }, () =>
          frame(Uint8Array.from({ length: 1 + next() * 60 }, () => next() * 256)),
        );
        for (const answer of await post(`${prefix}${method}`, bodies)) {
          if (answer.http === 404) continue;
          expect(answer.http, method).toBe(200);
          // That would be a fault of ours that nobody foresaw; bytes that cannot be parsed have another text.
          expect(answer.message, `${method} ${JSON.stringify(answer)}`).not.toBe("internal%20error");
          expect(answer.grpc).toBeDefined();
        }
      }
      await stillWorks();
    },
  );

  it("gets an error for messages cut off anywhere, and for frames that lie about their length", async () => {
    const start = toBinary(
      CreateInstanceRequestSchema,
      create(CreateInstanceRequestSchema, { instanceId: "cut", name: "sum", input: "12345" }),
    );
    const cut = Array.from({ length: start.length - 1 }, (_, length) => frame(start.subarray(0, length + 1)));
    for (const answer of await post("StartInstance", cut)) expect(answer.grpc).toBeDefined();
    const lying = frame(start);
    lying.writeUInt32BE(0x7fffffff, 1);
    const short = frame(start).subarray(0, 9);
    for (const answer of await post("StartInstance", [lying, short, new Uint8Array(3), new Uint8Array(0)])) {
      expect(Number(answer.grpc)).toBeGreaterThan(0);
    }
    await stillWorks();
  });

  it("is refused wrong content types, methods and paths", async () => {
    for (const type of ["text/plain", "application/json5", "application/x-www-form-urlencoded"]) {
      expect((await post("Hello", [new Uint8Array(5)], type))[0]?.http).toBe(415);
    }
    expect((await post("NoSuchMethod", [new Uint8Array(5)]))[0]?.http).toBe(404);
    expect((await post("/nowhere", [new Uint8Array(5)]))[0]?.http).toBe(404);
    expect((await post("Hello", [new TextEncoder().encode('{"broken"')], "application/json"))[0]?.http).toBe(400);
  });

  it("is refused a body of 50 MB, on every protocol, without it being kept", { timeout: 60_000 }, async () => {
    await settled();
    const before = process.memoryUsage().arrayBuffers;
    const large = frame(new Uint8Array(50 * 1024 * 1024));
    for (const method of ["StartInstance", "CompleteOrchestratorTask", "RaiseEvent"]) {
      expect(Number((await post(method, [large]))[0]?.grpc), method).toBe(Code.ResourceExhausted);
    }
    expect((await post("RaiseEvent", [large.subarray(5)], "application/proto"))[0]?.http).toBe(429);
    await expect(client.scheduleNewOrchestration("sum", "x".repeat(50_000_000))).rejects.toMatchObject({
      code: "payload_too_large",
    });
    await stillWorks();
    await settled();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 * 1024 * 1024);
  });

  it("cannot answer for work that it does not have", async () => {
    const id = await client.scheduleNewOrchestration("wait");
    await client.waitForOrchestrationStart(id);
    const raw = createClient(daprService, transport);
    const forged = (token: string, instanceId = id): ReturnType<typeof orchestratorResponse> =>
      orchestratorResponse({
        instanceId,
        completionToken: token,
        actions: [completeOrchestrationAction(0, { status: OrchestrationStatus.COMPLETED, result: '"forged"' })],
      });
    for (const token of ["", "dapr:forged", "microsoft:forged", "x".repeat(10_000)]) {
      const error = await raw.completeOrchestratorTask(forged(token)).then(
        () => undefined,
        (reason: unknown) => ConnectError.from(reason),
      );
      expect(error?.code, token.slice(0, 20)).toBe(Code.NotFound);
      expect(error?.rawMessage).toBe(`unknown instance ID: ${id}`);
    }
    await expect(raw.completeActivityTask({ instanceId: id, taskId: 3 })).rejects.toThrow(
      `unknown instance ID/task ID combo: ${id}/3`,
    );
    await raw.abandonTaskOrchestratorWorkItem({ completionToken: "dapr:forged" });
    expect((await client.fetchOrchestrationMetadata(id)).runtimeStatus).toBe("RUNNING");
    await client.raiseEvent(id, "go", "on");
    expect((await client.waitForOrchestrationCompletion(id)).runtimeStatus).toBe("COMPLETED");
  });

  it("that is a worker fails the runs that it answers nonsense for, and no other", async () => {
    const raw = createClient(daprService, transport);
    const stop = new AbortController();
    const nonsense = [
      { id: 0, orchestratorActionType: { case: undefined } },
      { id: 0, orchestratorActionType: { case: "createTimer", value: {} } },
      { id: -5, orchestratorActionType: { case: "scheduleTask", value: { name: "x" } } },
      { id: 0, orchestratorActionType: { case: "scheduleTask", value: { name: "" } } },
      { id: 0, orchestratorActionType: { case: "sendEntityMessage", value: {} } },
      { id: 0, orchestratorActionType: { case: "rewindOrchestration", value: {} } },
      { id: 0, orchestratorActionType: { case: "createSubOrchestration", value: { name: "x".repeat(600) } } },
      { id: 0, orchestratorActionType: { case: "createTimer", value: { fireAt: { seconds: 999_999_999_999n } } } },
      { id: 0, orchestratorActionType: { case: "completeOrchestration", value: { orchestrationStatus: 6 } } },
    ] as const;
    const serving = (async () => {
      let next = 0;
      const request = { filters: { orchestrators: ["nonsense"] } };
      for await (const { request: item, completionToken } of raw.getWorkItems(request, { signal: stop.signal })) {
        if (item.case !== "orchestratorRequest") continue;
        const { instanceId } = item.value;
        const action = nonsense[next++ % nonsense.length];
        const response = create(OrchestratorResponseSchema, {
          instanceId,
          completionToken,
          actions: action === undefined ? [] : [action],
        } as never);
        await raw.completeOrchestratorTask(response);
      }
    })().catch(() => undefined);
    for (let run = 0; run < nonsense.length; run++) {
      const id = await client.scheduleNewOrchestration("nonsense");
      const ended = await client.waitForOrchestrationCompletion(id, { timeout: "10s" });
      expect(
        ended.runtimeStatus,
        JSON.stringify(nonsense[run], (_, v: unknown) => (typeof v === "bigint" ? `${v}` : v)),
      ).toBe("FAILED");
      expect(ended.failureDetails?.errorType).toBe("InvalidOrchestratorResponse");
    }
    await stillWorks();
    stop.abort();
    await serving;
  });

  it("may open and drop 10,000 streams", { timeout: 60_000 }, async () => {
    const request = frame(new Uint8Array(0));
    const path = "/TaskHubSidecarService/GetWorkItems";
    await settled();
    const before = process.memoryUsage().heapUsed;
    for (let round = 0; round < 20; round++) {
      const session = connectHttp2(`http://${hub.address}`);
      session.on("error", () => undefined);
      const opened = Array.from({ length: 500 }, () => {
        const stream = session.request({
          ":method": "POST",
          ":path": path,
          "content-type": "application/grpc",
          te: "trailers",
        });
        stream.on("error", () => undefined);
        stream.end(request);
        return stream;
      });
      if (round % 2 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      for (const stream of opened) stream.close(constants.NGHTTP2_CANCEL);
      session.destroy();
    }
    await stillWorks();
    await settled();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(150 * 1024 * 1024);
  });
});
