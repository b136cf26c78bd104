import type { Partition } from "../../core/partition/partition.ts";
import type { RuntimeStatus } from "../../core/protocol/status.ts";

/** How many instances are in each state. Purged ones are in none. */
export type InstanceCounts = Readonly<Record<RuntimeStatus, number>>;

/** The counts, from those of the states that occur. */
export function countsOf(byStatus: ReadonlyMap<string, number>): InstanceCounts {
  const of = (status: RuntimeStatus): number => byStatus.get(status) ?? 0;
  return {
    PENDING: of("PENDING"),
    RUNNING: of("RUNNING"),
    SUSPENDED: of("SUSPENDED"),
    STALLED: of("STALLED"),
    CONTINUED_AS_NEW: of("CONTINUED_AS_NEW"),
    COMPLETED: of("COMPLETED"),
    FAILED: of("FAILED"),
    TERMINATED: of("TERMINATED"),
    CANCELED: of("CANCELED"),
  };
}

/** How many have not ended: what a person calls pending. */
export function unendedOf(counts: InstanceCounts): number {
  return counts.PENDING + counts.RUNNING + counts.SUSPENDED + counts.STALLED + counts.CONTINUED_AS_NEW;
}

/** Counts by listing all, for a hub that is in memory anyway. */
export async function countListed(partition: Partition): Promise<InstanceCounts> {
  const byStatus = new Map<string, number>();
  let continuationToken: string | undefined;
  do {
    const page = await partition.queryInstances({
      pageSize: 1000,
      ...(continuationToken === undefined ? {} : { continuationToken }),
    });
    for (const { runtimeStatus } of page.instances) byStatus.set(runtimeStatus, (byStatus.get(runtimeStatus) ?? 0) + 1);
    continuationToken = page.continuationToken;
  } while (continuationToken !== undefined);
  return countsOf(byStatus);
}
