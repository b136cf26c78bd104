import { InstanceNotCompletedError, InstanceNotFoundError } from "../../core/errors.ts";
import { type Duration, toMilliseconds } from "../../core/orchestration/duration.ts";
import type { Partition } from "../../core/partition/partition.ts";
import type { RuntimeStatus } from "../../core/protocol/status.ts";

/** How long ended instances are kept. Without either limit: until somebody purges them. */
export interface RetentionOptions {
  /** Those that ended longer ago are purged. */
  readonly age?: Duration;
  /** At most so many are kept; the oldest go first. */
  readonly count?: number;
}

const ENDED: readonly RuntimeStatus[] = ["COMPLETED", "FAILED", "TERMINATED", "CANCELED"];

/** Deletes ended instances. Returns how many. */
export type Purge = (instanceIds: readonly string[]) => Promise<number>;

/**
 * Purges ended instances past their retention. Returns how many.
 *
 * @param purge how they go. Default: one by one, by the partition.
 */
export async function sweepEnded(
  partition: Partition,
  { age, count }: RetentionOptions,
  nowMs: number,
  purge: Purge = (instanceIds) => purgeAll(partition, instanceIds),
): Promise<number> {
  let purged = 0;
  if (age !== undefined) {
    const completedTo = new Date(nowMs - toMilliseconds(age, "the retention's age"));
    for (;;) {
      const { instanceIds } = await partition.listInstanceIds({ runtimeStatus: ENDED, completedTo, order: "oldest" });
      if (instanceIds.length === 0) break;
      const gone = await purge(instanceIds);
      purged += gone;
      // What cannot go now is left for the next time.
      if (gone === 0) break;
    }
  }
  if (count !== undefined) purged += await keepNewest(partition, count, purge);
  return purged;
}

async function keepNewest(partition: Partition, count: number, purge: Purge): Promise<number> {
  let seen = 0;
  let purged = 0;
  let continuationToken: string | undefined;
  do {
    const page = await partition.listInstanceIds({
      runtimeStatus: ENDED,
      pageSize: 1000,
      ...(continuationToken === undefined ? {} : { continuationToken }),
    });
    purged += await purge(page.instanceIds.slice(Math.max(0, count - seen)));
    seen += page.instanceIds.length;
    continuationToken = page.continuationToken;
  } while (continuationToken !== undefined);
  return purged;
}

async function purgeAll(partition: Partition, instanceIds: readonly string[]): Promise<number> {
  let purged = 0;
  for (const instanceId of instanceIds) {
    try {
      await partition.purgeOne(instanceId);
      purged++;
    } catch (error) {
      // Started over, or purged by somebody else meanwhile.
      if (!(error instanceof InstanceNotCompletedError || error instanceof InstanceNotFoundError)) throw error;
    }
  }
  return purged;
}
