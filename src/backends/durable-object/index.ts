export type { TaskHubBindings } from "./bindings.ts";
export { HubIndexObject } from "./hub-index-object.ts";
export {
  type OrchestrationObjectClass,
  type OrchestrationObjectOptions,
  orchestrationObject,
} from "./orchestration-object.ts";
export { RoutedHub } from "./routed-hub.ts";
export { taskHubClient, type WorkerClientOptions } from "./task-hub-client.ts";
