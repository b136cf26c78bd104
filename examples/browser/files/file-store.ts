/** A file that was picked. */
export interface KeptFile {
  readonly id: string;
  readonly name: string;
  readonly content: Blob;
}

/** Keeps picked files until their uploads have ended, so that nobody has to pick them again. */
export interface FileStore {
  /** Resolves when the file is kept. */
  keep(file: KeptFile): Promise<void>;
  read(id: string): Promise<KeptFile | undefined>;
  /** Forgetting what is not kept is no error. */
  forget(id: string): Promise<void>;
  list(): Promise<readonly KeptFile[]>;
}
