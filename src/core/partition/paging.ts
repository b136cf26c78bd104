import { InvalidArgumentError } from "../errors.ts";
import type { InstanceQuery } from "../hub/query.ts";
import { statusFromName, statusName } from "../protocol/status.ts";
import type { InstanceRow, InstanceSummary, RowQuery } from "./ports.ts";

const DEFAULT_PAGE_SIZE = 100;
const MAX_PAGE_SIZE = 1000;

/** Checks a query and turns it into the store's terms. @throws {@link InvalidArgumentError}. */
export function rowQueryOf(query: InstanceQuery): RowQuery {
  const limit = query.pageSize ?? DEFAULT_PAGE_SIZE;
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE_SIZE) {
    throw new InvalidArgumentError(`pageSize is ${limit}: give a whole number from 1 to ${MAX_PAGE_SIZE}`);
  }
  return {
    statuses: query.runtimeStatus?.map((status) => statusName(statusFromName(status))),
    names: typeof query.name === "string" ? [query.name] : query.name,
    tags: query.tags,
    idPrefix: query.instanceIdPrefix,
    createdFrom: timeOf("createdFrom", query.createdFrom),
    createdTo: timeOf("createdTo", query.createdTo),
    completedFrom: timeOf("completedFrom", query.completedFrom),
    completedTo: timeOf("completedTo", query.completedTo),
    newestFirst: (query.order ?? "newest") === "newest",
    limit,
    after: query.continuationToken === undefined ? undefined : parseToken(query.continuationToken),
  };
}

/** A page of rows, and the token of the next one where there is more. */
export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly token: string | undefined;
}

/**
 * Reads a page: one row more than is shown is asked for, so that a full last page is known to be the last.
 *
 * @param read reads rows in the query's order.
 * @param placeOf where a row stands in that order.
 */
export async function readPage<Row>(
  query: RowQuery,
  read: (query: RowQuery) => Promise<readonly Row[]> | readonly Row[],
  placeOf: (row: Row) => Place,
): Promise<Page<Row>> {
  const found = await read({ ...query, limit: query.limit + 1 });
  const rows = found.slice(0, query.limit);
  const last = rows.at(-1);
  if (last === undefined || found.length <= query.limit) return { rows, token: undefined };
  const { createdAtMs, instanceId } = placeOf(last);
  return { rows, token: `${createdAtMs}/${instanceId}` };
}

/** Where an instance stands among others: by time of creation, then by id. */
export interface Place {
  readonly createdAtMs: number;
  readonly instanceId: string;
}

/** The place of a store's row. */
export function placeOfRow(row: InstanceRow): Place {
  return { createdAtMs: row.summary.createdAtMs, instanceId: row.instanceId };
}

/** Does a row match, apart from its place? For stores that filter by themselves. */
export function matches(query: RowQuery, instanceId: string, row: InstanceSummary): boolean {
  const { statuses, names, tags, idPrefix, createdFrom, createdTo, completedFrom, completedTo } = query;
  if (row.purged) return false;
  if (statuses !== undefined && !statuses.includes(row.status)) return false;
  if (names !== undefined && !names.includes(row.name)) return false;
  if (idPrefix !== undefined && !instanceId.startsWith(idPrefix)) return false;
  if (createdFrom !== undefined && row.createdAtMs < createdFrom) return false;
  if (createdTo !== undefined && row.createdAtMs >= createdTo) return false;
  if (completedFrom !== undefined && !(row.completedAtMs !== undefined && row.completedAtMs >= completedFrom))
    return false;
  if (completedTo !== undefined && !(row.completedAtMs !== undefined && row.completedAtMs < completedTo)) return false;
  return Object.entries(tags ?? {}).every(([key, value]) => row.tags[key] === value);
}

/** Compares two places in the order of a query. */
export function comparePlaces(query: RowQuery, one: Place, other: Place): number {
  const byTime = one.createdAtMs - other.createdAtMs;
  const byId = one.instanceId < other.instanceId ? -1 : one.instanceId > other.instanceId ? 1 : 0;
  const order = byTime !== 0 ? byTime : byId;
  return query.newestFirst ? -order : order;
}

function timeOf(what: string, date: Date | undefined): number | undefined {
  if (date === undefined) return undefined;
  const ms = date.getTime();
  if (!Number.isFinite(ms)) throw new InvalidArgumentError(`${what} is not a valid date`);
  return ms;
}

function parseToken(token: string): Place {
  const slash = token.indexOf("/");
  const createdAtMs = Number(token.slice(0, slash));
  if (slash <= 0 || !Number.isFinite(createdAtMs)) {
    throw new InvalidArgumentError(
      "the continuation token is not one of this hub: pass back what the page before gave",
    );
  }
  return { createdAtMs, instanceId: token.slice(slash + 1) };
}
