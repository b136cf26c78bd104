import type { DatabaseSync } from "node:sqlite";

/** Version of the tables; kept as SQLite's own `user_version`. */
export const SCHEMA_VERSION = 1;

const TABLES: readonly string[] = [
  `CREATE TABLE instances (
     instance_id TEXT PRIMARY KEY,
     incarnation TEXT NOT NULL,
     record BLOB NOT NULL,
     summary TEXT NOT NULL,
     created_at REAL NOT NULL,
     unfinished INTEGER NOT NULL,
     wake_at REAL
   ) WITHOUT ROWID`,
  "CREATE INDEX instances_by_creation ON instances (created_at, instance_id)",
  "CREATE INDEX instances_by_wake ON instances (wake_at) WHERE wake_at IS NOT NULL",
  "CREATE INDEX instances_unfinished ON instances (instance_id) WHERE unfinished",
  `CREATE TABLE history (
     instance_id TEXT NOT NULL, segment INTEGER NOT NULL, bytes BLOB NOT NULL,
     PRIMARY KEY (instance_id, segment)
   ) WITHOUT ROWID`,
  // Box 0 is the inbox, box 1 the outbox.
  `CREATE TABLE messages (
     instance_id TEXT NOT NULL, box INTEGER NOT NULL, seq INTEGER NOT NULL, item_key TEXT, bytes BLOB NOT NULL,
     PRIMARY KEY (instance_id, box, seq)
   ) WITHOUT ROWID`,
  "CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
];

/** Names of all tables. */
export const TABLE_NAMES: readonly string[] = ["instances", "history", "messages", "meta"];

/** Creates the tables where there are none, and returns the version that is there. */
export function ensureSchema(database: DatabaseSync): number {
  const { user_version: version } = database.prepare("PRAGMA user_version").get() as { user_version: number };
  if (version !== 0) return version;
  database.exec("BEGIN IMMEDIATE");
  for (const table of TABLES) database.exec(table);
  database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  database.exec("COMMIT");
  return SCHEMA_VERSION;
}
