export { backendContract } from "./contract/backend-contract.ts";
export { clientContract } from "./contract/client-contract.ts";
export { type ContractRegistryOptions, contractRegistry, lateReferences } from "./contract/contract-registry.ts";
export { type ContractRecorder, MemoryRecorder } from "./contract/recorder.ts";
export type { ContractRunner } from "./contract/runner.ts";
export {
  type CacheWay,
  type ClientSetup,
  CONTRACT_MAX_PAYLOAD_BYTES,
  type ContractBackend,
  type ContractHub,
  type ContractHubOptions,
  type ContractSetup,
} from "./contract/setup.ts";
export { ActivityDouble, type ActivityRun } from "./test-hub/activity-double.ts";
export { type CrashPoint, HostCrashedError } from "./test-hub/crash.ts";
export { createTestHub, TestHub, type TestHubOptions } from "./test-hub/test-hub.ts";
export type { TestWaiting } from "./test-hub/waiting.ts";
export { type RunLimits, VirtualClock, type VirtualClockOptions } from "./virtual-clock.ts";
