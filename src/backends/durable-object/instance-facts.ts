import type { InstanceRow } from "../../core/partition/ports.ts";

/** What is kept in memory of a stored row: enough to check a turn's right to commit, and to know when to wake. */
export interface InstanceFacts {
  readonly incarnation: string;
  readonly isPurged: boolean;
  readonly unfinished: boolean;
  readonly wakeAt: number | undefined;
  /** The record is too large for its row and lies beside the history. */
  readonly isSplit: boolean;
}

/**
 * The facts of all instances of an object. The object is the only one that writes its storage, so that they need not be read
 * again for every turn. Changes count once their transaction has succeeded.
 */
export class FactTable {
  readonly #facts: Map<string, InstanceFacts>;
  #changes = new Map<string, InstanceFacts | undefined>();

  constructor(facts: Iterable<readonly [string, InstanceFacts]>) {
    this.#facts = new Map(facts);
  }

  /** As the running transaction sees it. */
  get(instanceId: string): InstanceFacts | undefined {
    return this.#changes.has(instanceId) ? this.#changes.get(instanceId) : this.#facts.get(instanceId);
  }

  /** Notes a change of the running transaction; `undefined`: the row is gone. */
  set(instanceId: string, facts: InstanceFacts | undefined): void {
    this.#changes.set(instanceId, facts);
  }

  /** The transaction has succeeded. */
  commit(): void {
    for (const [instanceId, facts] of this.#changes) {
      if (facts === undefined) this.#facts.delete(instanceId);
      else this.#facts.set(instanceId, facts);
    }
    this.#changes.clear();
  }

  /** The transaction has failed. */
  rollback(): void {
    this.#changes.clear();
  }

  /** The instances that are to be looked at: see {@link Store.due}. */
  due(now: number, unfinished: boolean): string[] {
    return [...this.#facts]
      .filter(([, facts]) => (facts.wakeAt !== undefined && facts.wakeAt <= now) || (unfinished && facts.unfinished))
      .map(([instanceId]) => instanceId);
  }

  /** The smallest time to wake at behind `after`. */
  nextWake(after: number): number | undefined {
    let next: number | undefined;
    for (const { wakeAt } of this.#facts.values()) {
      if (wakeAt !== undefined && wakeAt > after && (next === undefined || wakeAt < next)) next = wakeAt;
    }
    return next;
  }

  /** Whether there is no instance. */
  get isEmpty(): boolean {
    return this.#facts.size === 0;
  }

  /** Whether anything is waiting or in flight. */
  get hasUnfinished(): boolean {
    for (const { unfinished } of this.#facts.values()) if (unfinished) return true;
    return false;
  }
}

/** The facts of a row. */
export function factsOf(row: InstanceRow, isSplit: boolean): InstanceFacts {
  const { incarnation, unfinished, wakeAt, summary } = row;
  return { incarnation, isPurged: summary.purged, unfinished, wakeAt, isSplit };
}
