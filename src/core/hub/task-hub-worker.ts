import { TaskHubExistsError } from "../errors.ts";
import type { Backend } from "./backend.ts";
import type { Logger } from "./logger.ts";
import type { TaskWorker } from "./task-worker.ts";
import type { ActivityWorkItem, OrchestrationWorkItem } from "./work-item.ts";

/** A backend and its two workers, started and stopped together. */
export interface TaskHubWorker {
  /** Creates the hub where there is none, starts the backend, then the workers. Errors of these steps are thrown as they are. */
  start(): Promise<void>;
  /** Stops the backend, so that what is in work aborts and is handed back, and resolves when both workers have drained. */
  shutdown(): Promise<void>;
}

/** Makes a {@link TaskHubWorker}. */
export function newTaskHubWorker(
  backend: Backend,
  orchestrationWorker: TaskWorker<OrchestrationWorkItem>,
  activityWorker: TaskWorker<ActivityWorkItem>,
  logger: Logger,
): TaskHubWorker {
  return {
    async start(): Promise<void> {
      try {
        await backend.createTaskHub();
      } catch (error) {
        if (!(error instanceof TaskHubExistsError)) throw error;
      }
      await backend.start();
      orchestrationWorker.start();
      activityWorker.start();
      logger.debug("the task hub worker has started");
    },
    async shutdown(): Promise<void> {
      // The backend is stopped first, as in the reference: items in work then abort, and draining means "hand back".
      await backend.stop();
      await Promise.all([orchestrationWorker.stopAndDrain(), activityWorker.stopAndDrain()]);
      logger.debug("the task hub worker has stopped");
    },
  };
}
