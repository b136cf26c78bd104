/**
 * The deadlines of all instances, kept in memory by the runner so that it need not ask the database after every turn. A heap
 * whose stale entries are dropped when they come to the top.
 */
export class Deadlines {
  readonly #current = new Map<string, number>();
  #heap: { readonly atMs: number; readonly instanceId: string }[] = [];

  /** Notes when an instance is to be looked at; `undefined`: at no time. */
  set(instanceId: string, atMs: number | undefined): void {
    if (atMs === undefined) {
      this.#current.delete(instanceId);
      return;
    }
    if (this.#current.get(instanceId) === atMs) return;
    this.#current.set(instanceId, atMs);
    this.#push({ atMs, instanceId });
    // Deadlines that moved again and again leave their old places behind.
    if (this.#heap.length > 64 && this.#heap.length > 4 * this.#current.size) this.#rebuild();
  }

  /** The earliest after a time. Deadlines at or before it are passed over, and kept. */
  next(afterMs: number): number | undefined {
    this.#dropStale();
    const top = this.#heap[0];
    if (top === undefined || top.atMs > afterMs) return top?.atMs;
    let next: number | undefined;
    for (const atMs of this.#current.values()) {
      if (atMs > afterMs && (next === undefined || atMs < next)) next = atMs;
    }
    return next;
  }

  #dropStale(): void {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (this.#current.get(top.instanceId) === top.atMs) return;
      this.#pop();
    }
  }

  #rebuild(): void {
    this.#heap = [];
    for (const [instanceId, atMs] of this.#current) this.#push({ atMs, instanceId });
  }

  #push(entry: { readonly atMs: number; readonly instanceId: string }): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || above.atMs <= entry.atMs) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      let below = heap[child];
      const right = heap[child + 1];
      if (right !== undefined && below !== undefined && right.atMs < below.atMs) {
        child++;
        below = right;
      }
      if (below === undefined || below.atMs >= last.atMs) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}
