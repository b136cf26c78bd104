import { DurableObject } from "cloudflare:workers";
import { chunksOf, type Declaration, lengthOf, type Refusal, type TransferStatus } from "./model.ts";

/** How long a transfer may take, in ms, before what came of it is deleted. */
const UNFINISHED_KEPT_MS = 7 * 86_400_000;

const NOT_FOUND: Refusal = {
  refused: "not found",
  why: "no such transfer is open: it was never declared, was deleted, or took longer than a week: declare it again",
};

/**
 * One file that is sent in chunks: in any order, over any time up to a week, each as often as its sender likes. Every method may
 * be called again with the same arguments, and then answers the same.
 */
export class TransferObject extends DurableObject {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  /** How often the content changed while this object was in memory. */
  #changes = 0;

  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env as never);
    this.#storage = ctx.storage;
    this.#sql = ctx.storage.sql;
  }

  /** Opens the transfer. */
  async declare({ name, bytes, chunkBytes, sha256 }: Declaration): Promise<TransferStatus | Refusal> {
    const wanted = JSON.stringify({ name, bytes, chunkBytes, sha256 } satisfies Declaration);
    const known = this.#fact("declaration");
    if (known === undefined) {
      this.#sql.exec("CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID");
      this.#sql.exec("CREATE TABLE IF NOT EXISTS chunks (position INTEGER PRIMARY KEY, sha256 TEXT, bytes BLOB)");
      this.#setFact("declaration", wanted);
      await this.#storage.setAlarm(Date.now() + UNFINISHED_KEPT_MS);
    } else if (known !== wanted) {
      return { refused: "different", why: "another file was declared under this id: give each its own" };
    }
    return this.status();
  }

  /** How far it is. */
  status(): TransferStatus | Refusal {
    const declaration = this.#declaration();
    if (declaration === undefined) return NOT_FOUND;
    const rows = this.#sql.exec<{ position: number }>("SELECT position FROM chunks").toArray();
    const here = new Set(rows.map(({ position }) => position));
    const chunks = chunksOf(declaration);
    const missing = Array.from({ length: chunks }, (_, index) => index).filter((index) => !here.has(index));
    return { ...declaration, chunks, missing, finished: this.#fact("finished") !== undefined };
  }

  /** Stores a chunk, whose hash the caller has checked. One that is here already is not written again. */
  put(index: number, chunk: Uint8Array, sha256: string): TransferStatus | Refusal {
    const declaration = this.#declaration();
    if (declaration === undefined) return NOT_FOUND;
    const length = lengthOf(declaration, index);
    if (length === 0) return { refused: "invalid", why: `there is no chunk ${index}: they go from 0 up` };
    if (chunk.length !== length) {
      return { refused: "invalid", why: `chunk ${index} must have ${length} bytes, and has ${chunk.length}` };
    }
    const query = "SELECT sha256 FROM chunks WHERE position = ?";
    const [known] = this.#sql.exec<{ sha256: string }>(query, index).toArray();
    if (known?.sha256 !== sha256) {
      if (this.#fact("finished") !== undefined) {
        return { refused: "different", why: `the file is finished, with another chunk ${index}` };
      }
      this.#changes += 1;
      this.#sql.exec("INSERT OR REPLACE INTO chunks VALUES (?, ?, ?)", index, sha256, chunk.slice().buffer);
    }
    return this.status();
  }

  /** Checks the hash of the whole, and keeps it from then on. */
  async finish(): Promise<TransferStatus | Refusal> {
    const status = this.status();
    if ("refused" in status || status.finished) return status;
    const [first] = status.missing;
    if (first !== undefined) {
      const why = `${status.missing.length} of ${status.chunks} chunks are missing, chunk ${first} first: send them`;
      return { refused: "incomplete", why };
    }
    const before = this.#changes;
    const sha256 = await this.#hash(status.chunks);
    // Others were let in while it was hashed.
    if (this.#changes !== before) return { refused: "incomplete", why: "it was changed meanwhile: finish it again" };
    if (sha256 !== status.sha256) {
      return { refused: "corrupt", why: `its SHA-256 is ${sha256}, not the declared one: send it anew` };
    }
    this.#setFact("finished", "yes");
    await this.#storage.deleteAlarm();
    return this.status();
  }

  /** The content of a finished file, chunk by chunk. */
  content(): ReadableStream<Uint8Array> {
    let index = 0;
    return new ReadableStream({
      type: "bytes",
      pull: (controller) => {
        const chunk = this.#chunk(index++);
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk);
      },
    });
  }

  /** Deletes everything, the alarm included. */
  async discard(): Promise<void> {
    this.#changes += 1;
    await this.#storage.deleteAll();
  }

  override async alarm(): Promise<void> {
    if (this.#fact("finished") === undefined) await this.discard();
  }

  async #hash(chunks: number): Promise<string> {
    const stream = new crypto.DigestStream("SHA-256");
    const writer = stream.getWriter();
    for (let index = 0; index < chunks; index++) await writer.write(this.#chunk(index) ?? new Uint8Array());
    await writer.close();
    return Array.from(new Uint8Array(await stream.digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  #chunk(index: number): Uint8Array<ArrayBuffer> | undefined {
    if (this.#declaration() === undefined) return undefined;
    const query = "SELECT bytes FROM chunks WHERE position = ?";
    const [row] = this.#sql.exec<{ bytes: ArrayBuffer }>(query, index).toArray();
    return row && new Uint8Array(row.bytes);
  }

  #declaration(): Declaration | undefined {
    const text = this.#fact("declaration");
    return text === undefined ? undefined : (JSON.parse(text) as Declaration);
  }

  /** Tables are made with the declaration, so that asking for what is not there leaves nothing behind. */
  #fact(name: string): string | undefined {
    if (this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'facts'").toArray().length === 0) return undefined;
    return this.#sql.exec<{ value: string }>("SELECT value FROM facts WHERE name = ?", name).toArray()[0]?.value;
  }

  #setFact(name: string, value: string): void {
    this.#sql.exec("INSERT OR REPLACE INTO facts VALUES (?, ?)", name, value);
  }
}
