import { expect, it } from "vitest";
import { Deadlines } from "../../../src/backends/indexeddb/deadlines.ts";

it("the next deadline is the same as of a plain map, whatever is set, moved and removed", () => {
  let state = 7;
  const random = (below: number): number => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state % below;
  };
  const deadlines = new Deadlines();
  const plain = new Map<string, number>();
  for (let round = 0; round < 20_000; round++) {
    const id = `i${random(60)}`;
    const atMs = random(4) === 0 ? undefined : random(1000);
    deadlines.set(id, atMs);
    if (atMs === undefined) plain.delete(id);
    else plain.set(id, atMs);
    const after = random(3) === 0 ? random(1000) : -1;
    const later = [...plain.values()].filter((moment) => moment > after);
    expect(deadlines.next(after)).toBe(later.length === 0 ? undefined : Math.min(...later));
  }
});
