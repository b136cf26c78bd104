import { DurableObject } from "cloudflare:workers";

/** A file as it comes in. */
export interface FileContent {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** A file as it is published. */
export interface PackedFile {
  readonly gzip: Uint8Array;
  /** Of the content before compression, in lower-case hex. */
  readonly sha256: string;
}

type Form = "plain" | "gzip";

/** The largest part of a file that one row holds, in bytes: a row takes 2 MB at most. */
const PART_BYTES = 1024 * 1024;

/** How long an upload that no publication claims is kept, in ms. */
const UNCLAIMED_KEPT_MS = 3_600_000;

/**
 * The contents of one upload. They are kept here and not in orchestration payloads, which name the upload only. Every method
 * may be called again with the same arguments: activities run at least once.
 */
export class FilesObject extends DurableObject {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;

  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env as never);
    this.#storage = ctx.storage;
    this.#sql = ctx.storage.sql;
  }

  /** Takes files in. Unless a publication claims the upload within an hour, all is deleted. */
  async put(files: readonly FileContent[]): Promise<void> {
    this.#createTables();
    this.#storage.transactionSync(() => {
      for (const { path, bytes } of files) this.#write(path, "plain", bytes);
    });
    if (this.#fact("claimed") === undefined && (await this.#storage.getAlarm()) === null) {
      await this.#storage.setAlarm(Date.now() + UNCLAIMED_KEPT_MS);
    }
  }

  /** Keeps the upload from now on. False when it is not there any more. */
  async claim(): Promise<boolean> {
    if (!this.#exists()) return false;
    this.#setFact("claimed", "yes");
    await this.#storage.deleteAlarm();
    return true;
  }

  /** A file as it came in. */
  async read(path: string): Promise<Uint8Array | undefined> {
    return this.#read(path, "plain");
  }

  /** Stores the compressed form of a file. False when the upload is not there any more. */
  async pack(path: string, { gzip, sha256 }: PackedFile): Promise<boolean> {
    if (!this.#exists()) return false;
    this.#storage.transactionSync(() => {
      this.#write(path, "gzip", gzip);
      this.#sql.exec("INSERT OR REPLACE INTO hashes VALUES (?, ?)", path, sha256);
    });
    return true;
  }

  /** A file as it is published. */
  async readPacked(path: string): Promise<PackedFile | undefined> {
    if (!this.#exists()) return undefined;
    const [row] = this.#sql.exec<{ sha256: string }>("SELECT sha256 FROM hashes WHERE path = ?", path).toArray();
    const gzip = this.#read(path, "gzip");
    return row === undefined || gzip === undefined ? undefined : { gzip, sha256: row.sha256 };
  }

  /** Stores the manifest, as JSON text; from then on the upload counts as published. False when it is not there any more. */
  async putManifest(manifest: string): Promise<boolean> {
    if (!this.#exists()) return false;
    this.#setFact("manifest", manifest);
    return true;
  }

  /** The manifest, once there is one. */
  async manifest(): Promise<string | undefined> {
    return this.#fact("manifest");
  }

  /** Deletes everything, the alarm included. */
  async discard(): Promise<void> {
    await this.#storage.deleteAll();
  }

  override async alarm(): Promise<void> {
    if (this.#fact("claimed") === undefined) await this.discard();
  }

  /** Tables are made with the first file, so that asking for what is not there leaves nothing behind. */
  #createTables(): void {
    this.#sql.exec("CREATE TABLE IF NOT EXISTS parts (path TEXT, form TEXT, part INTEGER, bytes BLOB)");
    this.#sql.exec("CREATE INDEX IF NOT EXISTS parts_of ON parts (path, form, part)");
    this.#sql.exec("CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, sha256 TEXT) WITHOUT ROWID");
    this.#sql.exec("CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID");
  }

  #exists(): boolean {
    return this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'facts'").toArray().length > 0;
  }

  #fact(name: string): string | undefined {
    if (!this.#exists()) return undefined;
    return this.#sql.exec<{ value: string }>("SELECT value FROM facts WHERE name = ?", name).toArray()[0]?.value;
  }

  #setFact(name: string, value: string): void {
    this.#sql.exec("INSERT OR REPLACE INTO facts VALUES (?, ?)", name, value);
  }

  #write(path: string, form: Form, bytes: Uint8Array): void {
    this.#sql.exec("DELETE FROM parts WHERE path = ? AND form = ?", path, form);
    // An empty file is one empty part: it is there.
    for (let part = 0; part === 0 || part * PART_BYTES < bytes.length; part++) {
      const slice = bytes.slice(part * PART_BYTES, (part + 1) * PART_BYTES);
      this.#sql.exec("INSERT INTO parts VALUES (?, ?, ?, ?)", path, form, part, slice.buffer);
    }
  }

  #read(path: string, form: Form): Uint8Array | undefined {
    if (!this.#exists()) return undefined;
    const query = "SELECT bytes FROM parts WHERE path = ? AND form = ? ORDER BY part";
    const parts = this.#sql.exec<{ bytes: ArrayBuffer }>(query, path, form).toArray();
    if (parts.length === 0) return undefined;
    const content = new Uint8Array(parts.reduce((length, { bytes }) => length + bytes.byteLength, 0));
    parts.forEach(({ bytes }, part) => {
      content.set(new Uint8Array(bytes), part * PART_BYTES);
    });
    return content;
  }
}
