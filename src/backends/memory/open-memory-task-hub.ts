import type { Backend } from "../../core/hub/backend.ts";
import type { Executor } from "../../core/hub/executor.ts";
import { type InProcessHub, type InProcessHubOptions, newInProcessHub } from "../../core/hub/in-process-hub.ts";
import { defaultLogger } from "../../core/hub/logger.ts";
import { DEFAULT_MAX_PAYLOAD_BYTES } from "../../core/limits.ts";
import type { GateKeeper } from "../../core/orchestration/run-when.ts";
import { messageChannelSettle, type Settle } from "../../core/orchestration/settle.ts";
import { randomIds, systemClock, systemTimers } from "../../core/partition/host.ts";
import { Partition } from "../../core/partition/partition.ts";
import { DEFAULT_MAX_DEATHS, type PartitionOptions } from "../../core/partition/partition-context.ts";
import type { Clock, Ids, PartitionPorts, Timers } from "../../core/partition/ports.ts";
import { MemoryOwnership } from "./ownership.ts";
import { LocalRouter } from "./router.ts";
import { TimerScheduler } from "./scheduler.ts";
import { MemorySignals } from "./signals.ts";
import { MemoryStore } from "./store.ts";

/** The surroundings of a hub in memory; all have defaults, and a test gives its own. */
export interface MemoryEnvironment {
  /** Give the same store to a second hub to see what survives a restart. */
  readonly store?: MemoryStore;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly ids?: Ids;
  readonly settle?: Settle;
  /** Which activities with a gate may run now. Default: all. After a gate has opened, call `backend.retryParked()`. */
  readonly gates?: GateKeeper;
  /** Puts an executor over the one of this process, say to send names that it lacks to remote workers. Default: there is no other. */
  readonly compose?: (local: Executor, backend: Backend) => Executor;
}

/** The ports of a partition in memory. */
export function memoryPorts(environment: MemoryEnvironment = {}): PartitionPorts {
  const store = environment.store ?? new MemoryStore();
  const clock = environment.clock ?? systemClock;
  return {
    store,
    ownership: new MemoryOwnership(store),
    signals: new MemorySignals(),
    scheduler: new TimerScheduler(clock, environment.timers ?? systemTimers),
    router: new LocalRouter(),
    settle: environment.settle ?? messageChannelSettle(),
    clock,
    ids: environment.ids ?? randomIds,
  };
}

/** A backend in memory, without workers: for those who bring their own. */
export function newMemoryBackend(
  environment: MemoryEnvironment = {},
  options: Partial<PartitionOptions> = {},
): Partition {
  return new Partition(memoryPorts(environment), {
    logger: defaultLogger("warn"),
    maxPayloadBytes: DEFAULT_MAX_PAYLOAD_BYTES,
    maxLiveInstances: 1000,
    maxDeaths: DEFAULT_MAX_DEATHS,
    ...options,
  });
}

/**
 * Opens a hub in memory and starts it: the embedded default, and the quickest way to run orchestrations in a test. Nothing
 * of it survives the process.
 *
 * @example
 * const hub = await openMemoryTaskHub({ registry: new TaskRegistry().add(greet) });
 * const id = await hub.client.scheduleNewOrchestration(greet, "world");
 * const done = await hub.client.waitForOrchestrationCompletion(id);
 * await hub.close();
 */
export async function openMemoryTaskHub(
  options: InProcessHubOptions,
  environment: MemoryEnvironment = {},
): Promise<InProcessHub> {
  const { logger, maxPayloadBytes } = options;
  const clock = environment.clock ?? systemClock;
  const ids = environment.ids ?? randomIds;
  const settle = environment.settle ?? messageChannelSettle();
  const { compose } = environment;
  const backend = newMemoryBackend(
    { ...environment, clock, ids, settle },
    { ...(logger === undefined ? {} : { logger }), ...(maxPayloadBytes === undefined ? {} : { maxPayloadBytes }) },
  );
  const hub = newInProcessHub(backend, options, {
    settle,
    now: () => clock.now(),
    newUuid: () => ids.uuid(),
    ...(environment.timers === undefined ? {} : { timers: environment.timers }),
    ...(environment.gates === undefined ? {} : { gates: environment.gates }),
    ...(compose === undefined ? {} : { compose: (local) => compose(local, backend) }),
  });
  await hub.worker.start();
  return hub;
}
