export {
  type MemoryEnvironment,
  memoryPorts,
  newMemoryBackend,
  openMemoryTaskHub,
} from "./open-memory-task-hub.ts";
export { MemoryOwnership } from "./ownership.ts";
export { LocalRouter } from "./router.ts";
export { TimerScheduler } from "./scheduler.ts";
export { MemorySignals } from "./signals.ts";
export { MemoryStore } from "./store.ts";
