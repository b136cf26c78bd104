/**
 * Where the activities of the contract registry note that they ran, since nothing else tells how often they did. Where
 * workers and tests share no memory, an implementation may ask another process.
 */
export interface ContractRecorder {
  note(instanceId: string, entry: string): void | Promise<void>;
  /** The entries of an instance, in order. */
  entries(instanceId: string): readonly string[] | Promise<readonly string[]>;
}

/** A recorder for workers in the test's own process. */
export class MemoryRecorder implements ContractRecorder {
  readonly #entries = new Map<string, string[]>();

  note(instanceId: string, entry: string): void {
    const known = this.#entries.get(instanceId);
    if (known === undefined) this.#entries.set(instanceId, [entry]);
    else known.push(entry);
  }

  entries(instanceId: string): readonly string[] {
    return [...(this.#entries.get(instanceId) ?? [])];
  }
}
