import type { ResultKind } from "../history/dedup.ts";
import type { FailureDetails } from "../hub/metadata.ts";

/** How a piece of durable work ended. */
export type WorkOutcome =
  | { readonly ok: true; readonly result: string | undefined }
  | { readonly ok: false; readonly failure: FailureDetails };

/** A piece of durable work that waits for its result. */
export interface PendingWork {
  readonly kind: ResultKind;
  /** Takes the result. Called once. */
  settle(outcome: WorkOutcome): void;
}

/**
 * Durable work by action id, and results that came before their work was asked for (histories of reruns and of other
 * engines have such): these wait here, by kind and id.
 */
export class PendingResults {
  readonly #pending = new Map<number, PendingWork>();
  readonly #early = new Map<string, WorkOutcome>();

  /** Adds work. When its result is here already it is not added, and the caller gets the result to settle it with. */
  add(id: number, work: PendingWork): WorkOutcome | undefined {
    const key = `${work.kind}:${id}`;
    const early = this.#early.get(key);
    if (early === undefined) this.#pending.set(id, work);
    else this.#early.delete(key);
    return early;
  }

  /** Takes work back: its result can no longer matter. */
  drop(id: number): void {
    this.#pending.delete(id);
  }

  /**
   * A result arrived. It settles the work of its id and kind. One for an id that was never handed out waits; any other is
   * a repetition, belongs to cancelled work or is of another kind, and is ignored.
   *
   * @param nextId the next id to be handed out.
   */
  resolve(kind: ResultKind, id: number, outcome: WorkOutcome, nextId: number): void {
    const work = this.#pending.get(id);
    if (work?.kind === kind) {
      this.#pending.delete(id);
      work.settle(outcome);
    } else if (id >= nextId && !this.#early.has(`${kind}:${id}`)) {
      this.#early.set(`${kind}:${id}`, outcome);
    }
  }

  /** What waits for its work, as `kind:id`: worth a warning at the end of a turn. */
  get orphans(): readonly string[] {
    return [...this.#early.keys()];
  }
}
