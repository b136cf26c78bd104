import type { DatabaseSync } from "node:sqlite";
import { StorageError } from "../../core/errors.ts";

interface Job {
  readonly run: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Writes of the same moment share one transaction, since it is the wait for the disk that costs. Each is a savepoint of its
 * own: one that throws is undone alone. A write's promise settles when the whole is on disk.
 */
export class WriteBatch {
  readonly #database: DatabaseSync;
  #jobs: Job[] = [];

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Runs it in the next transaction. @throws what it throws, or {@link StorageError} when the transaction fails. */
  add<T>(run: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#jobs.push({ run, resolve: resolve as (value: unknown) => void, reject });
      if (this.#jobs.length === 1) setImmediate(() => this.flush());
    });
  }

  /** Runs what is waiting, now. */
  flush(): void {
    const jobs = this.#jobs;
    this.#jobs = [];
    if (jobs.length === 0) return;
    const settle: (() => void)[] = [];
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      for (const job of jobs) settle.push(this.#attempt(job));
      this.#database.exec("COMMIT");
    } catch (cause) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      const error = new StorageError(`the write failed, nothing was stored: ${(cause as Error).message}`, { cause });
      for (const { reject } of jobs) reject(error);
      return;
    }
    for (const tell of settle) tell();
  }

  #attempt({ run, resolve, reject }: Job): () => void {
    this.#database.exec("SAVEPOINT job");
    try {
      const value = run();
      this.#database.exec("RELEASE job");
      return () => resolve(value);
    } catch (error) {
      this.#database.exec("ROLLBACK TO job; RELEASE job");
      return () => reject(error);
    }
  }
}
