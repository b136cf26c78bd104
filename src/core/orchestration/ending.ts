import type { FailureDetails } from "../hub/metadata.ts";
import { completeOrchestrationAction } from "../protocol/actions.ts";
import {
  type HistoryEvent,
  OrchestrationStatus,
  type OrchestratorAction,
} from "../protocol/gen/perdura/model/v1/history_pb.ts";
import type { ActionIdentity } from "./recorded-action.ts";

/** How an orchestration came to its end. */
export type Ending = {
  /** The id of its completion. */
  readonly id: number;
  /** The turn in which it ended, counted from 1. */
  readonly turn: number;
} & (
  | { readonly how: "returned"; readonly result: string | undefined }
  | { readonly how: "continued"; readonly input: string | undefined; readonly keepEvents: boolean }
  | { readonly how: "failed"; readonly failure: FailureDetails }
  /** It did not do what its history says: nothing else that it asked for is of use. */
  | { readonly how: "diverged"; readonly failure: FailureDetails }
  | { readonly how: "terminated"; readonly result: string | undefined }
);

/** What replay compares of a completion. */
export function identityOfEnding(ending: Ending): ActionIdentity {
  return { kind: "completion", id: ending.id, name: "" };
}

/**
 * The completion action of an end.
 *
 * @param unconsumed events that nobody took, in order of arrival: a continue-as-new that keeps events carries them.
 */
export function completionOf(ending: Ending, unconsumed: () => readonly HistoryEvent[]): OrchestratorAction {
  switch (ending.how) {
    case "returned":
      return completeOrchestrationAction(ending.id, { status: OrchestrationStatus.COMPLETED, result: ending.result });
    case "continued":
      return completeOrchestrationAction(ending.id, {
        status: OrchestrationStatus.CONTINUED_AS_NEW,
        result: ending.input,
        carryoverEvents: ending.keepEvents ? [...unconsumed()] : [],
      });
    case "failed":
    case "diverged":
      return completeOrchestrationAction(ending.id, {
        status: OrchestrationStatus.FAILED,
        failureDetails: ending.failure,
      });
    case "terminated":
      return completeOrchestrationAction(ending.id, { status: OrchestrationStatus.TERMINATED, result: ending.result });
  }
}
