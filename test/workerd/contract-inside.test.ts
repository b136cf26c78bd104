/** The whole contract suite over the Durable Object ports, many instances in one object, from inside that object. */
import { env, runInDurableObject } from "cloudflare:test";
import { describe, it } from "vitest";
import { type ObjectPorts, objectPorts } from "../../src/backends/durable-object/object-ports.ts";
import { LocalRouter } from "../../src/backends/memory/index.ts";
import { type InProcessHub, newInProcessHub, Partition, silentLogger } from "../../src/core/index.ts";
import {
  backendContract,
  CONTRACT_MAX_PAYLOAD_BYTES,
  type ContractSetup,
  contractRegistry,
  lateReferences,
  MemoryRecorder,
} from "../../src/testing/index.ts";

const { BARE } = env as unknown as { readonly BARE: DurableObjectNamespace };

/** The storage of the object that the running test is inside of: I/O of one object cannot be done from another. */
let storage: DurableObjectStorage | undefined;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function newPartition(): { readonly partition: Partition; readonly object: ObjectPorts } {
  if (storage === undefined) throw new Error("no test is running inside an object");
  const object = objectPorts(storage, { router: new LocalRouter(), isImplicitHub: false });
  const logger = silentLogger();
  const partition = new Partition(object.ports, {
    logger,
    maxPayloadBytes: CONTRACT_MAX_PAYLOAD_BYTES,
    maxLiveInstances: 1000,
    maxDeaths: 5,
  });
  return { partition, object };
}

const insideSetup: ContractSetup = {
  time: "real",
  async openHub({ cache, unregistered = "park" }) {
    const recorder = new MemoryRecorder();
    const code = { recorder, sleep };
    const registry = contractRegistry(code);
    const open = async (): Promise<InProcessHub> => {
      const { partition, object } = newPartition();
      const options = {
        registry,
        unregistered,
        cacheSize: cache === "kept" ? 1000 : 0,
        logger: silentLogger(),
        maxPayloadBytes: CONTRACT_MAX_PAYLOAD_BYTES,
      };
      const { settle } = object.ports;
      const opened = newInProcessHub(partition, options, { settle, now: Date.now, newUuid: () => crypto.randomUUID() });
      await opened.worker.start();
      return opened;
    };
    let hub = await open();
    return {
      get client() {
        return hub.client;
      },
      recorder,
      after: sleep,
      until: (promise) => promise,
      addLateCode: async () => {
        registry.add(...lateReferences(code));
      },
      reopen: async () => {
        await hub.close();
        hub = await open();
      },
      close: () => hub.close(),
    };
  },
  async openBackend() {
    const { partition } = newPartition();
    return { backend: partition, after: sleep, now: Date.now, close: () => partition.stop() };
  },
};

describe("the Durable Object ports, inside an object", () => {
  const inObject = (name: string, body: () => Promise<void>): void => {
    it(name, async () => {
      await runInDurableObject(BARE.get(BARE.newUniqueId()), async (_object, state) => {
        storage = state.storage;
        await body();
      });
    });
  };
  backendContract({ describe, it: inObject }, insideSetup);
});
