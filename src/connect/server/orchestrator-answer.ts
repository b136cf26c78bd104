import type { OrchestratorAnswer } from "../../core/history/orchestrator-answer.ts";
import { checkInstanceId, checkName } from "../../core/limits.ts";
import { completeOrchestrationAction } from "../../core/protocol/actions.ts";
import {
  type OpenEventWait,
  OrchestrationStatus,
  type OrchestratorAction,
  type OrchestratorResponse,
} from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { isTerminal } from "../../core/protocol/status.ts";
import { timestampToMs } from "../../core/protocol/timestamp.ts";

/** The last moment that a timer may be set for: the end of the year 9999. */
const LATEST_MS = 253_402_300_799_999;

/**
 * What a worker's response asks for. A response that no engine can carry out fails the orchestration, and nothing else: it
 * would come again and again otherwise.
 */
export function answerOf(response: OrchestratorResponse, newUuid: () => string): OrchestratorAnswer {
  const { actions, customStatus, version, eventWaits, cancelledTimers, cancelledTasks } = response;
  if (actions.some(({ orchestratorActionType }) => orchestratorActionType.case === "workflowVersionNotAvailable")) {
    const message =
      "the worker does not have the version that the orchestration was begun with: connect one that has it";
    return { actions: [], customStatus: undefined, parked: { code: "version_not_available", message } };
  }
  const problem = problemOf(actions);
  if (problem !== undefined) return failure(problem, actions);
  for (const { orchestratorActionType } of actions) {
    const { case: kind, value } = orchestratorActionType;
    // Most SDKs leave it to the engine to name an activity's execution.
    if (kind === "scheduleTask" && value.taskExecutionId === "") value.taskExecutionId = newUuid();
  }
  return {
    actions,
    customStatus,
    ...(version === undefined || version.patches.length === 0 ? {} : { patches: version.patches }),
    ...(eventWaits === undefined ? {} : { eventWaits: eventWaits.waits.map(waitOf) }),
    ...(cancelledTimers.length === 0 ? {} : { cancelledTimers }),
    ...(cancelledTasks.length === 0 ? {} : { cancelledTasks }),
  };
}

type OpenWait = NonNullable<OrchestratorAnswer["eventWaits"]>[number];

function waitOf({ name, count, deadlineMs }: OpenEventWait): OpenWait {
  return deadlineMs === undefined ? { name, count } : { name, count, deadlineMs };
}

function failure(message: string, actions: readonly OrchestratorAction[]): OrchestratorAnswer {
  const id = actions.reduce((highest, action) => Math.max(highest, action.id), -1) + 1;
  const failureDetails = { errorType: "InvalidOrchestratorResponse", errorMessage: message, isNonRetriable: true };
  const action = completeOrchestrationAction(id, { status: OrchestrationStatus.FAILED, failureDetails });
  return { actions: [action], customStatus: undefined };
}

/** What is wrong with the actions, in words. */
function problemOf(actions: readonly OrchestratorAction[]): string | undefined {
  const ids = new Set<number>();
  for (const action of actions) {
    // Completions have no id of their own in some SDKs, and nothing is recorded of a termination.
    if (action.id >= 0 && ids.has(action.id)) return `two actions have the id ${action.id}`;
    ids.add(action.id);
    try {
      checkAction(action);
    } catch (error) {
      return `action ${action.id}: ${(error as Error).message}`;
    }
  }
  return undefined;
}

function checkAction({ id, orchestratorActionType }: OrchestratorAction): void {
  const { case: kind, value } = orchestratorActionType;
  if (id < 0 && kind !== "completeOrchestration" && kind !== "terminateOrchestration")
    throw new Error("its id is negative");
  switch (kind) {
    case "scheduleTask":
      checkName("activity name", value.name);
      break;
    case "createSubOrchestration":
      checkName("orchestrator name", value.name);
      break;
    case "createTimer": {
      const at = value.fireAt === undefined ? Number.NaN : timestampToMs(value.fireAt);
      if (!(at >= -LATEST_MS && at <= LATEST_MS))
        throw new Error("its time is missing or not within the years 1 to 9999");
      break;
    }
    case "sendEvent":
      checkName("event name", value.name);
      checkInstanceId(value.instance?.instanceId ?? "");
      break;
    case "completeOrchestration": {
      const { orchestrationStatus: status } = value;
      if (!isTerminal(status) && status !== OrchestrationStatus.CONTINUED_AS_NEW)
        throw new Error(`${status} is not how a run ends`);
      break;
    }
    case "terminateOrchestration":
    case "createDetachedWorkflow":
      checkInstanceId(value.instanceId);
      break;
    default:
      throw new Error(`actions of kind ${kind ?? "unknown"} are not supported`);
  }
}
