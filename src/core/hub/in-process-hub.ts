import { InProcessExecutor, type InProcessExecutorOptions } from "../orchestration/in-process-executor.ts";
import type { PayloadCodec } from "../orchestration/payload-codec.ts";
import type { TaskRegistry } from "../orchestration/registry.ts";
import { ActivityGates, type GateKeeper } from "../orchestration/run-when.ts";
import type { Settle } from "../orchestration/settle.ts";
import { newActivityTaskWorker } from "./activity-worker.ts";
import type { Backend } from "./backend.ts";
import { defaultLogger, type Logger } from "./logger.ts";
import { newOrchestrationWorker } from "./orchestration-worker.ts";
import { newTaskHubClient, type TaskHubClient } from "./task-hub-client.ts";
import { newTaskHubWorker, type TaskHubWorker } from "./task-hub-worker.ts";

/** What an application sets, whatever the host. */
export interface InProcessHubOptions
  extends Pick<InProcessExecutorOptions, "cacheSize" | "converter" | "unregistered"> {
  /** The orchestrators and activities that run here. */
  readonly registry: TaskRegistry;
  readonly logger?: Logger;
  /** Limit on one payload, in UTF-8 bytes. Default 4 MiB. */
  readonly maxPayloadBytes?: number;
  /** A second stage for payloads, say encryption. Every context of a hub must use one that understands the others'. */
  readonly codec?: PayloadCodec;
  /** How many activities may run at once. Default: no limit. */
  readonly maxParallelActivities?: number;
  /** How many turns may run at once. Default: no limit. */
  readonly maxParallelTurns?: number;
}

/** What a host supplies. */
export interface InProcessHost {
  readonly settle: Settle;
  readonly now: () => number;
  readonly newUuid: () => string;
  /** Tells which activities may run now; default: all. */
  readonly gates?: GateKeeper;
  /** Timers for the attempts' time limits; default the host's. */
  readonly timers?: NonNullable<InProcessExecutorOptions["timers"]>;
}

/** A hub whose orchestrators and activities run in this process. */
export interface InProcessHub {
  readonly backend: Backend;
  readonly client: TaskHubClient;
  readonly worker: TaskHubWorker;
  /** The gates of the activities that run here. */
  readonly gates: ActivityGates;
  /** Stops the worker: what is in work is handed back and goes on at the next start. */
  close(): Promise<void>;
}

/** Puts backend, executor, workers and client together. The worker is not started yet. */
export function newInProcessHub(backend: Backend, options: InProcessHubOptions, host: InProcessHost): InProcessHub {
  const { registry, maxParallelActivities, maxParallelTurns, maxPayloadBytes } = options;
  const logger = options.logger ?? defaultLogger("warn");
  const { now, newUuid } = host;
  const executor = new InProcessExecutor({
    registry,
    logger,
    settle: host.settle,
    now,
    onDivergence: (instanceId) => {
      backend.wakeInstance(instanceId).catch((error: unknown) => {
        logger.error(`'${instanceId}' acted outside its turn and could not be woken: it fails at its next turn`, error);
      });
    },
    ...pick(options, "cacheSize", "converter", "maxPayloadBytes", "unregistered"),
    ...pick(host, "timers"),
  });
  const orchestrationWorker = newOrchestrationWorker(backend, executor, logger, {
    now,
    newUuid,
    ...pick(options, "codec"),
    ...(maxPayloadBytes === undefined ? {} : { maxPayloadBytes }),
    ...(maxParallelTurns === undefined ? {} : { maxParallelWorkItems: maxParallelTurns }),
  });
  const gates = new ActivityGates(registry, host.gates);
  const activityWorker = newActivityTaskWorker(backend, executor, logger, {
    gates,
    ...pick(options, "codec"),
    ...(maxParallelActivities === undefined ? {} : { maxParallelWorkItems: maxParallelActivities }),
  });
  const worker = newTaskHubWorker(backend, orchestrationWorker, activityWorker, logger);
  const unsubscribe = registry.onChange(() => {
    void backend.retryParked().catch((error: unknown) => logger.error("parked instances could not be retried", error));
  });
  const client = newTaskHubClient(backend, { registry, now, newUuid, ...pick(options, "converter", "codec") });
  return {
    backend,
    client,
    worker,
    gates,
    async close(): Promise<void> {
      unsubscribe();
      await worker.shutdown();
      await executor.shutdown();
    },
  };
}

/** The given properties, as far as they are set. */
function pick<T extends object, K extends keyof T>(
  source: T,
  ...keys: readonly K[]
): { [P in K]?: Exclude<T[P], undefined> } {
  const picked: { [P in K]?: Exclude<T[P], undefined> } = {};
  for (const key of keys) {
    const value = source[key];
    if (value !== undefined) picked[key] = value as Exclude<T[K], undefined>;
  }
  return picked;
}
