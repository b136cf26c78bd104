import { InvalidArgumentError } from "../errors.ts";
import { defined } from "../protocol/defined.ts";
import {
  detachedCreated,
  eventSent,
  executionCompleted,
  executionStarted,
  executionTerminated,
  orchestratorStarted,
  subOrchestrationCreated,
  taskScheduled,
  timerCreated,
  timerFired,
} from "../protocol/events.ts";
import {
  type CompleteOrchestrationAction,
  type EngineInfo,
  type HistoryEvent,
  OrchestrationStatus,
  type OrchestratorAction,
  type TraceContext,
} from "../protocol/gen/perdura/model/v1/history_pb.ts";
import { defaultChildId } from "./child-id.ts";
import type { OrchestratorAnswer } from "./orchestrator-answer.ts";
import { notifyParent } from "./parent-notification.ts";
import type { OrchestrationRuntimeState } from "./runtime-state.ts";

/** What applying needs from its surroundings. */
export interface ApplyContext {
  /** Epoch ms of the turn; stamps every synthesized event. */
  readonly nowMs: number;
  /** A new execution id: 32 lower-case hex digits. */
  newExecutionId(): string;
  /** Stamped on the first OrchestratorStarted of a new generation. */
  readonly engine: EngineInfo | undefined;
  /** Trace context that scheduled work inherits. */
  readonly traceContext?: TraceContext | undefined;
}

/**
 * Applies an answer's actions to the state, in the order given.
 *
 * Returns true when the orchestration continued as new: the state then is the new generation's, to be executed again.
 * Fire-and-forget messages (events, terminations, detached starts) of that turn are kept; tasks, timers and
 * sub-orchestrations begun in it are not, since nothing could receive their results.
 *
 * @throws {@link InvalidArgumentError} for an action kind that orchestrations cannot use.
 */
export function applyActions(
  state: OrchestrationRuntimeState,
  answer: OrchestratorAnswer,
  context: ApplyContext,
): boolean {
  state.customStatus = answer.customStatus;
  state.eventWaits = answer.eventWaits;
  state.cancelledTimers.push(...(answer.cancelledTimers ?? []));
  state.cancelledTasks.push(...(answer.cancelledTasks ?? []));
  stampPatches(state, answer.patches ?? []);
  for (const action of answer.actions) {
    if (applyAction(state, action, context)) return true;
  }
  return false;
}

function applyAction(state: OrchestrationRuntimeState, action: OrchestratorAction, context: ApplyContext): boolean {
  const { case: kind, value } = action.orchestratorActionType;
  const { nowMs, traceContext } = context;
  switch (kind) {
    case "completeOrchestration":
      if (value.orchestrationStatus === OrchestrationStatus.CONTINUED_AS_NEW) {
        continueAsNew(state, value, context);
        return true;
      }
      complete(state, action, value, nowMs);
      return false;
    case "scheduleTask": {
      const event = taskScheduled(
        action.id,
        {
          name: value.name,
          version: value.version,
          input: value.input,
          taskExecutionId: value.taskExecutionId,
          parentTraceContext: value.parentTraceContext ?? traceContext,
          tags: value.tags,
          timeoutMs: value.timeoutMs,
          attempt: value.attempt,
        },
        nowMs,
      );
      state.addEvent(withRouter(event, action));
      state.pendingTasks.push(event);
      return false;
    }
    case "createTimer": {
      const { fireAt } = value;
      if (fireAt === undefined) throw new InvalidArgumentError(`timer action ${action.id} has no fireAt: set one`);
      state.addEvent(
        timerCreated(action.id, { fireAt, name: value.name, origin: value.origin, attempt: value.attempt }, nowMs),
      );
      state.pendingTimers.push(timerFired({ timerId: action.id, fireAt }, nowMs));
      return false;
    }
    case "createSubOrchestration": {
      const instanceId =
        value.instanceId === "" ? defaultChildId(state.instanceId, state.generation, action.id) : value.instanceId;
      const created = subOrchestrationCreated(
        action.id,
        {
          instanceId,
          name: value.name,
          version: value.version,
          input: value.input,
          parentTraceContext: value.parentTraceContext ?? traceContext,
          retryParentInstanceInfo: value.retryParentInstanceInfo,
          tags: value.tags,
        },
        nowMs,
      );
      state.addEvent(withRouter(created, action));
      const start = executionStarted(
        {
          name: value.name,
          version: value.version,
          input: value.input,
          tags: value.tags,
          instanceId,
          executionId: context.newExecutionId(),
          parentTraceContext: value.parentTraceContext ?? traceContext,
          parent: defined({
            taskScheduledId: action.id,
            name: state.name,
            version: state.startEvent?.version,
            orchestrationInstance: defined({
              instanceId: state.instanceId,
              executionId: state.startEvent?.orchestrationInstance?.executionId,
            }),
            appID: action.router?.sourceAppID,
            generation: state.generation,
          }),
        },
        nowMs,
      );
      state.pendingMessages.push({ targetInstanceId: instanceId, event: withRouter(start, action) });
      return false;
    }
    case "sendEvent": {
      const target = value.instance?.instanceId ?? "";
      const event = eventSent(action.id, { instanceId: target, name: value.name, input: value.data }, nowMs);
      state.addEvent(event);
      state.pendingMessages.push({ targetInstanceId: target, event });
      return false;
    }
    case "terminateOrchestration":
      state.pendingMessages.push({
        targetInstanceId: value.instanceId,
        event: executionTerminated({ input: value.reason, recurse: value.recurse }, nowMs),
      });
      return false;
    case "createDetachedWorkflow": {
      if (value.instanceId === "") {
        throw new InvalidArgumentError("CreateDetachedWorkflowAction requires an instance ID");
      }
      state.addEvent(detachedCreated(action.id, { instanceId: value.instanceId }, nowMs));
      const executionId = value.executionId === undefined || value.executionId === "" ? undefined : value.executionId;
      state.pendingMessages.push({
        targetInstanceId: value.instanceId,
        event: executionStarted(
          {
            name: value.name,
            version: value.version,
            input: value.input,
            tags: value.tags,
            instanceId: value.instanceId,
            executionId: executionId ?? context.newExecutionId(),
            scheduledStart: value.scheduledStartTimestamp,
            parentTraceContext: value.parentTraceContext ?? traceContext,
          },
          nowMs,
        ),
      });
      return false;
    }
    default:
      throw new InvalidArgumentError(`unknown action type: ${kind ?? "none"} (id ${action.id})`);
  }
}

/** The first completion stands: a second one neither overrides it nor tells the parent again. */
function complete(
  state: OrchestrationRuntimeState,
  action: OrchestratorAction,
  completion: CompleteOrchestrationAction,
  nowMs: number,
): void {
  if (state.isCompleted) return;
  const event = executionCompleted(
    action.id,
    {
      status: completion.orchestrationStatus,
      result: completion.result,
      failureDetails: completion.failureDetails,
    },
    nowMs,
  );
  state.addEvent(withRouter(event, action));
  const message = notifyParent(state, completion, nowMs);
  if (message !== undefined) state.pendingMessages.push(message);
}

/**
 * Replaces the state by the next generation's: a fresh start event that keeps name, version, tags and parent, then the
 * carried events in the order given.
 */
function continueAsNew(
  state: OrchestrationRuntimeState,
  completion: CompleteOrchestrationAction,
  context: ApplyContext,
): void {
  const start = state.startEvent;
  const name = state.name;
  const generation = state.generation + 1;
  state.beginGeneration(generation);
  state.addEvent(orchestratorStarted(context.nowMs, { engine: context.engine }));
  const next = executionStarted(
    {
      name,
      version: completion.newVersion ?? start?.version,
      input: completion.result,
      tags: start?.tags,
      instanceId: state.instanceId,
      executionId: context.newExecutionId(),
      generation,
    },
    context.nowMs,
  );
  if (next.eventType.case === "executionStarted" && start?.parentInstance !== undefined) {
    next.eventType.value.parentInstance = start.parentInstance;
  }
  state.addEvent(next);
  // A carried duplicate (a second start, say) is dropped; the rest keeps its order.
  state.addEvents(completion.carryoverEvents);
}

/** Patches belong to the turn that applied them first, on its OrchestratorStarted. */
function stampPatches(state: OrchestrationRuntimeState, patches: readonly string[]): void {
  if (patches.length === 0) return;
  const turn = state.newEvents.findLast((event) => event.eventType.case === "orchestratorStarted");
  if (turn?.eventType.case !== "orchestratorStarted") return;
  const started = turn.eventType.value;
  const stamped = orchestratorStarted(0, { version: { patches: [...(started.version?.patches ?? []), ...patches] } });
  if (stamped.eventType.case === "orchestratorStarted" && stamped.eventType.value.version !== undefined) {
    started.version = stamped.eventType.value.version;
  }
}

function withRouter(event: HistoryEvent, action: OrchestratorAction): HistoryEvent {
  if (action.router !== undefined) event.router = action.router;
  return event;
}
