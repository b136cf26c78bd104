import { decodeEvents, encodeEvent, type PayloadCodec } from "../orchestration/payload-codec.ts";
import type { ActivityGates } from "../orchestration/run-when.ts";
import type { Backend } from "./backend.ts";
import type { ActivityExecutor } from "./executor.ts";
import type { Logger } from "./logger.ts";
import { newTaskWorker, type TaskWorker, type WorkerOptions } from "./task-worker.ts";
import type { ActivityWorkItem } from "./work-item.ts";

/** What the activity worker may be given beside backend and executor. */
export interface ActivityWorkerOptions extends WorkerOptions {
  /** Looks whether an activity may run now; default: every one may. */
  readonly gates?: Pick<ActivityGates, "pass">;
  /** Between code and store. Default: payloads are stored as they are. */
  readonly codec?: PayloadCodec;
}

/** Makes the worker that runs activities: takes an attempt from the backend, executes it, hands its result back. */
export function newActivityTaskWorker(
  backend: Backend,
  executor: ActivityExecutor,
  logger: Logger,
  options: ActivityWorkerOptions = {},
): TaskWorker<ActivityWorkItem> {
  const { gates, codec } = options;
  return newTaskWorker(
    {
      name: "activity worker",
      nextWorkItem: (signal) => backend.nextActivityWorkItem(signal),
      async processWorkItem(item): Promise<void> {
        const { instanceId, newEvent, signal } = item;
        if (newEvent.eventType.case === "taskScheduled") await gates?.pass(newEvent.eventType.value.name);
        const [event = newEvent] = codec === undefined ? [] : await decodeEvents(codec, [newEvent]);
        const result = await executor.executeActivity({ instanceId, event, signal });
        item.result = codec === undefined ? result : await encodeEvent(codec, result);
      },
      completeWorkItem: (item) => backend.completeActivityWorkItem(item),
      abandonWorkItem: (item, reason) => backend.abandonActivityWorkItem(item, reason),
    },
    logger,
    options,
  );
}
