import * as microsoft from "@microsoft/durabletask-js";
import { type ClientLike, clientOf, type ForeignSdk, type WorkerLike, workerOf } from "./foreign-sdk.ts";

/** `@microsoft/durabletask-js` 0.4.0. It calls itself as Dapr's does, so that it needs a listener (or a header) of its own. */
export const microsoftSdk: ForeignSdk = {
  name: "@microsoft/durabletask-js",
  dialect: "microsoft",
  childId: (instanceId) => ({ instanceId }),
  whenAll: (tasks) => microsoft.whenAll(tasks as never),
  whenAny: (tasks) => microsoft.whenAny(tasks as never),
  worker: (hostAddress) =>
    workerOf(
      new microsoft.TaskHubGrpcWorker({ hostAddress, logger: new microsoft.NoOpLogger() }) as unknown as WorkerLike,
    ),
  client: (hostAddress) =>
    clientOf(
      new microsoft.TaskHubGrpcClient({ hostAddress, logger: new microsoft.NoOpLogger() }) as unknown as ClientLike,
    ),
};
