import { TaskRegistry } from "../../core/orchestration/registry.ts";
import { hostEnvironment } from "./environment.ts";
import type { HubSurroundings, OpenTaskHubOptions } from "./hub-options.ts";
import type { TaskHub } from "./open-indexeddb-task-hub.ts";
import { openTaskHub } from "./open-indexeddb-task-hub.ts";
import { PageLink } from "./page-link-client.ts";

/** How a page takes part in a hub whose engine lives in a worker. */
export interface ConnectTaskHubOptions extends Omit<OpenTaskHubOptions, "registry" | "run" | "fallback"> {
  /** Activities that need the page: the worker calls them here. Default: none. */
  readonly activities?: TaskRegistry;
}

/** A worker that runs {@link serveTaskHub}. */
export type EngineWorker = Pick<Worker, "postMessage"> | Pick<SharedWorker, "port">;

/**
 * Connects this page to the engine in a worker. The page gets a client; orchestrations run in the worker, and the
 * activities given here run in this page. The page itself never runs orchestrations.
 *
 * @throws as {@link openTaskHub}, and {@link StorageUnavailableError} without durable storage: page and worker then have
 *   nothing in common, so that the engine belongs in the page.
 *
 * @example
 * const worker = new Worker(new URL("./engine.ts", import.meta.url), { type: "module" });
 * const hub = await connectTaskHub(worker, { name: "shop", activities: new TaskRegistry().add(askUser) });
 */
export async function connectTaskHub(
  worker: EngineWorker,
  options: ConnectTaskHubOptions,
  surroundings: HubSurroundings = {},
): Promise<TaskHub> {
  const { activities = new TaskRegistry(), ...rest } = options;
  const environment = surroundings.environment ?? hostEnvironment();
  const hub = await openTaskHub({ ...rest, registry: activities, run: false, fallback: "fail" }, surroundings);
  const target = "port" in worker ? worker.port : worker;
  const link = await PageLink.open(target, options.name, activities, environment).catch(async (error: unknown) => {
    await hub.close();
    throw error;
  });
  return {
    client: hub.client,
    worker: hub.worker,
    backend: hub.backend,
    blobs: hub.blobs,
    events: hub.events,
    get status() {
      return hub.status;
    },
    countInstances: () => hub.countInstances(),
    wake: (reason) => link.wake(reason),
    sweep: () => hub.sweep(),
    exportInstance: (instanceId, how) => hub.exportInstance(instanceId, how),
    importInstance: (file) => hub.importInstance(file),
    close: async () => {
      link.close();
      await hub.close();
    },
  };
}
