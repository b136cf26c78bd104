import { InstanceNotFoundError } from "../errors.ts";
import type { PurgeOptions } from "./backend.ts";

/** How one instance of a tree is purged. */
export interface PurgeOneOptions extends Pick<PurgeOptions, "force"> {
  /** Tell a waiting parent that its child is gone. Default true; within a tree the parent goes as well. */
  readonly tellParent?: boolean;
}

/** What a recursive purge needs of a hub. */
export interface Purger {
  /**
   * Ids of the sub-orchestrations of an instance that may be purged.
   *
   * @throws {@link InstanceNotFoundError}, {@link InstanceNotCompletedError}.
   */
  childrenOf(instanceId: string, options: Pick<PurgeOptions, "force">): Promise<readonly string[]>;
  /** Purges one instance. @throws {@link InstanceNotFoundError}, {@link InstanceNotCompletedError}. */
  purgeOne(instanceId: string, options: PurgeOneOptions): Promise<void>;
}

/**
 * Purges an instance, its sub-orchestrations first. A child that is gone already is no obstacle; one that still runs ends
 * the purge with its error, and what was purged by then stays purged. Returns how many instances were purged.
 */
export function purgeRecursively(purger: Purger, instanceId: string, options: PurgeOptions): Promise<number> {
  return purgeTree(purger, instanceId, options, new Set());
}

/** @param seen the instances that were taken up: children whose ids were given by code may lead back to one. */
async function purgeTree(
  purger: Purger,
  instanceId: string,
  options: PurgeOptions,
  seen: Set<string>,
): Promise<number> {
  seen.add(instanceId);
  const { force } = options;
  const only = force === undefined ? {} : { force };
  let count = 0;
  if (options.recursive !== false) {
    for (const child of await purger.childrenOf(instanceId, only)) {
      if (seen.has(child)) continue;
      try {
        count += await purgeTree(purger, child, options, seen);
      } catch (error) {
        if (!(error instanceof InstanceNotFoundError)) throw error;
      }
    }
  }
  await purger.purgeOne(instanceId, seen.values().next().value === instanceId ? only : { ...only, tellParent: false });
  return count + 1;
}
