/**
 * The tables of an object. Few fat rows: rows written are what an object costs, so there are few tables (each costs two rows
 * in every new object), each keeps its rows in its primary key (no hidden rowid index), and there is no secondary index. `part` numbers the pieces of a value that is too large for
 * one row.
 */
const TABLES: readonly string[] = [
  `CREATE TABLE instances (
     instance_id TEXT PRIMARY KEY,
     incarnation TEXT NOT NULL,
     record BLOB NOT NULL,
     unfinished INTEGER NOT NULL,
     wake_at REAL
   ) WITHOUT ROWID`,
  // Segment -1 is not history: it holds a record that is too large for its row.
  `CREATE TABLE history (
     instance_id TEXT NOT NULL, segment INTEGER NOT NULL, part INTEGER NOT NULL, bytes BLOB NOT NULL,
     PRIMARY KEY (instance_id, segment, part)
   ) WITHOUT ROWID`,
  // Box 0 is the inbox, box 1 the outbox.
  `CREATE TABLE messages (
     instance_id TEXT NOT NULL, box INTEGER NOT NULL, seq INTEGER NOT NULL, part INTEGER NOT NULL, item_key TEXT,
     visible_at REAL, bytes BLOB NOT NULL, PRIMARY KEY (instance_id, box, seq, part)
   ) WITHOUT ROWID`,
  "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
];

/** Are the tables there? An object that was only asked about, and never written to, has none and costs nothing. */
export function hasSchema(sql: SqlStorage): boolean {
  return sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'meta'").toArray().length > 0;
}

/** Removes the tables: an object that keeps nothing costs nothing. */
export function dropSchema(sql: SqlStorage): void {
  for (const table of ["instances", "history", "messages", "meta"]) sql.exec(`DROP TABLE ${table}`);
}

/** Creates the tables. */
export function createSchema(sql: SqlStorage): void {
  for (const table of TABLES) sql.exec(table);
}
