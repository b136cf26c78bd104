import type { InstanceRow, RowQuery } from "perdura";

/** Does the query ask for the row, and does it stand behind the place that the query goes on from? */
export function isShown(query: RowQuery, { instanceId, summary }: InstanceRow): boolean {
  const { name, status, tags, createdAtMs, completedAtMs, purged } = summary;
  const {
    createdFrom = -Infinity,
    createdTo = Infinity,
    completedFrom = -Infinity,
    completedTo = Infinity,
    after,
  } = query;
  const asksForEnd = query.completedFrom !== undefined || query.completedTo !== undefined;
  return (
    !purged &&
    (query.statuses?.includes(status) ?? true) &&
    (query.names?.includes(name) ?? true) &&
    instanceId.startsWith(query.idPrefix ?? "") &&
    Object.entries(query.tags ?? {}).every(([key, value]) => tags[key] === value) &&
    createdAtMs >= createdFrom &&
    createdAtMs < createdTo &&
    (!asksForEnd || (completedAtMs !== undefined && completedAtMs >= completedFrom && completedAtMs < completedTo)) &&
    (after === undefined || compare(query, createdAtMs, instanceId, after.createdAtMs, after.instanceId) > 0)
  );
}

/** By time of creation, then by id; backwards when the newest come first. */
export function comparePlaces(query: RowQuery, one: InstanceRow, other: InstanceRow): number {
  return compare(query, one.summary.createdAtMs, one.instanceId, other.summary.createdAtMs, other.instanceId);
}

function compare(query: RowQuery, time: number, id: string, otherTime: number, otherId: string): number {
  const byId = id < otherId ? -1 : id > otherId ? 1 : 0;
  const order = time === otherTime ? byId : time - otherTime;
  return query.newestFirst ? -order : order;
}
