import { hostEnvironment } from "./environment.ts";
import type { HubSurroundings, OpenTaskHubOptions } from "./hub-options.ts";
import { openTaskHub, type TaskHub } from "./open-indexeddb-task-hub.ts";
import { PageActivities } from "./page-activities.ts";
import { isConnectMessage } from "./page-link.ts";

interface WorkerHost {
  /** Service workers only, and not in every browser. */
  readonly serviceWorker?: { readonly state: string };
  addEventListener(type: string, listener: (event: MessageEvent) => void): void;
}

/**
 * Hosts the engine in this worker: dedicated, shared or service worker. Pages connect with {@link connectTaskHub}; call it
 * while the worker's script is first run, so that none of them is missed. A worker's timers are not held back when its page
 * is hidden, as a page's are. In a service worker the hub opens when that version is activated: one that waits for its turn would
 * take the right to run from the version that the pages speak to.
 *
 * @throws as {@link openTaskHub}.
 *
 * @example
 * // engine.ts, started with new Worker(new URL("./engine.ts", import.meta.url), { type: "module" })
 * void serveTaskHub({ name: "shop", registry: new TaskRegistry().add(checkout, charge) });
 */
export function serveTaskHub(options: OpenTaskHubOptions, surroundings: HubSurroundings = {}): Promise<TaskHub> {
  const pages = new PageActivities(options.registry, surroundings.environment ?? hostEnvironment());
  const take = ({ data, ports: [port] }: MessageEvent): void => {
    if (isConnectMessage(data) && data.hub === options.name && port !== undefined) pages.connect(data, port);
  };
  const host = globalThis as unknown as WorkerHost;
  host.addEventListener("message", take);
  // A shared worker's pages come each over a port of their own.
  host.addEventListener("connect", ({ ports: [port] }) => {
    port?.addEventListener("message", take);
    port?.start();
  });
  const open = (): Promise<TaskHub> => openTaskHub(options, { ...surroundings, environment: pages.environment });
  return isWaiting(host) ? activation(host).then(open) : open();
}

/** Whether this is a version of a service worker whose turn has not come. */
function isWaiting({ serviceWorker }: WorkerHost): boolean {
  return serviceWorker !== undefined && ["parsed", "installing", "installed"].includes(serviceWorker.state);
}

function activation(host: WorkerHost): Promise<unknown> {
  return new Promise((resolve) => host.addEventListener("activate", resolve));
}
