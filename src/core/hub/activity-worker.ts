import type { Backend } from "./backend.ts";
import type { ActivityExecutor } from "./executor.ts";
import type { Logger } from "./logger.ts";
import { newTaskWorker, type TaskWorker, type WorkerOptions } from "./task-worker.ts";
import type { ActivityWorkItem } from "./work-item.ts";

/** Makes the worker that runs activities: takes an attempt from the backend, executes it, hands its result back. */
export function newActivityTaskWorker(
  backend: Backend,
  executor: ActivityExecutor,
  logger: Logger,
  options: WorkerOptions = {},
): TaskWorker<ActivityWorkItem> {
  return newTaskWorker(
    {
      name: "activity worker",
      nextWorkItem: (signal) => backend.nextActivityWorkItem(signal),
      async processWorkItem(item): Promise<void> {
        const { instanceId, newEvent: event, signal } = item;
        item.result = await executor.executeActivity({ instanceId, event, signal });
      },
      completeWorkItem: (item) => backend.completeActivityWorkItem(item),
      abandonWorkItem: (item, reason) => backend.abandonActivityWorkItem(item, reason),
    },
    logger,
    options,
  );
}
