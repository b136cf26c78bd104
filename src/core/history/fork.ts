/** New beginnings cut from an existing history: rerun from an event, and rewind of a failure. Pure. */
import { clone } from "@bufbuild/protobuf";
import { EventNotRerunnableError, InvalidArgumentError } from "../errors.ts";
import type { RerunRequest } from "../hub/backend.ts";
import { type HistoryEvent, HistoryEventSchema } from "../protocol/gen/perdura/model/v1/history_pb.ts";
import { defaultChildId } from "./child-id.ts";
import { type ResultKey, resultKeyOf, resultKeyText } from "./dedup.ts";

/** A history to go on from. */
export interface ForkedHistory {
  /** Events of whole turns, to be stored as they are. */
  readonly history: readonly HistoryEvent[];
  /** Events that are to be delivered anew, in the first turn. */
  readonly inbound: readonly HistoryEvent[];
  /** TaskScheduled events in `history` that have no result: their activities are to be run. */
  readonly tasks: readonly HistoryEvent[];
  /** SubOrchestrationInstanceCreated events in `history` that have no result. */
  readonly children: readonly HistoryEvent[];
}

/**
 * The history of a new run that begins at `request.eventId` of another run's history: what came before that event's turn
 * has happened, what was scheduled in that turn happens anew, everything later is dropped.
 *
 * Other work of the same turn stays scheduled (and runs anew as well), since the code asks for all of a turn's work at once.
 * Sub-orchestrations without a result are started anew under ids of the new run.
 *
 * @param newInstanceId id of the new run, from which its children's ids are made.
 * @param generation the generation that the events are of.
 * @throws {@link EventNotRerunnableError}, {@link InvalidArgumentError}.
 */
export function forkForRerun(
  events: readonly HistoryEvent[],
  request: RerunRequest,
  newInstanceId: string,
  generation = 0,
): ForkedHistory {
  const { eventId, sourceInstanceId } = request;
  const at = events.findIndex((event) => event.eventId === eventId && eventId >= 0);
  const target = events[at];
  if (target === undefined) {
    throw new EventNotRerunnableError(
      `'${sourceInstanceId}' does not have history event with ID '${eventId}': pick an id from its history`,
    );
  }
  checkTarget(target, request);
  const turnEnd = events.findIndex((event, index) => index > at && event.eventType.case === "orchestratorStarted");
  const turns = events.slice(0, turnEnd < 0 ? events.length : turnEnd);
  if (turns.some((event) => event.eventType.case === "executionCompleted")) {
    throw new EventNotRerunnableError(
      `the orchestration ended in the turn of event '${eventId}' and did not wait for it: restart '${sourceInstanceId}' instead`,
    );
  }
  const kept = turns.map((event) => clone(HistoryEventSchema, event));
  const fork = pendingOf(kept);
  for (const child of fork.children) {
    if (child.eventType.case !== "subOrchestrationInstanceCreated") continue;
    const isTarget = child.eventId === eventId;
    child.eventType.value.instanceId =
      (isTarget ? request.newChildInstanceId : undefined) ?? defaultChildId(newInstanceId, generation, child.eventId);
  }
  const renamed = kept.find((event) => event.eventId === eventId);
  if (renamed !== undefined && request.overwriteInput === true) overwriteInput(renamed, request.input);
  return { history: kept, inbound: [], ...fork };
}

function checkTarget(target: HistoryEvent, request: RerunRequest): void {
  const { eventId, newChildInstanceId, overwriteInput: overwrites } = request;
  switch (target.eventType.case) {
    case "taskScheduled":
      if (newChildInstanceId !== undefined) {
        throw new InvalidArgumentError(`cannot set new child workflow instance ID on activity event '${eventId}'`);
      }
      return;
    case "timerCreated":
      if (overwrites === true) throw new InvalidArgumentError(`cannot write input to timer event '${eventId}'`);
      if (newChildInstanceId !== undefined) {
        throw new InvalidArgumentError(`cannot set new child workflow instance ID on timer event '${eventId}'`);
      }
      return;
    case "subOrchestrationInstanceCreated":
      return;
    case "detachedWorkflowInstanceCreated":
      throw new InvalidArgumentError(`event '${eventId}' started a detached orchestration: it cannot be rerun`);
    default:
      throw new EventNotRerunnableError(
        `target event '${target.eventType.case ?? "unknown"}' with ID '${eventId}' is not an event that can be rerun: ` +
          "pick an activity, a timer or a sub-orchestration",
      );
  }
}

function overwriteInput(event: HistoryEvent, input: string | undefined): void {
  const { case: kind, value } = event.eventType;
  if (kind !== "taskScheduled" && kind !== "subOrchestrationInstanceCreated") return;
  if (input === undefined) delete value.input;
  else value.input = input;
}

/**
 * The history of a FAILED run without its last turn, in which it failed. Of what woke that turn, failures are undone (the
 * activity or sub-orchestration runs again) and all else is delivered anew, so that mended code, too, gets a second try.
 */
export function forkForRewind(
  events: readonly HistoryEvent[],
): ForkedHistory & { readonly failedChildren: readonly number[] } {
  const lastTurn = events.findLastIndex((event) => event.eventType.case === "orchestratorStarted");
  const history = events.slice(0, Math.max(lastTurn, 0));
  const woken = events.slice(Math.max(lastTurn, 0));
  const inbound: HistoryEvent[] = [];
  const failedChildren: number[] = [];
  for (const event of woken) {
    const { case: kind, value } = event.eventType;
    if (event.eventId >= 0 || kind === "orchestratorStarted" || kind === "executionCompleted") continue;
    // Timers fire again by themselves, and failed activities run again, since their creation has no result any more.
    if (kind === "timerFired" || kind === "taskFailed" || kind === "executionRewound") continue;
    if (kind === "subOrchestrationInstanceFailed") failedChildren.push(value.taskScheduledId);
    else inbound.push(event);
  }
  const answered = new Set(inbound.flatMap((event) => keyTexts(resultKeyOf(event))));
  const { tasks, children } = pendingOf(history);
  return {
    history,
    inbound,
    tasks: tasks.filter((event) => !answered.has(`task:${event.eventId}`)),
    children: children.filter((event) => !answered.has(`child:${event.eventId}`)),
    failedChildren,
  };
}

/** The activities and sub-orchestrations that a list of events has scheduled and not resolved. */
export function pendingOf(events: readonly HistoryEvent[]): Pick<ForkedHistory, "tasks" | "children"> {
  const resolved = new Set(events.flatMap((event) => keyTexts(resultKeyOf(event))));
  const open = (kind: string, key: string): HistoryEvent[] =>
    events.filter((event) => event.eventType.case === kind && !resolved.has(`${key}:${event.eventId}`));
  return { tasks: open("taskScheduled", "task"), children: open("subOrchestrationInstanceCreated", "child") };
}

function keyTexts(key: ResultKey | undefined): string[] {
  return key === undefined ? [] : [resultKeyText(key)];
}

/**
 * The ids of all sub-orchestrations that a history has begun, each once. One that was refused, since its id was taken, is
 * somebody else's.
 */
export function childIdsOf(events: readonly HistoryEvent[]): readonly string[] {
  const refused = new Set<number>();
  for (const { eventType } of events) {
    if (eventType.case !== "subOrchestrationInstanceFailed") continue;
    const { taskScheduledId, failureDetails } = eventType.value;
    if (failureDetails?.errorType === REFUSED_CHILD) refused.add(taskScheduledId);
  }
  const ids = new Set<string>();
  for (const { eventId, eventType } of events) {
    if (eventType.case === "subOrchestrationInstanceCreated" && !refused.has(eventId))
      ids.add(eventType.value.instanceId);
  }
  return [...ids];
}

/** The error type of a sub-orchestration that was not started, since its id was taken. */
export const REFUSED_CHILD = "InstanceExistsError";
