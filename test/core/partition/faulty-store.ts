import { MemoryStore } from "../../../src/backends/memory/index.ts";
import type { Appended, Commit, CommittedWrite, Decide, LoadedInstance } from "../../../src/core/partition/ports.ts";

/** A store that a test can slow down, break and look into. */
export class FaultyStore extends MemoryStore {
  /** Every batch that was tried. */
  readonly commits: Commit[] = [];
  /** Instances of every append that was tried. */
  readonly appends: string[] = [];
  /** How often history was read. */
  historyReads = 0;
  /** Runs before a batch is stored; when it throws, nothing is. */
  beforeCommit: (batch: Commit) => void | Promise<void> = () => undefined;
  /** Runs after a batch was stored; when it throws, the caller does not learn that it was. */
  afterCommit: (batch: Commit) => void | Promise<void> = () => undefined;
  beforeAppend: (instanceId: string) => void | Promise<void> = () => undefined;
  beforeLoad: (instanceId: string) => void | Promise<void> = () => undefined;
  beforeHistory: () => void | Promise<void> = () => undefined;

  override async commit(batch: Commit): Promise<readonly CommittedWrite[]> {
    this.commits.push(batch);
    await this.beforeCommit(batch);
    const done = await super.commit(batch);
    await this.afterCommit(batch);
    return done;
  }

  override async append<T>(instanceId: string, decide: Decide<T>): Promise<Appended<T>> {
    this.appends.push(instanceId);
    await this.beforeAppend(instanceId);
    return super.append(instanceId, decide);
  }

  override async load(instanceId: string): Promise<LoadedInstance | undefined> {
    await this.beforeLoad(instanceId);
    return super.load(instanceId);
  }

  override async readSegments(instanceId: string, from: number, to: number): Promise<readonly Uint8Array[]> {
    this.historyReads++;
    await this.beforeHistory();
    return super.readSegments(instanceId, from, to);
  }
}

/** Lets the first call pass or fail as told, and every later one pass. */
export function onceOnly(run: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    run();
  };
}
