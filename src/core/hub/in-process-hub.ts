import { InProcessExecutor, type InProcessExecutorOptions } from "../orchestration/in-process-executor.ts";
import type { PayloadCodec } from "../orchestration/payload-codec.ts";
import type { TaskRegistry } from "../orchestration/registry.ts";
import { ActivityGates, type GateKeeper } from "../orchestration/run-when.ts";
import type { Settle } from "../orchestration/settle.ts";
import { newActivityTaskWorker } from "./activity-worker.ts";
import type { Backend } from "./backend.ts";
import type { Executor } from "./executor.ts";
import { Limiter } from "./limiter.ts";
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
  /** How many activities may run at once in this process. Default: no limit. */
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
  /** Puts an executor over the one of this process, say to send names that it lacks elsewhere. Default: there is no other. */
  readonly compose?: (local: Executor) => Executor;
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
  const local = new InProcessExecutor({
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
  // With another executor beside it, only what runs here counts against the limit of this process.
  const limit = host.compose === undefined ? maxParallelActivities : undefined;
  const executor = host.compose?.(limited(local, maxParallelActivities)) ?? local;
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
    ...(limit === undefined ? {} : { maxParallelWorkItems: limit }),
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

/** The same executor, with so many activities at once; the others wait, and their time limits with them. */
function limited(executor: Executor, maxParallelActivities: number | undefined): Executor {
  if (maxParallelActivities === undefined) return executor;
  const limiter = new Limiter(maxParallelActivities);
  return {
    runner: executor.runner,
    dialect: executor.dialect,
    executeOrchestrator: (turn) => executor.executeOrchestrator(turn),
    executeActivity: (call) => limiter.run(() => executor.executeActivity(call)),
    release: (instanceId) => executor.release(instanceId),
    releaseAll: () => executor.releaseAll(),
    shutdown: () => executor.shutdown(),
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
