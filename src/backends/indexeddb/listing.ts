import { comparePlaces, matches } from "../../core/partition/paging.ts";
import type { InstanceRow, RowQuery } from "../../core/partition/ports.ts";
import type { HubTransaction } from "./connection.ts";
import type { ListingRecord } from "./schema.ts";

/** What lists and deadlines need of a row. Absent fields keep the record out of the index that asks for them. */
export function listingOf({ instanceId, summary, unfinished, wakeAt }: InstanceRow): ListingRecord {
  const { createdAtMs, status, name, completedAtMs, purged } = summary;
  return {
    instanceId,
    ...(purged ? {} : { createdAtMs, status, name }),
    ...(purged || completedAtMs === undefined ? {} : { completedAtMs }),
    ...(unfinished ? { unfinished: 1 as const } : {}),
    ...(wakeAt === undefined ? {} : { wakeAt }),
  };
}

/** Whether a row's listing is to be written: the steady turns of an orchestration change nothing of it. */
export function listingChanged(before: InstanceRow | undefined, after: InstanceRow): boolean {
  return (
    before === undefined ||
    before.unfinished !== after.unfinished ||
    before.wakeAt !== after.wakeAt ||
    before.summary.status !== after.summary.status ||
    before.summary.name !== after.summary.name ||
    before.summary.createdAtMs !== after.summary.createdAtMs ||
    before.summary.completedAtMs !== after.summary.completedAtMs ||
    before.summary.purged !== after.summary.purged
  );
}

type Read = HubTransaction<"readonly">;
type Place = { readonly createdAtMs: number; readonly instanceId: string };

/** A page of rows: by the index that leaves the fewest, the rest filtered. */
export async function readPage(transaction: Read, query: RowQuery): Promise<readonly InstanceRow[]> {
  const walks = walksOf(transaction, query);
  const pages = await Promise.all(walks.map((walk) => walkIndex(transaction, query, walk)));
  if (pages.length === 1) return pages[0] ?? [];
  return pages
    .flat()
    .sort((one, other) => comparePlaces(query, placeOf(one), placeOf(other)))
    .slice(0, query.limit);
}

interface Walk {
  readonly index: "created" | "status" | "name";
  /** The index's leading value, where it has one before the place. */
  readonly prefix: readonly string[];
}

/** One walk per state, else per name, else over all: each in order of creation. */
function walksOf(_transaction: Read, { statuses, names }: RowQuery): Walk[] {
  if (statuses !== undefined) return [...new Set(statuses)].map((status) => ({ index: "status", prefix: [status] }));
  if (names !== undefined) return [...new Set(names)].map((name) => ({ index: "name", prefix: [name] }));
  return [{ index: "created", prefix: [] }];
}

async function walkIndex(transaction: Read, query: RowQuery, { index, prefix }: Walk): Promise<InstanceRow[]> {
  const range = rangeOf(query, prefix);
  if (range === undefined) return [];
  const instances = transaction.objectStore("instances");
  const rows: InstanceRow[] = [];
  const direction = query.newestFirst ? "prev" : "next";
  let cursor = await transaction.objectStore("listing").index(index).openCursor(range, direction);
  for (; cursor !== null && rows.length < query.limit; cursor = await cursor.continue()) {
    const { instanceId, completedAtMs } = cursor.value;
    if (!mayMatch(query, instanceId, completedAtMs)) continue;
    const row = await instances.get(instanceId);
    if (row !== undefined && matches(query, instanceId, row.summary)) rows.push(row);
  }
  return rows;
}

/** Spares reading the row of what its listing rules out. */
function mayMatch(query: RowQuery, instanceId: string, completedAtMs: number | undefined): boolean {
  if (query.idPrefix !== undefined && !instanceId.startsWith(query.idPrefix)) return false;
  if (query.completedFrom !== undefined && !(completedAtMs !== undefined && completedAtMs >= query.completedFrom))
    return false;
  return !(query.completedTo !== undefined && !(completedAtMs !== undefined && completedAtMs < query.completedTo));
}

/** The part of the index that can hold the page. `undefined`: none. */
function rangeOf(
  { createdFrom, createdTo, newestFirst, after }: RowQuery,
  prefix: readonly string[],
): IDBKeyRange | undefined {
  let lower: IDBValidKey[] = createdFrom === undefined ? [...prefix] : [...prefix, createdFrom];
  let upper: IDBValidKey[] = createdTo === undefined ? [...prefix, []] : [...prefix, createdTo];
  let lowerOpen = false;
  // [createdTo] sorts before [createdTo, id]: the upper end is open by itself.
  let upperOpen = true;
  if (after !== undefined) {
    const place = [...prefix, after.createdAtMs, after.instanceId];
    if (newestFirst && indexedDB.cmp(place, upper) < 0) [upper, upperOpen] = [place, true];
    if (!newestFirst && indexedDB.cmp(place, lower) > 0) [lower, lowerOpen] = [place, true];
  }
  if (indexedDB.cmp(lower, upper) >= 0) return undefined;
  return IDBKeyRange.bound(lower, upper, lowerOpen, upperOpen);
}

function placeOf(row: InstanceRow): Place {
  return { createdAtMs: row.summary.createdAtMs, instanceId: row.instanceId };
}
