/** A store that answers damaged bytes for one instance. */
import { MemoryStore } from "../../../src/backends/memory/index.ts";
import type { Appended, Decide, InstanceRow, LoadedInstance, StoredItem } from "../../../src/core/partition/ports.ts";

/** Which of an instance's bytes are damaged. */
export type Part = "record" | "history" | "inbox";

export class DamagedStore extends MemoryStore {
  #damage:
    | { readonly instanceId: string; readonly part: Part; readonly spoil: (bytes: Uint8Array) => Uint8Array }
    | undefined;

  /** From now on. */
  damage(instanceId: string, part: Part, spoil: (bytes: Uint8Array) => Uint8Array): void {
    this.#damage = { instanceId, part, spoil };
  }

  override async load(instanceId: string): Promise<LoadedInstance | undefined> {
    const loaded = await super.load(instanceId);
    if (loaded === undefined) return undefined;
    return { ...loaded, row: this.#row(loaded.row), inbox: this.#items(instanceId, loaded.inbox) };
  }

  override async readInbox(instanceId: string, afterSeq: number): Promise<readonly StoredItem[]> {
    return this.#items(instanceId, await super.readInbox(instanceId, afterSeq));
  }

  override async readSegments(instanceId: string, from: number, to: number): Promise<readonly Uint8Array[]> {
    const segments = await super.readSegments(instanceId, from, to);
    const spoil = this.#spoilOf(instanceId, "history");
    return spoil === undefined ? segments : segments.map(spoil);
  }

  override append<T>(instanceId: string, decide: Decide<T>): Promise<Appended<T>> {
    return super.append(instanceId, (row) => decide(row === undefined ? undefined : this.#row(row)));
  }

  #row(row: InstanceRow): InstanceRow {
    const spoil = this.#spoilOf(row.instanceId, "record");
    return spoil === undefined ? row : { ...row, record: spoil(row.record) };
  }

  #items(instanceId: string, items: readonly StoredItem[]): readonly StoredItem[] {
    const spoil = this.#spoilOf(instanceId, "inbox");
    return spoil === undefined ? items : items.map(({ seq, bytes }) => ({ seq, bytes: spoil(bytes) }));
  }

  #spoilOf(instanceId: string, part: Part): ((bytes: Uint8Array) => Uint8Array) | undefined {
    return this.#damage?.instanceId === instanceId && this.#damage.part === part ? this.#damage.spoil : undefined;
  }
}
