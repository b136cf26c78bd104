import type { LiveOrchestrator } from "./live-orchestrator.ts";

/** A live orchestrator between turns, with what tells whether it fits the next one. */
export interface CachedOrchestrator {
  readonly executionId: string;
  /** How many events of history it has seen, its own recorded actions included. */
  readonly seenEvents: number;
  readonly live: LiveOrchestrator;
}

/** Live orchestrators between turns, by instance. Bounded: the least recently used go first, and are replayed when needed. */
export class LiveCache {
  readonly #size: number;
  readonly #entries = new Map<string, CachedOrchestrator>();

  /** @param size how many are kept; 0 keeps none. */
  constructor(size: number) {
    this.#size = size;
  }

  /** Takes an instance's live orchestrator out: it is put back when its turn succeeds. */
  take(instanceId: string): CachedOrchestrator | undefined {
    const entry = this.#entries.get(instanceId);
    this.#entries.delete(instanceId);
    return entry;
  }

  /** Keeps a live orchestrator. */
  put(instanceId: string, entry: CachedOrchestrator): void {
    this.#entries.delete(instanceId);
    this.#entries.set(instanceId, entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#size) return;
      this.#entries.delete(oldest);
    }
  }

  /** Forgets all. */
  clear(): void {
    this.#entries.clear();
  }
}
