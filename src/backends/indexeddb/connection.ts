import { type IDBPDatabase, type IDBPTransaction, openDB, type StoreNames, unwrap } from "idb";
import {
  StorageBlockedError,
  StorageError,
  StorageLostError,
  StorageNewerSchemaError,
  StorageUnavailableError,
} from "../../core/errors.ts";
import { randomIds } from "../../core/partition/host.ts";
import type { HubEvents } from "./hub-events.ts";
import { type HubRecord, type HubSchema, MIGRATIONS, type Migration } from "./schema.ts";
import { openTrouble, type Trouble, transactionTrouble } from "./storage-trouble.ts";

/** Waits before the database is opened anew, in ms: as many as there are tries. */
const BACKOFF_MS: readonly number[] = [20, 200, 1000];

/** How long the transactions of a handle that the browser closed are waited for, in ms. */
const STUCK_MS = 250;

/** The stores of a hub's database. */
export type StoreName = StoreNames<HubSchema>;

/** A transaction of a hub's database. */
export type HubTransaction<Mode extends IDBTransactionMode> = IDBPTransaction<HubSchema, StoreName[], Mode>;

/** How a connection is made. */
export interface ConnectionOptions {
  readonly name: string;
  readonly events: HubEvents;
  /** How long an open may take, in ms, blocked time included. Default 10 seconds. */
  readonly openTimeoutMs?: number;
  /** Default {@link MIGRATIONS}. */
  readonly migrations?: readonly Migration[];
}

/** What several requests for the same open have in common. */
interface OpenAttempt {
  /** The browser tells only the first of them. */
  isBlocked: boolean;
  /** Epoch ms by which it must be open. */
  readonly endMs: number;
}

/**
 * The one connection of a context to its hub's database. It opens when it is first needed, and heals: a handle that broke is
 * dropped, and what failed with it is done again over a new one, at most three times.
 */
export class Connection {
  readonly name: string;
  readonly #options: ConnectionOptions;
  #opening: Promise<IDBPDatabase<HubSchema>> | undefined;
  #database: IDBPDatabase<HubSchema> | undefined;
  /** Why there will be no connection any more. */
  #closed: StorageError | undefined;
  #databaseId: string | undefined;
  /** Uses of a handle that have not ended. */
  readonly #inFlight = new Set<{
    readonly database: IDBPDatabase<HubSchema>;
    readonly reject: (reason: unknown) => void;
  }>();
  readonly #onLost = new Set<() => void>();
  readonly #onClosed = new Set<() => void>();
  readonly #onHealed = new Set<() => void>();
  /** How often a broken connection was replaced. */
  reopened = 0;

  constructor(options: ConnectionOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Identifies the database, once it was opened. */
  get databaseId(): string | undefined {
    return this.#databaseId;
  }

  /** Calls the listener when the database turns out to be another one than before. */
  onLost(listener: () => void): void {
    this.#onLost.add(listener);
  }

  /** Calls the listener when a broken connection was replaced: what was in flight may have been stored without a word. */
  onHealed(listener: () => void): void {
    this.#onHealed.add(listener);
  }

  /** Calls the listener when the connection was closed for good by somebody else. */
  onClosed(listener: () => void): void {
    this.#onClosed.add(listener);
  }

  /** Opens the database, if it is not open. @throws {@link StorageError}, by kind. */
  async open(): Promise<void> {
    await this.#handle();
  }

  /** Drops the handle; the next use opens a new one. For a page that goes to sleep. */
  suspend(): void {
    this.#drop();
  }

  /** Closes for good. */
  close(reason: StorageError = new StorageError(`the database '${this.name}' was closed`)): void {
    this.#closed ??= reason;
    this.#drop();
  }

  /** Reads. The body awaits nothing but requests of the transaction. */
  read<T>(stores: readonly StoreName[], body: (transaction: HubTransaction<"readonly">) => Promise<T>): Promise<T> {
    return this.#healing(async (database) => {
      const transaction = database.transaction([...stores], "readonly");
      const [result] = await Promise.all([body(transaction), transaction.done]);
      return result;
    });
  }

  /**
   * Writes; resolves when the transaction is complete. What the body returns is called then, to collect the results of its
   * requests. When anything fails, nothing of it is stored.
   */
  write<T>(
    stores: readonly StoreName[],
    durability: IDBTransactionDurability,
    body: (transaction: IDBTransaction) => Promise<() => T>,
  ): Promise<T> {
    return this.#healing(async (database) => {
      // Without the wrapper, whose proxies and promises take a third of the time of a small transaction.
      const transaction = unwrap(database).transaction([...stores], "readwrite", { durability });
      const done = completion(transaction);
      let collect: () => T;
      try {
        collect = await body(transaction);
        transaction.commit();
      } catch (error) {
        throw await abort(transaction, done, error);
      }
      await done;
      return collect();
    });
  }

  async #healing<T>(use: (database: IDBPDatabase<HubSchema>) => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      const database = await this.#handle();
      try {
        return await this.#watched(database, use);
      } catch (cause) {
        const { error, reopen } = transactionTrouble(this.name, cause);
        if (this.#closed !== undefined) throw this.#closed;
        const backoff = BACKOFF_MS[tries];
        if (!reopen || backoff === undefined) throw error;
        this.#drop(database);
        await pause(backoff);
        await this.#heal(cause);
      }
    }
  }

  /** Like `use`, but ends when the browser has closed the handle: its transactions may then never say how they ended. */
  #watched<T>(database: IDBPDatabase<HubSchema>, use: (database: IDBPDatabase<HubSchema>) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const entry = { database, reject };
      this.#inFlight.add(entry);
      use(database).then(
        (result) => {
          this.#inFlight.delete(entry);
          resolve(result);
        },
        (error: unknown) => {
          this.#inFlight.delete(entry);
          reject(error);
        },
      );
    });
  }

  async #heal(cause: unknown): Promise<void> {
    const isFirst = this.#opening === undefined;
    await this.#handle();
    if (!isFirst) return;
    this.reopened++;
    this.#options.events.emit({ type: "healed", reopened: this.reopened, cause });
    for (const listener of [...this.#onHealed]) listener();
  }

  /** Lets go of the handle (of that one, when it is given). */
  #drop(only?: IDBPDatabase<HubSchema>): void {
    if (only !== undefined && this.#database !== only) return;
    this.#database?.close();
    this.#database = undefined;
    this.#opening = undefined;
  }

  #handle(): Promise<IDBPDatabase<HubSchema>> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    // Set before anything is awaited: one open at a time, whoever asks.
    if (this.#opening === undefined) {
      const opening = this.#openWithRetry();
      this.#opening = opening;
      opening.then(
        (database) => {
          if (this.#opening === opening) this.#database = database;
          else database.close();
        },
        (error: unknown) => {
          if (this.#opening === opening) this.#opening = undefined;
          // While nothing was open here, a newer page had its way: this one gives way too, however late it learns of it.
          if (error instanceof StorageNewerSchemaError && this.#databaseId !== undefined) this.#giveWay(error);
        },
      );
    }
    return this.#opening;
  }

  async #openWithRetry(): Promise<IDBPDatabase<HubSchema>> {
    const attempt: OpenAttempt = { isBlocked: false, endMs: Date.now() + (this.#options.openTimeoutMs ?? 10_000) };
    for (let tries = 0; ; tries++) {
      try {
        return await this.#openOnce(attempt, tries === 0);
      } catch (cause) {
        const { error, reopen }: Trouble = openTrouble(this.name, cause);
        const backoff = BACKOFF_MS[tries];
        if (!reopen || backoff === undefined || this.#closed !== undefined) throw error;
        await pause(backoff);
      }
    }
  }

  async #openOnce(attempt: OpenAttempt, isFirst: boolean): Promise<IDBPDatabase<HubSchema>> {
    if (typeof indexedDB === "undefined") throw new StorageUnavailableError("this host has no IndexedDB");
    const { name } = this;
    const { events, migrations = MIGRATIONS } = this.#options;
    const opened = openDB<HubSchema>(name, migrations.length, {
      upgrade(database, oldVersion, _newVersion, transaction) {
        for (const migrate of migrations.slice(oldVersion)) migrate(database);
        if (oldVersion > 0) return;
        const hub: HubRecord = { databaseId: randomIds.uuid(), epoch: 0, exists: false };
        void transaction.objectStore("meta").put(hub, "hub");
      },
      blocked: () => {
        attempt.isBlocked = true;
        events.emit({ type: "blocked", error: new StorageBlockedError(name) });
      },
      blocking: (_current, blockedVersion) => this.#makeWay(blockedVersion),
      terminated: () => void opened.then((database) => this.#terminated(database)),
    });
    const database = await this.#inTime(opened, attempt, isFirst);
    try {
      await this.#identify(database);
      return database;
    } catch (error) {
      // Left open it would stand in the way of upgrades for as long as the page lives.
      database.close();
      throw error;
    }
  }

  /**
   * Waits for an open request, never for ever. Browsers have been seen to forget the first one: when half of the time has
   * passed without any answer, another one is made.
   */
  async #inTime(
    opened: Promise<IDBPDatabase<HubSchema>>,
    attempt: OpenAttempt,
    isFirst: boolean,
  ): Promise<IDBPDatabase<HubSchema>> {
    const { name } = this;
    const { openTimeoutMs = 10_000 } = this.#options;
    let isLate = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    // An open that comes after its time must not stand in the way of others.
    opened.then((database) => isLate && database.close()).catch(() => undefined);
    const late = new Promise<never>((_resolve, reject) => {
      const giveUp = (): void => {
        isLate = true;
        const message = `the database '${name}' did not open within ${openTimeoutMs} ms: reload the page`;
        reject(attempt.isBlocked ? new StorageBlockedError(name) : new StorageError(message));
      };
      const leftMs = Math.max(0, attempt.endMs - Date.now());
      if (!isFirst) timer = setTimeout(giveUp, leftMs);
      else {
        timer = setTimeout(() => {
          if (attempt.isBlocked) {
            timer = setTimeout(giveUp, leftMs / 2);
            return;
          }
          isLate = true;
          reject(new DOMException("no answer to the first request", "TimeoutError"));
        }, leftMs / 2);
      }
    });
    try {
      return await Promise.race([opened, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Is this the database that was here before? */
  async #identify(database: IDBPDatabase<HubSchema>): Promise<void> {
    const hub = (await database.get("meta", "hub")) as HubRecord | undefined;
    const before = this.#databaseId;
    this.#databaseId = hub?.databaseId;
    if (before === undefined || before === hub?.databaseId) return;
    const error = new StorageLostError(this.name, "it is another database than before");
    this.#options.events.emit({ type: "lost", error });
    for (const listener of [...this.#onLost]) listener();
  }

  /** Another context wants to upgrade the database, or to delete it. */
  #makeWay(blockedVersion: number | null): void {
    const error =
      blockedVersion === null
        ? new StorageLostError(this.name, "it is being deleted")
        : new StorageNewerSchemaError(this.name);
    this.#giveWay(error);
  }

  #giveWay(error: StorageError): void {
    if (this.#closed !== undefined) return;
    this.close(error);
    this.#options.events.emit({ type: "closed", error });
    for (const listener of [...this.#onClosed]) listener();
  }

  /** The browser closed the connection: site data was cleared, or the store behind it failed. */
  #terminated(database: IDBPDatabase<HubSchema>): void {
    const cause = new DOMException("the browser closed the connection", "AbortError");
    // Those that do end tell better what became of them.
    const stuck = [...this.#inFlight].filter((entry) => entry.database === database);
    void pause(STUCK_MS).then(() => {
      for (const { reject } of stuck) reject(cause);
    });
    this.#drop(database);
    if (this.#closed !== undefined) return;
    void this.#heal(cause).catch((error: unknown) => {
      if (this.#closed === undefined)
        this.#options.events.emit({ type: "lost", error: asStorageError(error, this.name) });
    });
  }
}

/** Resolves on `complete`, and on nothing else: a request's success says nothing yet. Rejects on `abort`, whose reason may be null. */
function completion(transaction: IDBTransaction): Promise<void> {
  const done = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () =>
      reject(transaction.error ?? new DOMException("the transaction was aborted", "AbortError"));
  });
  // Waited for in any case, but perhaps not before it rejects.
  done.catch(() => undefined);
  return done;
}

/** Ends a transaction whose body failed. Gives the engine's reason where the engine is what failed. */
async function abort(transaction: IDBTransaction, done: Promise<void>, error: unknown): Promise<unknown> {
  let isOurs = true;
  try {
    transaction.abort();
  } catch {
    isOurs = false;
  }
  const reason = await done.catch((cause: unknown) => cause);
  return isOurs || !(error instanceof DOMException) ? error : (reason ?? error);
}

/** The result of a request. The only thing that may be awaited inside a transaction. */
export function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function asStorageError(error: unknown, name: string): StorageError {
  return error instanceof StorageError ? error : new StorageError(`the database '${name}' failed`, { cause: error });
}

/** Resolves after `ms`. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
