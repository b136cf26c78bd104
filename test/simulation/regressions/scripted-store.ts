/** A store in memory whose next requests can be made to fail or to answer late, one by one. */
import type { MemoryStore } from "../../../src/backends/memory/index.ts";
import { StorageError } from "../../../src/core/errors.ts";
import type {
  Appended,
  Commit,
  CommittedWrite,
  Decide,
  InstanceRow,
  LoadedInstance,
  RowQuery,
  Store,
  StoredItem,
} from "../../../src/core/partition/ports.ts";

type Method = "load" | "readInbox" | "readSegments" | "due" | "nextDeadline" | "commit" | "append";

interface Script {
  readonly method: Method;
  readonly how: "fails before" | "fails after" | "answers late";
  readonly released: Promise<void>;
}

export class ScriptedStore implements Store {
  readonly inner: MemoryStore;
  /** How many requests of each kind have come. */
  readonly asked: Map<Method, number> = new Map();
  #scripts: Script[] = [];

  constructor(inner: MemoryStore) {
    this.inner = inner;
  }

  /** The next request of that kind fails, without effect or with it. */
  fail(method: Method, how: "fails before" | "fails after"): void {
    this.#scripts.push({ method, how, released: Promise.resolve() });
  }

  /** The next request of that kind is carried out at once, and answered when the returned function is called. */
  hold(method: Method): () => void {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#scripts.push({ method, how: "answers late", released });
    return release;
  }

  createHub(): Promise<boolean> {
    return this.inner.createHub();
  }

  deleteHub(): Promise<boolean> {
    return this.inner.deleteHub();
  }

  hubExists(): Promise<boolean> {
    return this.inner.hubExists();
  }

  page(query: RowQuery): Promise<readonly InstanceRow[]> {
    return this.inner.page(query);
  }

  load(instanceId: string): Promise<LoadedInstance | undefined> {
    return this.#carry("load", () => this.inner.load(instanceId));
  }

  readInbox(instanceId: string, afterSeq: number): Promise<readonly StoredItem[]> {
    return this.#carry("readInbox", () => this.inner.readInbox(instanceId, afterSeq));
  }

  readSegments(instanceId: string, from: number, to: number): Promise<readonly Uint8Array[]> {
    return this.#carry("readSegments", () => this.inner.readSegments(instanceId, from, to));
  }

  due(now: number, unfinished: boolean): Promise<readonly string[]> {
    return this.#carry("due", () => this.inner.due(now, unfinished));
  }

  nextDeadline(now: number): Promise<number | undefined> {
    return this.#carry("nextDeadline", () => this.inner.nextDeadline(now));
  }

  commit(batch: Commit): Promise<readonly CommittedWrite[]> {
    return this.#carry("commit", () => this.inner.commit(batch));
  }

  append<T>(instanceId: string, decide: Decide<T>): Promise<Appended<T>> {
    return this.#carry("append", () => this.inner.append(instanceId, decide));
  }

  async #carry<T>(method: Method, run: () => Promise<T>): Promise<T> {
    this.asked.set(method, (this.asked.get(method) ?? 0) + 1);
    const script = this.#scripts.find((one) => one.method === method);
    if (script === undefined) return run();
    this.#scripts = this.#scripts.filter((one) => one !== script);
    if (script.how === "fails before") throw new StorageError(`the ${method} failed`);
    const answer = await run();
    await script.released;
    if (script.how === "fails after") throw new StorageError(`the ${method} may have failed`);
    return answer;
  }
}
