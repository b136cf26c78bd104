/** The Worker of `edge-worker/` in a workerd of its own, and our client and worker at the other end of a transport to it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import type { ClientSetup } from "../../../src/testing/index.ts";
import { type RunningWorker, startWorker } from "../../e2e/support/miniflare.ts";
import { farHub } from "./remote-setup.ts";

/** What workerd can serve: no native gRPC. */
export const EDGE_TRANSPORTS: Readonly<Record<string, (baseUrl: string, hub: string) => Transport>> = {
  connect: (baseUrl, hub) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true, interceptors: [toHub(hub)] }),
  "connect+json": (baseUrl, hub) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false, interceptors: [toHub(hub)] }),
  "grpc-web": (baseUrl, hub) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1", interceptors: [toHub(hub)] }),
};

type Interceptor = NonNullable<Parameters<typeof createConnectTransport>[0]["interceptors"]>[number];

function toHub(hub: string): Interceptor {
  return (next) => (request) => {
    request.header.set("taskhub", hub);
    return next(request);
  };
}

/** A running edge Worker. */
export interface EdgeWorker extends RunningWorker {
  readonly folder: string;
}

/** Starts it, on new storage or on what another one has left. */
export async function startEdgeWorker(folder = mkdtempSync(join(tmpdir(), "perdura-edge-"))): Promise<EdgeWorker> {
  const worker = await startWorker({
    entry: "test/protocol/edge-worker/index.ts",
    persist: folder,
    durableObjects: {
      ORCHESTRATIONS: "OrchestrationObject",
      HUB_INDEX: "HubIndexObject",
      DISPATCHER: "DispatcherObject",
      CONTRACT: "ContractObject",
      CONTRACT_DISPATCHER: "ContractDispatcherObject",
    },
  });
  return { ...worker, folder };
}

/** Deletes its storage. */
export function deleteStorage({ folder }: EdgeWorker): void {
  rmSync(folder, { recursive: true, force: true });
}

/** The contract suite's surroundings: each hub is another one of the same Worker. */
export function edgeSetup(
  edge: () => EdgeWorker,
  newTransport: (baseUrl: string, hub: string) => Transport,
): ClientSetup {
  let hubs = 0;
  return {
    time: "real",
    canFailUnregistered: false,
    openHub: ({ cache }) => farHub(newTransport(edge().url, `contract-${++hubs}`), cache),
  };
}
