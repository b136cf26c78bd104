import { InvalidArgumentError } from "../errors.ts";
import { OrchestrationStatus } from "./gen/perdura/model/v1/history_pb.ts";

/** The state of an instance, as text. */
export type RuntimeStatus =
  | "RUNNING"
  | "COMPLETED"
  | "CONTINUED_AS_NEW"
  | "FAILED"
  | "CANCELED"
  | "TERMINATED"
  | "PENDING"
  | "SUSPENDED"
  | "STALLED";

const statuses: ReadonlyMap<string, OrchestrationStatus> = new Map<RuntimeStatus, OrchestrationStatus>([
  ["RUNNING", OrchestrationStatus.RUNNING],
  ["COMPLETED", OrchestrationStatus.COMPLETED],
  ["CONTINUED_AS_NEW", OrchestrationStatus.CONTINUED_AS_NEW],
  ["FAILED", OrchestrationStatus.FAILED],
  ["CANCELED", OrchestrationStatus.CANCELED],
  ["TERMINATED", OrchestrationStatus.TERMINATED],
  ["PENDING", OrchestrationStatus.PENDING],
  ["SUSPENDED", OrchestrationStatus.SUSPENDED],
  ["STALLED", OrchestrationStatus.STALLED],
]);

const names: ReadonlyMap<OrchestrationStatus, RuntimeStatus> = new Map(
  Array.from(statuses, ([name, status]) => [status, name as RuntimeStatus]),
);

/**
 * The name of a status.
 *
 * @throws InvalidArgumentError for a number that no status has (a newer peer may send one).
 */
export function statusName(status: OrchestrationStatus): RuntimeStatus {
  const name = names.get(status);
  if (name === undefined) {
    throw new InvalidArgumentError(`${status} is not the number of an orchestration status: expected 0 to 8`);
  }
  return name;
}

/**
 * The status that a name stands for, in the exact spelling of {@link RuntimeStatus}.
 *
 * @throws InvalidArgumentError for any other text.
 */
export function statusFromName(name: string): OrchestrationStatus {
  const status = statuses.get(name);
  if (status === undefined) {
    throw new InvalidArgumentError(
      `'${name}' is not an orchestration status: use one of ${Array.from(statuses.keys()).join(", ")}`,
    );
  }
  return status;
}

/** Whether an instance of this status has ended for good: completed, failed, terminated or canceled. */
export function isTerminal(status: OrchestrationStatus): boolean {
  return (
    status === OrchestrationStatus.COMPLETED ||
    status === OrchestrationStatus.FAILED ||
    status === OrchestrationStatus.TERMINATED ||
    status === OrchestrationStatus.CANCELED
  );
}
