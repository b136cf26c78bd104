import type { Ids } from "./ports.ts";

/** A new execution id: 32 lower-case hex digits, as the SDKs of the family expect. */
export function newExecutionId(ids: Ids): string {
  return ids.uuid().replaceAll("-", "").toLowerCase();
}
