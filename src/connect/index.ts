/** The executor protocol over Connect: its server side, a client of a hub anywhere, and a worker for one. */

export { RemoteControl } from "./client/remote-control.ts";
export {
  createRemoteTaskHubWorker,
  type RemoteTaskHubWorker,
  type RemoteWorkerOptions,
} from "./client/remote-worker.ts";
export { createConnectTaskHubClient } from "./client/task-hub-client.ts";
export { isDurableTaskRequest } from "./protocol/services.ts";
export { CompositeExecutor } from "./server/composite-executor.ts";
export {
  type ConnectExecutor,
  type ConnectExecutorOptions,
  createConnectExecutor,
  createConnectHandlers,
  type RouteOptions,
} from "./server/connect-executor.ts";
export { type CorsRules, corsRules } from "./server/cors.ts";
export { DIALECT_HEADER, type DialectChoice } from "./server/dialect-switch.ts";
export { createSidecarFetch, type SidecarFetch } from "./server/fetch-handler.ts";
export { LocalDispatcher, type LocalDispatcherOptions, type WorkerExchange } from "./server/local-dispatcher.ts";
export { RemoteExecutor, type RemoteExecutorOptions } from "./server/remote-executor.ts";
export {
  type RouteSurroundings,
  type ServableHub,
  serveTaskHubRoutes,
  type TaskHubRoutes,
  type TaskHubRoutesOptions,
} from "./server/serve-task-hub-routes.ts";
export type { WorkerConnection } from "./server/work-item-source.ts";
export type { ActivityOrder, Dispatcher, TurnAnswer, TurnOrder, WorkOrder } from "./server/work-order.ts";
export type { NameFilter, WorkerDescription } from "./server/worker-stream.ts";
