/** The contract suite's surroundings over IndexedDB, in the browser that runs the test. Real time, real storage. */
import {
  BrowserTaskHub,
  databaseName,
  type OpenTaskHubOptions,
  openTaskHub,
  type TaskHub,
} from "../../../src/backends/indexeddb/index.ts";
import { silentLogger, TaskRegistry } from "../../../src/core/index.ts";
import {
  CONTRACT_MAX_PAYLOAD_BYTES,
  type ContractBackend,
  type ContractHub,
  type ContractHubOptions,
  type ContractSetup,
  contractRegistry,
  lateReferences,
  MemoryRecorder,
} from "../../../src/testing/index.ts";

let counter = 0;

/** A hub name that no other test uses. */
export function newHubName(): string {
  return `test-${Date.now().toString(36)}-${++counter}`;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Deletes a hub's database. It may be blocked for a moment while connections close. */
export function deleteDatabase(hub: string): Promise<void> {
  return new Promise((resolve, reject) => {
    localStorage.removeItem(databaseName(hub));
    const request = indexedDB.deleteDatabase(databaseName(hub));
    request.onsuccess = () => resolve();
    request.onerror = () => reject(request.error);
  });
}

function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`nothing came within ${ms} ms`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

export const indexedDbSetup: ContractSetup = {
  time: "real",

  async openHub({ cache, unregistered = "park" }: ContractHubOptions): Promise<ContractHub> {
    const recorder = new MemoryRecorder();
    const code = { recorder, sleep };
    const registry = contractRegistry(code);
    const options: OpenTaskHubOptions = {
      name: newHubName(),
      registry,
      unregistered,
      cacheSize: cache === "kept" ? 1000 : 0,
      logger: silentLogger(),
      maxPayloadBytes: CONTRACT_MAX_PAYLOAD_BYTES,
      durability: { accept: "relaxed" },
    };
    let hub: TaskHub = await openTaskHub(options);
    return {
      get client() {
        return hub.client;
      },
      recorder,
      after: sleep,
      until: (promise) => within(promise, 20_000),
      addLateCode: async () => {
        registry.add(...lateReferences(code));
      },
      reopen: async () => {
        await hub.close();
        hub = await openTaskHub(options);
      },
      close: async () => {
        await hub.close();
        await deleteDatabase(options.name);
      },
    };
  },

  async openBackend(): Promise<ContractBackend> {
    const name = newHubName();
    const hub = new BrowserTaskHub({
      name,
      registry: new TaskRegistry(),
      logger: silentLogger(),
      maxPayloadBytes: CONTRACT_MAX_PAYLOAD_BYTES,
      durability: { accept: "relaxed" },
    });
    return {
      backend: hub.backend,
      after: sleep,
      now: () => Date.now(),
      close: async () => {
        await hub.close();
        await deleteDatabase(name);
      },
    };
  },
};
