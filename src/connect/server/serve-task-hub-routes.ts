import { InvalidArgumentError } from "../../core/errors.ts";
import type { Backend } from "../../core/hub/backend.ts";
import type { Executor } from "../../core/hub/executor.ts";
import { defaultLogger } from "../../core/hub/logger.ts";
import type { TaskRegistry } from "../../core/orchestration/registry.ts";
import { CompositeExecutor } from "./composite-executor.ts";
import { type ConnectExecutor, type ConnectExecutorOptions, createConnectExecutor } from "./connect-executor.ts";
import { createSidecarFetch, type SidecarFetch } from "./fetch-handler.ts";

/** What of a hub the routes need. `TaskHub` of `perdura/indexeddb` is one. */
export interface ServableHub {
  readonly status: { readonly role: string };
  close(): Promise<void>;
}

/** What is handed to whoever opens the hub, to be passed on as its surroundings. */
export interface RouteSurroundings {
  /** Sends the names that the hub's own registry lacks to connected workers. */
  readonly compose: (local: Executor, backend: Backend) => Executor;
}

/** What {@link serveTaskHubRoutes} serves. */
export interface TaskHubRoutesOptions<H extends ServableHub>
  extends Omit<ConnectExecutorOptions, "shutdownSignal" | "now"> {
  /** The orchestrators and activities that run in the service worker itself. All others are for connected workers. */
  readonly registry: TaskRegistry;
  /** Opens the hub, with the surroundings that it is given. Called with the first request, and again when the hub has closed. */
  readonly open: (surroundings: RouteSurroundings) => Promise<H>;
  /** What paths begin with before `/TaskHubSidecarService/`. Default: nothing. */
  readonly prefix?: string;
}

/** The routes of a hub in a service worker. */
export interface TaskHubRoutes<H extends ServableHub> {
  /** Answers a request of the protocol; `undefined` for one that is none. Requests that come by themselves need no call of this. */
  readonly fetch: SidecarFetch;
  /** The hub; opens it if that has not been done yet. */
  hub(): Promise<H>;
  /** Ends all streams, and closes the hub; the next request opens it again. */
  close(): Promise<void>;
}

/** A `fetch` event, of which not every program has the type. */
interface FetchEventLike {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

interface ServiceWorkerHost {
  readonly location: { readonly origin: string };
  addEventListener(type: "fetch", listener: (event: FetchEventLike) => void): void;
}

/**
 * Serves the executor protocol from a service worker over the browser's own hub: the pages of the site call
 * `/TaskHubSidecarService/<Method>` of their own origin, over Connect or gRPC-Web, as clients and as workers. Call it while the
 * worker's script is first run, so that no event is missed. The hub is opened with the first call.
 *
 * The browser stops a service worker when it thinks fit. Streams break then, workers connect again, and that starts it anew;
 * what was accepted is in the database.
 *
 * @example
 * // service-worker.ts
 * serveTaskHubRoutes({ registry, open: (surroundings) => openTaskHub({ name: "shop", registry }, surroundings) });
 * self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
 *
 * // page.ts, once the service worker controls it
 * const client = createConnectTaskHubClient(createConnectTransport({ baseUrl: location.origin, useBinaryFormat: true }));
 */
export function serveTaskHubRoutes<H extends ServableHub>(options: TaskHubRoutesOptions<H>): TaskHubRoutes<H> {
  const host = globalThis as unknown as ServiceWorkerHost;
  const routes = new LazyRoutes(options);
  host.addEventListener("fetch", (event) => {
    const { request } = event;
    // Pages' calls to other origins come by here too.
    if (new URL(request.url).origin !== host.location.origin) return;
    const answer = routes.fetch(request);
    if (answer !== undefined) event.respondWith(answer);
  });
  return routes;
}

interface OpenRoutes<H> {
  readonly hub: H;
  readonly remote: ConnectExecutor;
  readonly fetch: SidecarFetch;
}

/** The routes of a hub that is opened when somebody calls. */
class LazyRoutes<H extends ServableHub> implements TaskHubRoutes<H> {
  readonly #options: TaskHubRoutesOptions<H>;
  readonly #path: RegExp;
  #current: Promise<OpenRoutes<H>> | undefined;

  constructor(options: TaskHubRoutesOptions<H>) {
    this.#options = options;
    const prefix = (options.prefix ?? "").replace(/[^\w/]/g, "\\$&");
    this.#path = new RegExp(`^${prefix}(?:/dapr|/microsoft)?/TaskHubSidecarService/`);
  }

  readonly fetch = (request: Request): Promise<Response> | undefined =>
    this.#path.test(new URL(request.url).pathname) ? this.#answer(request) : undefined;

  async hub(): Promise<H> {
    return (await this.#opened()).hub;
  }

  async close(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    const open = await current?.catch(() => undefined);
    await open?.remote.shutdown();
    await open?.hub.close();
  }

  async #answer(request: Request): Promise<Response> {
    let open: OpenRoutes<H>;
    try {
      open = await this.#opened();
    } catch (error) {
      (this.#options.logger ?? defaultLogger("warn")).error("the hub could not be opened for a call", error);
      // Clients take it for `unavailable`, and come again.
      return new Response("the hub cannot be opened now", { status: 503 });
    }
    return (await open.fetch(request)) ?? new Response("there is no such method", { status: 404 });
  }

  /** The hub that is open; opens it where none is, or none is any more. */
  async #opened(): Promise<OpenRoutes<H>> {
    for (;;) {
      this.#current ??= this.#open();
      const current = this.#current;
      const forget = (): void => {
        if (this.#current === current) this.#current = undefined;
      };
      const open = await current.catch((error: unknown) => {
        forget();
        throw error;
      });
      if (open.hub.status.role !== "closed") return open;
      forget();
      await open.remote.shutdown();
    }
  }

  async #open(): Promise<OpenRoutes<H>> {
    const { registry, open, prefix, ...options } = this.#options;
    let remote: ConnectExecutor | undefined;
    const hub = await open({
      compose: (local, backend) => {
        // Where the hub falls back to memory it is composed once more: the last one is the one that runs.
        remote = createConnectExecutor(backend, options);
        return new CompositeExecutor(registry, local, remote.executor);
      },
    });
    if (remote === undefined) {
      await hub.close();
      throw new InvalidArgumentError("the hub was opened without the surroundings: pass them on to openTaskHub");
    }
    return { hub, remote, fetch: createSidecarFetch(remote.handlers, prefix) };
  }
}
