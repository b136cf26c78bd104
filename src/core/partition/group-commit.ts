import type { Commit, CommittedWrite, InstanceWrite, Store } from "./ports.ts";

interface Member {
  readonly write: InstanceWrite;
  readonly resolve: (done: CommittedWrite) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Commits the writes of concurrent instances together: what arrives while a batch is on its way forms the next one. When a
 * batch of several fails, its members are tried one by one, so that only the guilty one fails.
 */
export class GroupCommit {
  readonly #store: Store;
  readonly #epoch: () => number;
  #waiting: Member[] = [];
  #running = false;

  /** @param epoch the current owner's epoch, read at the moment of each commit. */
  constructor(store: Store, epoch: () => number) {
    this.#store = store;
    this.#epoch = epoch;
  }

  /** Resolves when the write is durable. Rejects with the store's error when it is not. */
  submit(write: InstanceWrite): Promise<CommittedWrite> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ write, resolve, reject });
      if (!this.#running) {
        this.#running = true;
        // One microtask later, so that writes made in the same breath share the batch.
        queueMicrotask(() => void this.#run());
      }
    });
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#commit(batch);
    }
    this.#running = false;
  }

  async #commit(batch: readonly Member[]): Promise<void> {
    const commit: Commit = { epoch: this.#epoch(), writes: batch.map(({ write }) => write) };
    try {
      const done = await this.#store.commit(commit);
      batch.forEach((member, index) => {
        member.resolve(done[index] ?? { deliveries: [], inboxSeqs: [] });
      });
    } catch (error) {
      if (batch.length === 1) batch[0]?.reject(error);
      else for (const member of batch) await this.#commit([member]);
    }
  }
}
