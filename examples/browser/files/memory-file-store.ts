import type { FileStore, KeptFile } from "./file-store.ts";

/** Files in memory, where a browser stores nothing: they are gone with the page, as everything is there. */
export class MemoryFileStore implements FileStore {
  readonly #files = new Map<string, KeptFile>();

  async keep(file: KeptFile): Promise<void> {
    this.#files.set(file.id, file);
  }

  async read(id: string): Promise<KeptFile | undefined> {
    return this.#files.get(id);
  }

  async forget(id: string): Promise<void> {
    this.#files.delete(id);
  }

  async list(): Promise<readonly KeptFile[]> {
    return [...this.#files.values()];
  }
}
