import { BlobNotFoundError, InvalidArgumentError, NotInitializedError } from "../../core/errors.ts";
import { checkInstanceId } from "../../core/limits.ts";
import { randomIds } from "../../core/partition/host.ts";
import type { InstanceRow } from "../../core/partition/ports.ts";
import { type Connection, resultOf } from "./connection.ts";
import { type BlobRecord, type HubRecord, keysOf } from "./schema.ts";

/** A kept blob's place, small and plain, to be passed as an input or inside of one. */
export interface BlobRef {
  /** The instance that it belongs to. */
  readonly instanceId: string;
  readonly blobId: string;
  /** In bytes. */
  readonly size: number;
  /** Its media type; the empty text where that is not known. */
  readonly type: string;
  /** A file's name. */
  readonly name?: string;
}

/**
 * Files and other blobs that orchestrations work on, kept beside the history and not in it: a payload holds the
 * {@link BlobRef} only, and the browser hands the content out by reference, however large it is.
 *
 * A blob belongs to an instance and is purged with it. It may be kept before its instance is started, under the id that the
 * start will use: then the file is safe by the time that the start is. One whose instance is never started goes after a day.
 *
 * A codec does not encrypt blobs, and an exported instance does not contain them. In memory they stay until they are removed.
 */
export interface HubBlobs {
  /**
   * Keeps a blob. It is durable when this resolves.
   *
   * @throws {@link InvalidArgumentError} for an id that no instance can have, and for what is no blob;
   *   {@link StorageQuotaError} when there is no room; {@link NotInitializedError} when the hub was deleted.
   */
  put(instanceId: string, content: Blob): Promise<BlobRef>;
  /** The content; a `File` with its name where one was put. @throws {@link BlobNotFoundError}, {@link InvalidArgumentError}. */
  get(ref: Pick<BlobRef, "instanceId" | "blobId">): Promise<Blob>;
  /** What is kept for an instance, or for all, in no particular order. */
  list(instanceId?: string): Promise<readonly BlobRef[]>;
  /** Deletes one before its time. Deleting what is not kept is no error. */
  remove(ref: Pick<BlobRef, "instanceId" | "blobId">): Promise<void>;
}

/** Blobs without an instance are kept so long, in ms: their start may be on its way. */
const ORPHANED_MS = 24 * 3_600_000;

/** The blobs of a hub, in its database. */
export class IndexedDbBlobs implements HubBlobs {
  readonly #connection: Connection;
  readonly #now: () => number;
  readonly #makingRoom: (write: () => Promise<void>) => Promise<void>;

  /** @param makingRoom writes, and deletes what may go when there is no room. It does not refuse starts: a file is not the hub's work. */
  constructor(
    connection: Connection,
    now: () => number,
    makingRoom: (write: () => Promise<void>) => Promise<void> = (write) => write(),
  ) {
    this.#connection = connection;
    this.#now = now;
    this.#makingRoom = makingRoom;
  }

  async put(instanceId: string, content: Blob): Promise<BlobRef> {
    checkInstanceId(instanceId);
    checkContent(content);
    const record: BlobRecord = { content, keptAtMs: this.#now() };
    const blobId = randomIds.uuid();
    await this.#makingRoom(() =>
      this.#connection.write(["meta", "blobs"], "strict", async (transaction) => {
        // What is kept in a deleted hub would be found by whoever opens the next one of its name.
        const hub = await resultOf<HubRecord | undefined>(transaction.objectStore("meta").get("hub"));
        if (hub?.exists !== true) throw new NotInitializedError();
        transaction.objectStore("blobs").put(record, [instanceId, blobId]);
        return () => undefined;
      }),
    );
    return refOf(instanceId, blobId, content);
  }

  async get(ref: Pick<BlobRef, "instanceId" | "blobId">): Promise<Blob> {
    const [instanceId, blobId] = keyOf(ref);
    const record = await this.#connection.read(["blobs"], (transaction) =>
      transaction.objectStore("blobs").get([instanceId, blobId]),
    );
    if (record === undefined) throw new BlobNotFoundError(instanceId, blobId);
    return record.content;
  }

  list(instanceId?: string): Promise<readonly BlobRef[]> {
    const range = instanceId === undefined ? undefined : keysOf(instanceId);
    return this.#connection.read(["blobs"], async (transaction) => {
      const blobs = transaction.objectStore("blobs");
      const [keys, records] = await Promise.all([blobs.getAllKeys(range), blobs.getAll(range)]);
      return keys.flatMap(([owner, blobId], at) => {
        const content = records[at]?.content;
        return content === undefined ? [] : [refOf(owner, blobId, content)];
      });
    });
  }

  async remove(ref: Pick<BlobRef, "instanceId" | "blobId">): Promise<void> {
    const key = keyOf(ref);
    await this.#connection.write(["blobs"], "relaxed", async (transaction) => {
      transaction.objectStore("blobs").delete(key);
      return () => undefined;
    });
  }

  /**
   * Deletes blobs whose instance was never started. Returns how many. In one transaction: a start that comes meanwhile finds
   * either all of its files or, when they are that old, none.
   */
  async sweep(): Promise<number> {
    const keptUntilMs = this.#now() - ORPHANED_MS;
    return this.#connection.write(["blobs", "instances"], "relaxed", async (transaction) => {
      const blobs = transaction.objectStore("blobs");
      const orphans = await orphansOf(blobs, transaction.objectStore("instances"), keptUntilMs);
      for (const key of orphans) blobs.delete(key);
      return () => orphans.length;
    });
  }
}

type BlobKey = [instanceId: string, blobId: string];

async function orphansOf(
  blobs: IDBObjectStore,
  instances: IDBObjectStore,
  keptUntilMs: number,
): Promise<readonly BlobKey[]> {
  const keys = (await resultOf(blobs.getAllKeys())) as BlobKey[];
  const owners = [...new Set(keys.map(([instanceId]) => instanceId))];
  const rows = await Promise.all(owners.map((id) => resultOf<InstanceRow | undefined>(instances.get(id))));
  // Of a purged one a tombstone may be left, which owns nothing.
  const ownerless = new Set(owners.filter((_, at) => rows[at]?.summary.purged !== false));
  const suspects = keys.filter(([instanceId]) => ownerless.has(instanceId));
  const records = await Promise.all(suspects.map((key) => resultOf<BlobRecord | undefined>(blobs.get(key))));
  return suspects.filter((_, at) => (records[at]?.keptAtMs ?? Number.POSITIVE_INFINITY) < keptUntilMs);
}

/** Blobs in memory, for a hub in memory and for tests of an app's activities. They stay until they are removed, whatever is purged. */
export class MemoryBlobs implements HubBlobs {
  readonly #kept = new Map<string, { readonly ref: BlobRef; readonly content: Blob }>();

  async put(instanceId: string, content: Blob): Promise<BlobRef> {
    checkInstanceId(instanceId);
    checkContent(content);
    const ref = refOf(instanceId, randomIds.uuid(), content);
    this.#kept.set(ref.blobId, { ref, content });
    return ref;
  }

  async get(ref: Pick<BlobRef, "instanceId" | "blobId">): Promise<Blob> {
    const [instanceId, blobId] = keyOf(ref);
    const kept = this.#kept.get(blobId);
    if (kept?.ref.instanceId !== instanceId) throw new BlobNotFoundError(instanceId, blobId);
    return kept.content;
  }

  async list(instanceId?: string): Promise<readonly BlobRef[]> {
    const refs = [...this.#kept.values()].map(({ ref }) => ref);
    return instanceId === undefined ? refs : refs.filter((ref) => ref.instanceId === instanceId);
  }

  async remove(ref: Pick<BlobRef, "instanceId" | "blobId">): Promise<void> {
    const [instanceId, blobId] = keyOf(ref);
    if (this.#kept.get(blobId)?.ref.instanceId === instanceId) this.#kept.delete(blobId);
  }
}

function refOf(instanceId: string, blobId: string, content: Blob): BlobRef {
  const { size, type } = content;
  return { instanceId, blobId, size, type, ...("name" in content ? { name: (content as File).name } : {}) };
}

/** @throws {@link InvalidArgumentError} for what is no blob; one of another frame is one too. */
function checkContent(content: Blob): void {
  const kind = Object.prototype.toString.call(content);
  if (kind !== "[object Blob]" && kind !== "[object File]") {
    throw new InvalidArgumentError("a blob or a file is kept, and this is none: wrap it, new Blob([content])");
  }
}

/** @throws {@link InvalidArgumentError} for what no {@link HubBlobs.put} gave. */
function keyOf(ref: Pick<BlobRef, "instanceId" | "blobId">): BlobKey {
  const { instanceId, blobId } = (ref as Partial<BlobRef> | undefined | null) ?? {};
  if (typeof instanceId !== "string" || typeof blobId !== "string") {
    throw new InvalidArgumentError("this refers to no blob: give what put returned");
  }
  return [instanceId, blobId];
}
