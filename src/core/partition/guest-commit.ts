import { WorkItemLockLostError } from "../errors.ts";
import type { Commit } from "./ports.ts";

/** Checks a batch that carries no epoch: it may only create. @throws {@link WorkItemLockLostError}. */
export function checkCreates({ writes }: Commit): void {
  for (const { instanceId, incarnation } of writes) {
    if (incarnation !== "") throw new WorkItemLockLostError(`only the owner writes to '${instanceId}'`);
  }
}
