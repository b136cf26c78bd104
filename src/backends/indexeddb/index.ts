/** Durable orchestrations in the browser: see docs/browser.md for what is promised and what no browser can promise. */
export {
  handlePush,
  handleSync,
  type PushEventLike,
  requestBackgroundSync,
  runTaskHubSlice,
  type SliceResult,
  type SyncEventLike,
} from "./background.ts";
export { type BlobRef, type HubBlobs, MemoryBlobs } from "./blobs.ts";
export { BrowserTaskHub } from "./browser-task-hub.ts";
export { type ConnectTaskHubOptions, connectTaskHub, type EngineWorker } from "./connect-task-hub.ts";
export type { DurabilityOptions } from "./durability.ts";
export { type HostEnvironment, hostEnvironment, type WakeReason } from "./environment.ts";
export type { HostCapabilities, HostKind } from "./host-capabilities.ts";
export { type HubEvent, type HubEventOf, HubEvents } from "./hub-events.ts";
export type { HubSurroundings, OpenTaskHubOptions } from "./hub-options.ts";
export type { HubStatus } from "./hub-status.ts";
export type { InstanceCounts } from "./instance-counts.ts";
export { openTaskHub, type TaskHub } from "./open-indexeddb-task-hub.ts";
export { type Persistence, requestPersistence, type StorageEstimateBytes } from "./persistence.ts";
export type { RetentionOptions } from "./retention.ts";
export { databaseName, MIGRATIONS, type Migration } from "./schema.ts";
export { serveTaskHub } from "./serve-task-hub.ts";
export type { RunnerInfo } from "./signals.ts";
