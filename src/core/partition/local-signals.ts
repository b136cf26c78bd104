import type { Signals } from "./ports.ts";

/** Signals within one process: every listener is called at once, in order. */
export class LocalSignals implements Signals {
  readonly #appended = new Set<(instanceId: string, replaced: boolean) => void>();
  readonly #changed = new Set<(instanceId: string) => void>();

  appended(instanceId: string, replaced: boolean): void {
    for (const listener of [...this.#appended]) listener(instanceId, replaced);
  }

  onAppended(listener: (instanceId: string, replaced: boolean) => void): () => void {
    this.#appended.add(listener);
    return () => this.#appended.delete(listener);
  }

  changed(instanceId: string): void {
    for (const listener of [...this.#changed]) listener(instanceId);
  }

  onChanged(listener: (instanceId: string) => void): () => void {
    this.#changed.add(listener);
    return () => this.#changed.delete(listener);
  }
}
