export {
  openSqliteBackend,
  openSqliteTaskHub,
  type SqliteBackend,
  type SqliteOptions,
  sqlitePorts,
} from "./open-sqlite-task-hub.ts";
export { SqliteOwnership } from "./ownership.ts";
export { SqliteStore } from "./store.ts";
