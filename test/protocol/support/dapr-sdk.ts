import * as dapr from "@dapr/durabletask-js";
import * as daprTasks from "@dapr/durabletask-js/task/index.js";
import { type ClientLike, clientOf, type ForeignSdk, type WorkerLike, workerOf } from "./foreign-sdk.ts";

/** `@dapr/durabletask-js` 1.0.0. It writes every step to the console: see `quiet.ts`. */
export const daprSdk: ForeignSdk = {
  name: "@dapr/durabletask-js",
  dialect: "auto",
  losesFalsy: true,
  childId: (instanceId) => instanceId,
  whenAll: (tasks) => daprTasks.whenAll(tasks as never),
  whenAny: (tasks) => daprTasks.whenAny(tasks as never),
  worker: (address) => workerOf(new dapr.TaskHubGrpcWorker(address) as unknown as WorkerLike),
  client: (address) => clientOf(new dapr.TaskHubGrpcClient(address) as unknown as ClientLike),
};
