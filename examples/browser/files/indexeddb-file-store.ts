import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { FileStore, KeptFile } from "./file-store.ts";

interface Schema extends DBSchema {
  readonly files: { readonly key: string; readonly value: KeptFile };
}

/**
 * Files in a database of their own: the browser copies a picked file into it, and hands it out again by reference. Each call
 * opens the database anew, which costs little and leaves no connection behind that could break.
 */
export class IndexedDbFileStore implements FileStore {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  keep(file: KeptFile): Promise<void> {
    return this.#with(async (database) => {
      const transaction = database.transaction("files", "readwrite", { durability: "strict" });
      await Promise.all([transaction.store.put(file), transaction.done]);
    });
  }

  read(id: string): Promise<KeptFile | undefined> {
    return this.#with((database) => database.get("files", id));
  }

  forget(id: string): Promise<void> {
    return this.#with((database) => database.delete("files", id));
  }

  list(): Promise<readonly KeptFile[]> {
    return this.#with((database) => database.getAll("files"));
  }

  async #with<T>(use: (database: IDBPDatabase<Schema>) => Promise<T>): Promise<T> {
    const database = await openDB<Schema>(this.#name, 1, {
      upgrade: (fresh) => void fresh.createObjectStore("files", { keyPath: "id" }),
      blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
    });
    try {
      return await use(database);
    } finally {
      database.close();
    }
  }
}
