import type { RuntimeStatus } from "../protocol/status.ts";
import type { OrchestrationMetadata } from "./metadata.ts";

/** Which instances to list. All given conditions must hold. */
export interface InstanceQuery {
  /** Any of these states. */
  readonly runtimeStatus?: readonly RuntimeStatus[];
  /** Any of these orchestrator names. */
  readonly name?: string | readonly string[];
  /** Each of these tags with exactly that value. */
  readonly tags?: Readonly<Record<string, string>>;
  readonly instanceIdPrefix?: string;
  /** Created at or after. */
  readonly createdFrom?: Date;
  /** Created before. */
  readonly createdTo?: Date;
  /** Ended at or after; running instances do not match. */
  readonly completedFrom?: Date;
  /** Ended before; running instances do not match. */
  readonly completedTo?: Date;
  /** By time of creation, then id. Default `"newest"` first. */
  readonly order?: "newest" | "oldest";
  /** Page size, 1 to 1000. Default 100. */
  readonly pageSize?: number;
  /** From the page before. */
  readonly continuationToken?: string;
  /** Include input, output and failure details. Default false. */
  readonly fetchPayloads?: boolean;
}

/** A page of instances. */
export interface InstancePage {
  readonly instances: readonly OrchestrationMetadata[];
  /** Absent on the last page. */
  readonly continuationToken?: string;
}

/** A page of ids. */
export interface InstanceIdPage {
  readonly instanceIds: readonly string[];
  /** Absent on the last page. */
  readonly continuationToken?: string;
}
