import { newTaskHubClient, type TaskHubClient, type TaskHubClientOptions } from "../../core/hub/task-hub-client.ts";
import type { TaskHubBindings } from "./bindings.ts";
import { RoutedHub } from "./routed-hub.ts";

/** How a Worker's client is made. */
export interface WorkerClientOptions extends TaskHubClientOptions {
  /** The hub's name: `[A-Za-z0-9_-]{1,64}`. Default `default`. */
  readonly hub?: string;
}

/**
 * The client of a hub, for code in a Worker: every call goes to the instance's own object.
 *
 * @example
 * const client = taskHubClient(env, { registry });
 * const id = await client.scheduleNewOrchestration(checkout, order);
 *
 * @throws {@link InvalidArgumentError} for a bad hub name.
 */
export function taskHubClient(env: TaskHubBindings, options: WorkerClientOptions = {}): TaskHubClient {
  return newTaskHubClient(new RoutedHub(env, options.hub ?? "default"), options);
}
