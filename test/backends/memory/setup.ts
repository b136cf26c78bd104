/** The contract suite's surroundings over the memory backend, under a virtual clock. */
import {
  type MemoryEnvironment,
  MemoryStore,
  newMemoryBackend,
  openMemoryTaskHub,
} from "../../../src/backends/memory/index.ts";
import type { InProcessHub } from "../../../src/core/hub/in-process-hub.ts";
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
  VirtualClock,
} from "../../../src/testing/index.ts";

export const memorySetup: ContractSetup = {
  time: "virtual",

  async openHub({ cache, unregistered = "park" }: ContractHubOptions): Promise<ContractHub> {
    const clock = new VirtualClock();
    const recorder = new MemoryRecorder();
    const code = { recorder, sleep: clock.sleep };
    const registry = contractRegistry(code);
    const environment: MemoryEnvironment = { store: new MemoryStore(), clock, timers: clock, settle: clock.settle };
    const options = {
      registry,
      unregistered,
      cacheSize: cache === "kept" ? 1000 : 0,
      logger: silentLogger(),
      maxPayloadBytes: CONTRACT_MAX_PAYLOAD_BYTES,
    };
    let hub: InProcessHub = await openMemoryTaskHub(options, environment);
    return {
      get client() {
        return hub.client;
      },
      recorder,
      after: (ms) => clock.advance(ms),
      until: (promise) => clock.runUntil(promise),
      addLateCode: async () => {
        registry.add(...lateReferences(code));
      },
      reopen: async () => {
        await hub.close();
        hub = await openMemoryTaskHub(options, environment);
      },
      close: () => hub.close(),
    };
  },

  async openBackend(): Promise<ContractBackend> {
    const clock = new VirtualClock();
    const environment = { clock, timers: clock, settle: clock.settle };
    const backend = newMemoryBackend(environment, {
      logger: silentLogger(),
      maxPayloadBytes: CONTRACT_MAX_PAYLOAD_BYTES,
    });
    return { backend, after: (ms) => clock.advance(ms), now: () => clock.now(), close: () => backend.stop() };
  },
};
