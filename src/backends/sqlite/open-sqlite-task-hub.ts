import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type InProcessHub, type InProcessHubOptions, newInProcessHub } from "../../core/hub/in-process-hub.ts";
import { defaultLogger, type Logger } from "../../core/hub/logger.ts";
import { DEFAULT_MAX_PAYLOAD_BYTES } from "../../core/limits.ts";
import { messageChannelSettle, type Settle } from "../../core/orchestration/settle.ts";
import { randomIds, systemClock, systemTimers } from "../../core/partition/host.ts";
import { Partition } from "../../core/partition/partition.ts";
import { DEFAULT_MAX_DEATHS, type PartitionOptions } from "../../core/partition/partition-context.ts";
import type { Clock, Ids, PartitionPorts, Timers } from "../../core/partition/ports.ts";
import { SqliteOwnership } from "./ownership.ts";
import { LocalRouter } from "./router.ts";
import { TimerScheduler } from "./scheduler.ts";
import { SqliteSignals } from "./signals.ts";
import { SqliteStore } from "./store.ts";

/** Where a hub is kept, and its surroundings. */
export interface SqliteOptions {
  /** The folder of the database; made when it is not there. */
  readonly folder: string;
  readonly logger?: Logger;
  /** Limit on one payload, in UTF-8 bytes. Default 4 MiB. */
  readonly maxPayloadBytes?: number;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly ids?: Ids;
  readonly settle?: Settle;
  /** Whether code of that name runs in this process, and so could be what ends it. Default: all does. */
  readonly runsHere?: PartitionOptions["runsHere"];
}

/** A backend on disk, without workers. */
export interface SqliteBackend {
  readonly backend: Partition;
  /** Closes the database; stop the backend first. */
  close(): void;
}

/** The ports of a partition in a database. */
export function sqlitePorts(store: SqliteStore, options: Omit<SqliteOptions, "folder"> = {}): PartitionPorts {
  const clock = options.clock ?? systemClock;
  return {
    store,
    ownership: new SqliteOwnership(store),
    signals: new SqliteSignals(),
    scheduler: new TimerScheduler(clock, options.timers ?? systemTimers),
    router: new LocalRouter(),
    settle: options.settle ?? messageChannelSettle(),
    clock,
    ids: options.ids ?? randomIds,
  };
}

/**
 * Opens the database `perdura.sqlite` of a folder. One process at a time.
 *
 * @throws {@link StorageError} when it cannot be opened, or another process has it.
 */
export function openSqliteBackend(options: SqliteOptions): SqliteBackend {
  mkdirSync(options.folder, { recursive: true });
  const store = new SqliteStore(join(options.folder, "perdura.sqlite"));
  const backend = new Partition(sqlitePorts(store, options), {
    logger: options.logger ?? defaultLogger("warn"),
    maxPayloadBytes: options.maxPayloadBytes ?? DEFAULT_MAX_PAYLOAD_BYTES,
    maxLiveInstances: 1000,
    maxDeaths: DEFAULT_MAX_DEATHS,
    ...(options.runsHere === undefined ? {} : { runsHere: options.runsHere }),
  });
  return { backend, close: () => store.close() };
}

/**
 * Opens a hub on disk and starts it: orchestrations of a Node process that survive it.
 *
 * @example
 * const hub = await openSqliteTaskHub({ registry: new TaskRegistry().add(greet) }, { folder: "./data" });
 */
export async function openSqliteTaskHub(
  hubOptions: InProcessHubOptions,
  options: SqliteOptions,
): Promise<InProcessHub> {
  const { logger, maxPayloadBytes } = hubOptions;
  const clock = options.clock ?? systemClock;
  const ids = options.ids ?? randomIds;
  const settle = options.settle ?? messageChannelSettle();
  const { backend, close } = openSqliteBackend({
    ...options,
    clock,
    ids,
    settle,
    ...(logger === undefined ? {} : { logger }),
    ...(maxPayloadBytes === undefined ? {} : { maxPayloadBytes }),
  });
  const hub = newInProcessHub(backend, hubOptions, {
    settle,
    now: () => clock.now(),
    newUuid: () => ids.uuid(),
    ...(options.timers === undefined ? {} : { timers: options.timers }),
  });
  await hub.worker.start();
  return {
    ...hub,
    async close(): Promise<void> {
      await hub.close();
      close();
    },
  };
}
