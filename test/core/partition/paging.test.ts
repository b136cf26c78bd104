import { describe, expect, it } from "vitest";
import { InvalidArgumentError } from "../../../src/core/errors.ts";
import { comparePlaces, matches, placeOfRow, readPage, rowQueryOf } from "../../../src/core/partition/paging.ts";
import type { InstanceRow, InstanceSummary } from "../../../src/core/partition/ports.ts";

const summary = (more: Partial<InstanceSummary> = {}): InstanceSummary => ({
  name: "main",
  status: "RUNNING",
  tags: { team: "red" },
  createdAtMs: 100,
  lastUpdatedAtMs: 100,
  completedAtMs: undefined,
  parentInstanceId: undefined,
  purged: false,
  ...more,
});
const row = (instanceId: string, createdAtMs: number): InstanceRow => ({
  instanceId,
  incarnation: "i",
  record: new Uint8Array(),
  summary: summary({ createdAtMs }),
  unfinished: false,
  wakeAt: undefined,
});

describe("a query", () => {
  it("matches when every condition holds, and never a purged instance", () => {
    const at = (ms: number) => new Date(ms);
    const holds = (query: Parameters<typeof rowQueryOf>[0], more: Partial<InstanceSummary> = {}): boolean =>
      matches(rowQueryOf(query), "abc", summary(more));
    expect(holds({})).toBe(true);
    expect(holds({}, { purged: true })).toBe(false);
    expect([holds({ runtimeStatus: ["RUNNING"] }), holds({ runtimeStatus: ["FAILED"] })]).toEqual([true, false]);
    expect([holds({ name: "main" }), holds({ name: ["x", "main"] }), holds({ name: "x" })]).toEqual([
      true,
      true,
      false,
    ]);
    expect([holds({ tags: { team: "red" } }), holds({ tags: { team: "red", a: "b" } })]).toEqual([true, false]);
    expect([holds({ instanceIdPrefix: "ab" }), holds({ instanceIdPrefix: "b" })]).toEqual([true, false]);
    expect([holds({ createdFrom: at(100) }), holds({ createdTo: at(100) })]).toEqual([true, false]);
    expect([holds({ completedFrom: at(0) }), holds({ completedTo: at(999) })]).toEqual([false, false]);
    expect(holds({ completedFrom: at(50), completedTo: at(51) }, { completedAtMs: 50 })).toBe(true);
  });

  it("is ordered by time and id, newest first unless told otherwise", () => {
    const places = [row("b", 1), row("a", 1), row("c", 2)].map(({ instanceId, summary: { createdAtMs } }) => ({
      instanceId,
      createdAtMs,
    }));
    const sorted = (order: "newest" | "oldest") =>
      places
        .toSorted((one, other) => comparePlaces(rowQueryOf({ order }), one, other))
        .map(({ instanceId }) => instanceId);
    expect([sorted("oldest"), sorted("newest")]).toEqual([
      ["a", "b", "c"],
      ["c", "b", "a"],
    ]);
  });

  it("goes on behind its token, whatever is in the id", async () => {
    const query = rowQueryOf({ pageSize: 1 });
    const stored = [row("a/b/c", 100), row("d", 100)];
    const page = await readPage(query, ({ limit }) => stored.slice(0, limit), placeOfRow);
    expect(page.rows).toEqual([stored[0]]);
    expect(rowQueryOf({ continuationToken: page.token ?? "" }).after).toEqual({
      createdAtMs: 100,
      instanceId: "a/b/c",
    });
  });

  it("has no token when it is the last, also when it is full", async () => {
    const full = await readPage(rowQueryOf({ pageSize: 1 }), () => [row("a", 1)], placeOfRow);
    const empty = await readPage(rowQueryOf({ pageSize: 1 }), () => [], placeOfRow);
    expect([full.token, empty.token]).toEqual([undefined, undefined]);
  });

  it("that cannot be is refused", () => {
    for (const bad of [
      { pageSize: 0 },
      { pageSize: 1.5 },
      { pageSize: 1001 },
      { continuationToken: "x" },
      { continuationToken: "/a" },
    ]) {
      expect(() => rowQueryOf(bad)).toThrow(InvalidArgumentError);
    }
    expect(() => rowQueryOf({ completedTo: new Date(Number.NaN) })).toThrow(/completedTo/);
  });
});
