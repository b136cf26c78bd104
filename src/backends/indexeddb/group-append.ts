import type { Appended, Decide } from "../../core/partition/ports.ts";

/** One append, as it waits for its transaction. */
export interface Append {
  readonly instanceId: string;
  readonly decide: Decide<unknown>;
}

/** What became of an append whose transaction is complete. */
export type Outcome = { readonly appended: Appended<unknown> } | { readonly error: unknown };

interface Member extends Append {
  readonly resolve: (appended: Appended<never>) => void;
  readonly reject: (reason: unknown) => void;
}

type Run = (members: readonly Append[]) => Promise<readonly Outcome[]>;

/**
 * Puts concurrent appends into one transaction: what arrives while one is on its way forms the next. When a transaction of
 * several fails as a whole, its members are tried one by one.
 */
export class GroupAppend {
  #waiting: Member[] = [];
  #running = false;

  /** Resolves when the append is durable. Rejects with what `decide` threw, or with the store's error. */
  submit<T>(run: Run, append: { readonly instanceId: string; readonly decide: Decide<T> }): Promise<Appended<T>> {
    return new Promise<Appended<T>>((resolve, reject) => {
      this.#waiting.push({ ...append, resolve, reject });
      if (this.#running) return;
      this.#running = true;
      // One microtask later, so that appends made in the same breath share it.
      queueMicrotask(() => void this.#run(run));
    });
  }

  async #run(run: Run): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#append(run, batch);
    }
    this.#running = false;
  }

  async #append(run: Run, batch: readonly Member[]): Promise<void> {
    try {
      const outcomes = await run(batch);
      batch.forEach((member, index) => {
        const outcome = outcomes[index];
        if (outcome !== undefined && "appended" in outcome) member.resolve(outcome.appended as Appended<never>);
        else member.reject(outcome?.error);
      });
    } catch (error) {
      if (batch.length === 1) batch[0]?.reject(error);
      else for (const member of batch) await this.#append(run, [member]);
    }
  }
}
