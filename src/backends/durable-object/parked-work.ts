import type { WorkSort } from "../../connect/server/worker-stream.ts";

/**
 * Who has work that found no worker, so that the worker that comes for it wakes them at once. It is a hint, kept on disk since
 * workers may come much later: whoever is not woken looks again by itself.
 */
export class ParkedWork {
  readonly #sql: SqlStorage;
  readonly #transaction: (run: () => void) => void;
  #hasTable = false;

  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql;
    this.#transaction = (run) => storage.transactionSync(run);
    this.#hasTable = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'parked'").toArray().length > 0;
  }

  /** Notes that an object has such work. */
  note(sender: string, order: WorkSort): void {
    if (!this.#hasTable) {
      this.#sql.exec("CREATE TABLE parked (work TEXT, sender TEXT, PRIMARY KEY (work, sender)) WITHOUT ROWID");
      this.#hasTable = true;
    }
    const { kind, name, version, dialect } = order;
    const work = JSON.stringify({ kind, name, version, dialect });
    this.#sql.exec("INSERT OR IGNORE INTO parked (work, sender) VALUES (?, ?)", work, sender);
  }

  /** The objects with work that is now taken; they are forgotten. */
  take(isTaken: (order: WorkSort) => boolean): string[] {
    const senders = new Set<string>();
    if (!this.#hasTable) return [];
    this.#transaction(() => {
      for (const { work } of this.#sql.exec<{ work: string }>("SELECT DISTINCT work FROM parked").toArray()) {
        if (!isTaken(JSON.parse(work) as WorkSort)) continue;
        for (const { sender } of this.#sql.exec<{ sender: string }>("SELECT sender FROM parked WHERE work = ?", work)) {
          senders.add(sender);
        }
        this.#sql.exec("DELETE FROM parked WHERE work = ?", work);
      }
    });
    return [...senders];
  }
}
