/** The code of the browser example, without a browser: its orchestrator under a virtual clock, over a Worker that loses things. */
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { chunkBytesOf, type Declaration, MAX_FILE_BYTES, type Progress } from "../../examples/browser/upload/model.ts";
import { type Transfers, uploadSteps } from "../../examples/browser/upload/steps.ts";
import type { TransferStatus } from "../../examples/browser/upload/transfer-client.ts";
import { cancel, confirm, uploadRegistry } from "../../examples/browser/upload/upload.ts";
import { type Upload, Uploads } from "../../examples/browser/upload/uploads.ts";
import { MemoryBlobs } from "../../src/backends/indexeddb/index.ts";
import { createTestHub, type TestHub } from "../../src/testing/index.ts";

/** Holds transfers as the Worker does, and can be told to lose one. */
class FakeWorker implements Transfers {
  readonly transfers = new Map<string, { declaration: Declaration; chunks: Map<number, Uint8Array> }>();
  /** What was asked, in order. */
  readonly calls: string[] = [];
  /** Called with every call's name before it is carried out. */
  before: (call: string, id: string) => void = () => undefined;

  async declare(id: string, declaration: Declaration): Promise<TransferStatus> {
    this.#note("declare", id);
    const known = this.transfers.get(id) ?? { declaration, chunks: new Map() };
    this.transfers.set(id, known);
    return this.#status(id) as TransferStatus;
  }

  async send(id: string, index: number, chunk: ArrayBuffer): Promise<TransferStatus | undefined> {
    this.#note(`send ${index}`, id);
    this.transfers.get(id)?.chunks.set(index, new Uint8Array(chunk));
    return this.#status(id);
  }

  async finish(id: string): Promise<TransferStatus | undefined> {
    this.#note("finish", id);
    const status = this.#status(id);
    return status === undefined || status.missing.length > 0 ? undefined : { ...status, finished: true };
  }

  async discard(id: string): Promise<void> {
    this.#note("discard", id);
    this.transfers.delete(id);
  }

  /** The hash of what came. */
  sha256Of(id: string): string {
    const chunks = [...(this.transfers.get(id)?.chunks ?? [])].sort(([one], [other]) => one - other);
    return createHash("sha256")
      .update(Buffer.concat(chunks.map(([, chunk]) => chunk)))
      .digest("hex");
  }

  #note(call: string, id: string): void {
    this.before(call, id);
    this.calls.push(call);
  }

  #status(id: string): TransferStatus | undefined {
    const known = this.transfers.get(id);
    if (known === undefined) return undefined;
    const { bytes, chunkBytes, sha256 } = known.declaration;
    const chunks = Math.ceil(bytes / chunkBytes);
    const missing = Array.from({ length: chunks }, (_, index) => index).filter((index) => !known.chunks.has(index));
    return { sha256, chunks, missing, finished: false };
  }
}

const content = Buffer.from(Array.from({ length: 5 * 64 * 1024 - 1000 }, (_, at) => (at * 7) % 251));
const sha256 = createHash("sha256").update(content).digest("hex");

let worker: FakeWorker;
let blobs: MemoryBlobs;
let hub: TestHub;
let uploads: Uploads;

async function open(cacheSize?: number): Promise<void> {
  worker = new FakeWorker();
  blobs = new MemoryBlobs();
  const registry = uploadRegistry(uploadSteps(async () => blobs, worker));
  hub = await createTestHub({ registry, ...(cacheSize === undefined ? {} : { cacheSize }) });
  uploads = new Uploads(hub.client, blobs);
}

beforeEach(() => open());
afterEach(() => hub.close());

/** Lets the upload run until the condition holds. Reading a file takes turns of the real event loop. */
async function until(id: string, condition: (upload: Upload) => boolean): Promise<Upload> {
  for (let looks = 0; looks < 1000; looks++) {
    await hub.clock.rest();
    const upload = (await hub.clock.runUntil(uploads.list(10))).find((each) => each.id === id);
    if (upload !== undefined && condition(upload)) return upload;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(`never so: ${JSON.stringify(await hub.metadata(id))}`);
}

const isIn =
  (phase: Progress["phase"]) =>
  ({ progress }: Upload): boolean =>
    progress.phase === phase;
const add = (): Promise<string> => hub.clock.runUntil(uploads.add(new File([content], "numbers.bin")));
const keep = (id: string): Promise<unknown> => blobs.put(id, new File([content], "numbers.bin"));
const sends = (): string[] => worker.calls.filter((call) => call.startsWith("send"));

describe("an upload", () => {
  it.each([
    ["kept in memory between turns", undefined],
    ["replayed at every turn", 0],
  ])("sends every chunk once and ends when it is confirmed, %s", async (_way, cacheSize) => {
    await hub.close();
    await open(cacheSize);
    const id = await add();
    await until(id, isIn("awaiting confirmation"));
    expect(sends().sort()).toEqual([0, 1, 2, 3, 4].map((index) => `send ${index}`));
    expect(worker.sha256Of(id)).toBe(sha256);
    await hub.raise(id, confirm);
    await until(id, ({ result }) => result !== undefined);
    expect(await hub.result(id)).toEqual({ status: "stored", bytes: content.length, sha256 });
    expect(await blobs.list()).toEqual([]);
    const history = JSON.stringify(await hub.client.getInstanceHistory(id), (_key, value) =>
      typeof value === "bigint" ? String(value) : value,
    );
    expect(history.length).toBeLessThan(content.length / 10);
  });

  it("takes a confirmation that comes before it asks", async () => {
    const id = await add();
    await hub.raise(id, confirm);
    await until(id, ({ result }) => result?.status === "stored");
  });

  it("tries a chunk again that did not get through, and no other", async () => {
    let failures = 3;
    worker.before = (call) => {
      if (call === "send 2" && failures-- > 0) throw new Error("away");
    };
    const id = await add();
    await until(id, ({ progress }) => progress.sent === 4);
    await until(id, ({ metadata }) => metadata.waitingOn.timers.some(({ purpose }) => purpose === "activity-retry"));
    await hub.advance("1s");
    await until(id, ({ metadata }) => metadata.waitingOn.timers.some(({ nextAttempt }) => nextAttempt === 3));
    await hub.advance("2s");
    await until(id, ({ metadata }) => metadata.waitingOn.timers.some(({ nextAttempt }) => nextAttempt === 4));
    await hub.advance("4s");
    await until(id, isIn("awaiting confirmation"));
    expect(sends()).toHaveLength(5);
    expect(worker.sha256Of(id)).toBe(sha256);
  });

  it("sends only what the Worker misses", async () => {
    worker.before = (call, id) => {
      if (call === "declare") worker.transfers.get(id)?.chunks.set(0, content.subarray(0, 64 * 1024));
    };
    const id = `upload-${"a".repeat(20)}`;
    await keep(id);
    const chunkBytes = chunkBytesOf(content.length);
    await worker.declare(id, { name: "numbers.bin", bytes: content.length, chunkBytes, sha256 });
    await hub.clock.runUntil(uploads.adopt());
    await until(id, isIn("awaiting confirmation"));
    expect(sends()).toHaveLength(4);
    expect(worker.sha256Of(id)).toBe(sha256);
  });

  it("sends it all anew when the Worker has lost it before the confirmation", async () => {
    const id = await add();
    await until(id, isIn("awaiting confirmation"));
    worker.transfers.delete(id);
    await hub.raise(id, confirm);
    await until(id, ({ result }) => result?.status === "stored");
    expect(sends()).toHaveLength(10);
    expect(worker.sha256Of(id)).toBe(sha256);
  });

  it("fails when the Worker loses it again and again, and can be tried again", async () => {
    worker.before = (call, id) => {
      if (call === "finish") worker.transfers.delete(id);
    };
    const id = await add();
    await hub.raise(id, confirm);
    const { metadata } = await until(id, ({ metadata: { runtimeStatus } }) => runtimeStatus === "FAILED");
    expect(metadata.failureDetails?.errorMessage).toMatch(/lost the file 3 times/);
    expect(await blobs.list()).toHaveLength(1);
    worker.before = () => undefined;
    await hub.clock.runUntil(uploads.retry(id));
    await hub.clock.runUntil(uploads.confirm(id));
    await until(id, ({ result }) => result?.status === "stored");
    expect(worker.sha256Of(id)).toBe(sha256);
  });

  it("whose file this browser lost fails at once, and can be tried again when it is back", async () => {
    const id = await add();
    for (const kept of await blobs.list(id)) await blobs.remove(kept);
    const failed = await until(id, ({ metadata: { runtimeStatus } }) => runtimeStatus === "FAILED");
    expect(failed.metadata.failureDetails?.errorMessage).toMatch(/pick it again/);
    await keep(id);
    await hub.clock.runUntil(uploads.retry(id));
    await until(id, isIn("awaiting confirmation"));
    expect(worker.sha256Of(id)).toBe(sha256);
  });

  it.each(["hash", "declare", "send", "finish"])("that is cancelled during '%s' undoes what it did", async (step) => {
    hub.activity(step).holds();
    const id = await add();
    await hub.raise(id, confirm);
    await until(id, ({ metadata }) => metadata.waitingOn.activities.some(({ name }) => name === step));
    await hub.raise(id, cancel);
    await until(id, ({ result }) => result?.status === "cancelled");
    hub.activity(step).reset();
    expect(worker.transfers.has(id)).toBe(false);
    expect(await blobs.list()).toEqual([]);
  });

  it("that is cancelled while it waits for a person undoes what it did", async () => {
    const id = await add();
    await until(id, isIn("awaiting confirmation"));
    await hub.raise(id, cancel);
    await until(id, ({ result }) => result?.status === "cancelled");
    expect(worker.calls.at(-1)).toBe("discard");
  });

  it("of an empty file ends as well", async () => {
    const id = await hub.clock.runUntil(uploads.add(new File([], "empty")));
    await hub.raise(id, confirm);
    await until(id, ({ result }) => result?.status === "stored");
    expect(sends()).toEqual([]);
  });
});

describe("uploads", () => {
  it("of kept files are started once, however often they are adopted", async () => {
    const id = `upload-${"b".repeat(20)}`;
    await keep(id);
    await hub.clock.runUntil(Promise.all([uploads.adopt(), uploads.adopt()]));
    await until(id, isIn("awaiting confirmation"));
    await hub.clock.runUntil(uploads.adopt());
    expect(sends()).toHaveLength(5);
  });

  it("that are removed are gone, file and all", async () => {
    const id = await add();
    await until(id, isIn("awaiting confirmation"));
    await hub.clock.runUntil(uploads.stop(id));
    await until(id, ({ metadata: { runtimeStatus } }) => runtimeStatus === "TERMINATED");
    await hub.clock.runUntil(uploads.remove(id));
    await hub.clock.runUntil(uploads.adopt());
    expect(await hub.clock.runUntil(uploads.list(10))).toEqual([]);
  });

  it("have at most 64 chunks, and none of too large a file", async () => {
    for (const bytes of [0, 1, 64 * 1024, 5_000_000, MAX_FILE_BYTES]) {
      expect(Math.ceil(bytes / chunkBytesOf(bytes))).toBeLessThanOrEqual(64);
      expect(chunkBytesOf(bytes)).toBeLessThanOrEqual(1024 * 1024);
    }
    const large = new File([], "large");
    Object.defineProperty(large, "size", { value: MAX_FILE_BYTES + 1 });
    await expect(uploads.add(large)).rejects.toThrow(RangeError);
  });
});
