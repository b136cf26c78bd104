import type { IndexEntry } from "../protocol/gen/perdura/model/v1/store_pb.ts";

/**
 * What an index answers to an entry that it has looked at: the version of the held one that stands in its way, or `undefined` when
 * the entry is in the index. Two runs of an id may come to one version, when little time passes between them, or time goes back:
 * then the one that came first stays, and the other learns what it has to be above.
 */
export function standsInTheWay(held: IndexEntry, entry: IndexEntry): number | undefined {
  if (held.version < entry.version) return undefined;
  const isSame =
    held.version === entry.version && held.executionId === entry.executionId && held.deleted === entry.deleted;
  return isSame ? undefined : held.version;
}
