/** The contract suite's surroundings over a served hub: our client, and our worker, at the other end of a transport. */
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import {
  createConnectTaskHubClient,
  createRemoteTaskHubWorker,
  type RemoteTaskHubWorker,
} from "../../../src/connect/index.ts";
import { type HttpListener, listenGrpc } from "../../../src/connect/node/index.ts";
import { silentLogger } from "../../../src/core/hub/logger.ts";
import {
  type ClientSetup,
  CONTRACT_MAX_PAYLOAD_BYTES,
  type ContractHub,
  type ContractHubOptions,
  contractRegistry,
  lateReferences,
  MemoryRecorder,
} from "../../../src/testing/index.ts";
import { openExecutorHub } from "./executor-hub.ts";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The transports of Node, by name. */
export const TRANSPORTS: Readonly<Record<string, (baseUrl: string) => Transport>> = {
  grpc: (baseUrl) => createGrpcTransport({ baseUrl }),
  "grpc-web": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
  connect: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true }),
  "connect over HTTP/1.1": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
  "connect+json": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: false }),
};

/** A setup whose hubs are reached through that transport. */
export function remoteSetup(newTransport: (baseUrl: string) => Transport): ClientSetup {
  return {
    time: "real",
    canFailUnregistered: false,
    async openHub({ cache }: ContractHubOptions): Promise<ContractHub> {
      const limits = { maxPayloadBytes: CONTRACT_MAX_PAYLOAD_BYTES };
      // Unregistered names are parked soon, as in a hub of its own.
      const { remote, close } = await openExecutorHub({ patienceMs: 100 }, limits);
      const server: HttpListener = await listenGrpc(remote.routes, { host: "127.0.0.1", port: 0 }, silentLogger());
      return farHub(newTransport(`http://127.0.0.1:${server.address.port}`), cache, {
        isServed: () => remote.workers > 0,
        isFree: () => remote.workers === 0,
        async close() {
          await close();
          await server.close(200);
        },
      });
    },
  };
}

/** What the far end of a transport tells of itself, and how it ends. */
export interface FarEnd {
  /** Whether the worker's stream has arrived there; absent: its own word is taken for it. */
  isServed?(): boolean;
  /** Whether its stream has ended there; absent: nobody can say. */
  isFree?(): boolean;
  close?(): Promise<void>;
}

/** A contract hub at the far end of a transport, with all of its code in a worker at this one. */
export async function farHub(
  transport: Transport,
  cache: ContractHubOptions["cache"],
  far: FarEnd = {},
): Promise<ContractHub> {
  const recorder = new MemoryRecorder();
  const code = { recorder, sleep };
  const registry = contractRegistry(code);
  const newWorker = async (): Promise<RemoteTaskHubWorker> => {
    const worker = createRemoteTaskHubWorker(transport, registry, {
      maxPayloadBytes: CONTRACT_MAX_PAYLOAD_BYTES,
      logger: silentLogger(),
      cacheSize: cache === "kept" ? 1000 : 0,
      firstRetryMs: 50,
    });
    worker.start();
    while (!(far.isServed?.() ?? worker.isConnected)) await sleep(5);
    return worker;
  };
  let worker = await newWorker();
  return {
    client: createConnectTaskHubClient(transport),
    recorder,
    after: sleep,
    until: (promise) => promise,
    addLateCode: async () => {
      registry.add(...lateReferences(code));
    },
    reopen: async () => {
      await worker.stop();
      while (far.isFree?.() === false) await sleep(5);
      worker = await newWorker();
    },
    async close() {
      await worker.stop();
      await far.close?.();
    },
  };
}
