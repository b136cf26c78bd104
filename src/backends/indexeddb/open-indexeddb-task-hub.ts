import { StorageUnavailableError } from "../../core/errors.ts";
import type { Backend } from "../../core/hub/backend.ts";
import { defaultLogger } from "../../core/hub/logger.ts";
import type { TaskHubClient } from "../../core/hub/task-hub-client.ts";
import type { TaskHubWorker } from "../../core/hub/task-hub-worker.ts";
import { randomIds, systemClock } from "../../core/partition/host.ts";
import type { Partition } from "../../core/partition/partition.ts";
import type { ExportOptions, InstanceFile } from "../../core/partition/transfer.ts";
import { openMemoryTaskHub } from "../memory/open-memory-task-hub.ts";
import { type HubBlobs, MemoryBlobs } from "./blobs.ts";
import { BrowserTaskHub, checkHubName, runnerInfoOf, SWEEP_MS } from "./browser-task-hub.ts";
import { gateKeeperOf, hostEnvironment, type WakeReason } from "./environment.ts";
import { hostCapabilities } from "./host-capabilities.ts";
import { HubEvents } from "./hub-events.ts";
import type { HubSurroundings, OpenTaskHubOptions } from "./hub-options.ts";
import type { HubStatus } from "./hub-status.ts";
import { countListed, type InstanceCounts } from "./instance-counts.ts";
import { sweepEnded } from "./retention.ts";

/** A hub as an app sees it. */
export interface TaskHub {
  /** Starts orchestrations and speaks to them, whichever context runs them. */
  readonly client: TaskHubClient;
  readonly worker: TaskHubWorker;
  readonly backend: Backend;
  /** How the hub is now. */
  readonly status: HubStatus;
  /** Files that orchestrations work on, kept beside the history. */
  readonly blobs: HubBlobs;
  /** Tells of storage, tabs and sleep. */
  readonly events: HubEvents;
  /**
   * How many instances are in each state. For a badge ("3 pending, 1 failed"): it counts by an index and reads no instance.
   */
  countInstances(): Promise<InstanceCounts>;
  /** Looks at what is due, for a reason of the app's own. */
  wake(reason: WakeReason): void;
  /**
   * A whole instance as one file, to be kept, sent with a bug report, or moved to another hub.
   *
   * @throws {@link InstanceNotFoundError}, {@link UnsupportedError} for a move of an instance that others wait for.
   */
  exportInstance(instanceId: string, options?: ExportOptions): Promise<InstanceFile>;
  /** Stores an exported instance; a run goes on here. @throws {@link InstanceExistsError}, {@link InvalidArgumentError}. */
  importInstance(file: InstanceFile): Promise<string>;
  /** Purges ended instances past their retention now, rather than at the next sweep. Returns how many. */
  sweep(): Promise<number>;
  /** Leaves the hub. What is in work goes on in another tab, or at the next visit. */
  close(): Promise<void>;
}

/**
 * Opens a hub over IndexedDB: creates it where there is none, takes part in the election of the context that runs it, and
 * gives a client that works whoever won. Resolves when the database is open; it does not wait to be elected.
 *
 * It runs while a tab of the site is open, and goes on at the next visit. Works in pages, dedicated workers, shared workers
 * and service workers.
 *
 * @throws {@link InvalidArgumentError} for a name that is none; {@link StorageBlockedError}, {@link StorageNewerSchemaError},
 *   {@link StorageQuotaAtOpenError} or {@link StorageError} when the database cannot be opened; with `fallback: "fail"` also
 *   {@link StorageUnavailableError}.
 *
 * @example
 * const hub = await openTaskHub({ name: "shop", registry: new TaskRegistry().add(checkout, charge) });
 * hub.events.on("blocked", ({ error }) => showBanner(error.message));
 * const id = await hub.client.scheduleNewOrchestration(checkout, order);
 */
export async function openTaskHub(options: OpenTaskHubOptions, surroundings: HubSurroundings = {}): Promise<TaskHub> {
  checkHubName(options.name);
  const hub = new BrowserTaskHub(options, surroundings);
  try {
    await hub.open();
    return hub;
  } catch (error) {
    await hub.close();
    if (!(error instanceof StorageUnavailableError) || options.fallback === "fail") throw error;
    return openInMemory(options, surroundings, error);
  }
}

/** Time between two looks at closed gates, in ms: what they wait for may come about without any sign of it. */
const LOOK_MS = 5000;

async function openInMemory(
  options: OpenTaskHubOptions,
  { clock, timers, ids = randomIds, settle, compose, environment = hostEnvironment() }: HubSurroundings,
  error: StorageUnavailableError,
): Promise<TaskHub> {
  const hub = await openMemoryTaskHub(options, {
    ids,
    gates: gateKeeperOf(environment),
    ...(clock === undefined ? {} : { clock }),
    ...(timers === undefined ? {} : { timers }),
    ...(settle === undefined ? {} : { settle }),
    ...(compose === undefined ? {} : { compose }),
  });
  const { backend } = hub;
  const logger = options.logger ?? defaultLogger("warn");
  const events = new HubEvents(logger, options.onEvent);
  events.emit({ type: "not-durable", error });
  const wake = (): void => {
    if (!hub.gates.isAnyClosed) return;
    void backend.retryParked().catch((cause: unknown) => logger.error("gates could not be looked at", cause));
  };
  const stopListening = environment.onWake(wake);
  const timer = setInterval(wake, LOOK_MS);
  const host = hostCapabilities();
  const sweep = (): Promise<number> =>
    sweepEnded(backend as Partition, options.retention ?? {}, (clock ?? systemClock).now());
  const sweeper = setInterval(
    () => void sweep().catch((cause: unknown) => logger.error("ended instances could not be purged", cause)),
    SWEEP_MS,
  );
  const lastError = { at: new Date(), error };
  const contextId = ids.uuid();
  let isClosed = false;
  return {
    client: hub.client,
    worker: hub.worker,
    backend: hub.backend,
    blobs: new MemoryBlobs(),
    events,
    get status(): HubStatus {
      return {
        role: isClosed ? "closed" : "runner",
        durable: false,
        persisted: false,
        estimate: undefined,
        host,
        runner: isClosed ? undefined : runnerInfoOf(options, { contextId, epoch: 1, host: host.kind }),
        epoch: isClosed ? undefined : 1,
        reopened: 0,
        suspensions: 0,
        full: false,
        lastError,
      };
    },
    wake,
    countInstances: () => countListed(backend as Partition),
    sweep,
    exportInstance: (instanceId, how) => (backend as Partition).exportInstance(instanceId, how),
    importInstance: (file) => (backend as Partition).importInstance(file),
    async close(): Promise<void> {
      isClosed = true;
      stopListening();
      clearInterval(timer);
      clearInterval(sweeper);
      await hub.close();
    },
  };
}
