import { create } from "@bufbuild/protobuf";
import { subOrchestrationCompleted, subOrchestrationFailed } from "../protocol/events.ts";
import {
  type CompleteOrchestrationAction,
  OrchestrationStatus,
  type TaskFailureDetails,
  TaskFailureDetailsSchema,
} from "../protocol/gen/perdura/model/v1/history_pb.ts";
import { statusName } from "../protocol/status.ts";
import type { OrchestrationRuntimeState, PendingMessage } from "./runtime-state.ts";

/**
 * The message that tells a parent how its sub-orchestration ended, or `undefined` when there is no parent. It names the
 * parent's generation and execution, so that a parent that has continued as new, or another run of its id, drops it.
 */
export function notifyParent(
  state: OrchestrationRuntimeState,
  completion: CompleteOrchestrationAction,
  nowMs: number,
): PendingMessage | undefined {
  const parent = state.startEvent?.parentInstance;
  const targetInstanceId = parent?.orchestrationInstance?.instanceId;
  if (parent === undefined || targetInstanceId === undefined || targetInstanceId === "") return undefined;
  const { taskScheduledId } = parent;
  const event =
    completion.orchestrationStatus === OrchestrationStatus.COMPLETED
      ? subOrchestrationCompleted(taskScheduledId, { result: completion.result }, nowMs)
      : subOrchestrationFailed(taskScheduledId, { failureDetails: failureOf(state, completion) }, nowMs);
  if (parent.appID !== undefined && parent.appID !== "") {
    // The reference routes a completion back to the app that asked.
    event.router = {
      $typeName: "perdura.model.v1.TaskRouter",
      sourceAppID: state.startEvent?.parentInstance?.appID ?? "",
      targetAppID: parent.appID,
    };
  }
  const executionId = parent.orchestrationInstance?.executionId;
  const message = { targetInstanceId, event, generation: parent.generation };
  return executionId === undefined ? message : { ...message, executionId };
}

/** A terminated or cancelled child has no failure of its own: without details its parent would take it for a success. */
function failureOf(state: OrchestrationRuntimeState, completion: CompleteOrchestrationAction): TaskFailureDetails {
  if (completion.failureDetails !== undefined) return completion.failureDetails;
  const status = statusName(completion.orchestrationStatus);
  return create(TaskFailureDetailsSchema, {
    errorType: status === "TERMINATED" ? "OrchestrationTerminatedError" : "OrchestrationEndedError",
    errorMessage: `sub-orchestration '${state.instanceId}' ended as ${status}`,
    isNonRetriable: true,
  });
}
