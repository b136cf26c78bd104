/** The contract suite's surroundings over a database on disk, in real time. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteBackend, openSqliteTaskHub } from "../../../src/backends/sqlite/index.ts";
import { silentLogger } from "../../../src/core/hub/logger.ts";
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

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const newFolder = (): string => mkdtempSync(join(tmpdir(), "perdura-sqlite-"));

export const sqliteSetup: ContractSetup = {
  time: "real",

  async openHub({ cache, unregistered = "park" }: ContractHubOptions): Promise<ContractHub> {
    const folder = newFolder();
    const recorder = new MemoryRecorder();
    const code = { recorder, sleep };
    const registry = contractRegistry(code);
    const options = {
      registry,
      unregistered,
      cacheSize: cache === "kept" ? 1000 : 0,
      logger: silentLogger(),
      maxPayloadBytes: CONTRACT_MAX_PAYLOAD_BYTES,
    };
    let hub = await openSqliteTaskHub(options, { folder });
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
        hub = await openSqliteTaskHub(options, { folder });
      },
      async close() {
        await hub.close();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },

  async openBackend(): Promise<ContractBackend> {
    const folder = newFolder();
    const { backend, close } = openSqliteBackend({
      folder,
      logger: silentLogger(),
      maxPayloadBytes: CONTRACT_MAX_PAYLOAD_BYTES,
    });
    return {
      backend,
      after: sleep,
      now: Date.now,
      async close() {
        await backend.stop();
        close();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
};
