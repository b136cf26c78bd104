import { env } from "cloudflare:test";
import type { orchestrationsOf, TaskHubBindings } from "../../src/backends/durable-object/bindings.ts";
import { taskHubClient } from "../../src/backends/durable-object/index.ts";
import { objectName } from "../../src/backends/durable-object/object-name.ts";
import type { HistoryEvent, TaskHubClient } from "../../src/core/index.ts";

/** The bindings of the test Worker. */
export const bindings: TaskHubBindings = env as unknown as TaskHubBindings;

/** A client of the default hub. */
export const client: TaskHubClient = taskHubClient(bindings);

/** The stub of an instance's object in the default hub. */
export function stubOf(instanceId: string): DurableObjectStub {
  const { ORCHESTRATIONS } = bindings;
  return ORCHESTRATIONS.get(ORCHESTRATIONS.idFromName(objectName({ hub: "default", incarnation: 1, instanceId })));
}

/** The same stub, with the methods of an orchestration's object. */
export const rpcOf = (instanceId: string): ReturnType<ReturnType<typeof orchestrationsOf>["get"]> =>
  stubOf(instanceId) as never;

/** Checks that everything a history scheduled was resolved exactly once. */
export function expectEffectsOnce(history: readonly HistoryEvent[]): void {
  const scheduled = new Set<number>();
  const resolved = new Map<number, number>();
  for (const { eventId, eventType } of history) {
    if (eventType.case === "taskScheduled" || eventType.case === "subOrchestrationInstanceCreated") {
      if (scheduled.has(eventId)) throw new Error(`id ${eventId} was scheduled twice`);
      scheduled.add(eventId);
    }
    if (
      eventType.case === "taskCompleted" ||
      eventType.case === "taskFailed" ||
      eventType.case === "subOrchestrationInstanceCompleted" ||
      eventType.case === "subOrchestrationInstanceFailed"
    ) {
      const { taskScheduledId: id } = eventType.value;
      resolved.set(id, (resolved.get(id) ?? 0) + 1);
    }
  }
  for (const id of scheduled) {
    if (resolved.get(id) !== 1) throw new Error(`id ${id} was resolved ${resolved.get(id) ?? 0} times`);
  }
}
