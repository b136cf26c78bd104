import type { HistoryEvent } from "../protocol/gen/perdura/model/v1/history_pb.ts";

/** The kinds of things that an orchestrator asks for and that history records under the action's id. */
export type ActionKind =
  | "activity"
  | "sub-orchestration"
  | "timer"
  | "event"
  | "completion"
  | "detached start"
  | "other";

/** What replay compares of an action, asked for or recorded: its kind, id and name. Payloads and child ids may differ. */
export interface ActionIdentity {
  readonly kind: ActionKind;
  readonly id: number;
  /** Empty where the kind has no name. */
  readonly name: string;
}

/** What a history event records of an action, or `undefined` for an event that records none. */
export function identityOfEvent(event: HistoryEvent): ActionIdentity | undefined {
  const { case: kind, value } = event.eventType;
  const id = event.eventId;
  switch (kind) {
    case "taskScheduled":
      return { kind: "activity", id, name: value.name };
    case "subOrchestrationInstanceCreated":
      return { kind: "sub-orchestration", id, name: value.name };
    case "timerCreated":
      return { kind: "timer", id, name: value.name ?? "" };
    case "eventSent":
      return { kind: "event", id, name: value.name };
    case "executionCompleted":
      return { kind: "completion", id, name: "" };
    case "detachedWorkflowInstanceCreated":
      return { kind: "detached start", id, name: "" };
    default:
      return undefined;
  }
}

/** The words for an action in messages: `activity 'charge' (id 3)`. */
export function describeAction({ kind, id, name }: ActionIdentity): string {
  return name === "" ? `${kind} (id ${id})` : `${kind} '${name}' (id ${id})`;
}
