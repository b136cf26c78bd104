/** Runtime states for tests: a started orchestration, and how to apply actions to one. */

import { type ApplyContext, applyActions } from "../../../src/core/history/apply-actions.ts";
import type { OrchestratorAnswer } from "../../../src/core/history/orchestrator-answer.ts";
import { OrchestrationRuntimeState } from "../../../src/core/history/runtime-state.ts";
import {
  type ExecutionStartedFields,
  executionStarted,
  orchestratorStarted,
} from "../../../src/core/protocol/events.ts";
import type { HistoryEvent, OrchestratorAction } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";

export const T0 = 1_700_000_000_000;

/** A start event at T0. */
export function start(fields: Partial<ExecutionStartedFields> = {}): HistoryEvent {
  return executionStarted({ name: "main", instanceId: "abc", executionId: "e1", input: "1", ...fields }, T0);
}

/** A state in the turn of its start. */
export function started(fields: Partial<ExecutionStartedFields> = {}): OrchestrationRuntimeState {
  const state = OrchestrationRuntimeState.fromHistory("abc", []);
  state.addEvent(orchestratorStarted(T0));
  state.addEvent(start(fields));
  return state;
}

/** What actions are applied with: T0 plus a second, and execution ids `new-1`, `new-2`. */
function applyContext(more: Partial<ApplyContext> = {}): ApplyContext {
  let count = 0;
  return { nowMs: T0 + 1000, newExecutionId: () => `new-${++count}`, engine: undefined, ...more };
}

/** Applies actions. Returns whether the orchestration continued as new. */
export function apply(
  state: OrchestrationRuntimeState,
  actions: readonly OrchestratorAction[],
  more: Partial<OrchestratorAnswer> = {},
  context: Partial<ApplyContext> = {},
): boolean {
  return applyActions(state, { actions, customStatus: undefined, ...more }, applyContext(context));
}

/** The kinds of events. */
export function kinds(events: readonly HistoryEvent[]): (string | undefined)[] {
  return events.map(({ eventType }) => eventType.case);
}

/** What events of a kind carry. */
type PayloadOf<K extends HistoryEvent["eventType"]["case"]> =
  Extract<HistoryEvent["eventType"], { case: K }> extends { value: infer V } ? V : never;

/** The payload of an event of that kind; fails for another. */
export function payload<K extends NonNullable<HistoryEvent["eventType"]["case"]>>(
  event: HistoryEvent | undefined,
  kind: K,
): PayloadOf<K> {
  if (event?.eventType.case !== kind) throw new Error(`expected ${kind}, got ${event?.eventType.case}`);
  return event.eventType.value as PayloadOf<K>;
}
