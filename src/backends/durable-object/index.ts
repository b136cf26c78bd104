export type { TaskHubBindings } from "./bindings.ts";
export { type DispatcherObjectClass, type DispatcherObjectOptions, dispatcherObject } from "./dispatcher-object.ts";
export { HubIndexObject } from "./hub-index-object.ts";
export {
  type OrchestrationObjectClass,
  type OrchestrationObjectOptions,
  orchestrationObject,
} from "./orchestration-object.ts";
export { RoutedHub } from "./routed-hub.ts";
export { taskHubClient, type WorkerClientOptions } from "./task-hub-client.ts";
export { type TaskHubRouteOptions, taskHubRoutes } from "./task-hub-routes.ts";
