import { type ConnectRouter, type ConnectRouterOptions, createConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import type { Backend } from "../../core/hub/backend.ts";
import type { Executor } from "../../core/hub/executor.ts";
import { defaultLogger, type Logger } from "../../core/hub/logger.ts";
import { MAX_MESSAGE_BYTES } from "../protocol/message-limit.ts";
import { addDaprRoutes, type RouteParts } from "./dapr-routes.ts";
import { type DialectChoice, handlersOf } from "./dialect-switch.ts";
import { HubService, type ServedHub } from "./hub-service.ts";
import { LocalDispatcher, type LocalDispatcherOptions, type WorkerExchange } from "./local-dispatcher.ts";
import { addMicrosoftRoutes } from "./microsoft-routes.ts";
import { RemoteExecutor } from "./remote-executor.ts";
import { RepeatedCalls } from "./repeated-calls.ts";
import type { WorkItemStreamOptions } from "./work-item-source.ts";

/** How the routes behave. */
export interface RouteOptions extends Omit<WorkItemStreamOptions, "logger"> {
  readonly logger?: Logger;
  /** Default `"auto"`: by header, path prefix and content where those tell, else Dapr's. */
  readonly dialect?: DialectChoice;
  /** StartInstance answers when the start is durable, without waiting for a worker to take it up. Default false, as in the reference. */
  readonly skipWaitForInstanceStart?: boolean;
  /** Largest message that is read, in bytes. Default 32 MiB. */
  readonly maxMessageBytes?: number;
  /** Further options of the handlers: interceptors, compression, a request gate. */
  readonly router?: Omit<ConnectRouterOptions, "readMaxBytes" | "shutdownSignal">;
  /** Epoch ms; default the host's clock. */
  readonly now?: () => number;
}

/** Options of {@link createConnectExecutor}. */
export interface ConnectExecutorOptions extends RouteOptions, Omit<LocalDispatcherOptions, "logger" | "onWorker"> {}

/** An executor whose turns and activities run on connected workers, and the routes that those connect to. */
export interface ConnectExecutor {
  readonly executor: Executor;
  /** Adds the service to a router: in both dialects, under `/TaskHubSidecarService/`, `/dapr/…` and `/microsoft/…`. */
  readonly routes: (router: ConnectRouter) => ConnectRouter;
  /** The service's handlers, for those who have no router. */
  readonly handlers: readonly UniversalHandler[];
  /** How many workers are connected. */
  readonly workers: number;
  /** Ends all streams and rejects what runs. */
  shutdown(): Promise<void>;
}

/**
 * Makes an executor over connected workers, with the routes of the executor protocol for a {@link ConnectRouter}: the
 * counterpart of the reference's `NewGrpcExecutor`.
 *
 * @example
 * const backend = newMemoryBackend();
 * const remote = createConnectExecutor(backend);
 * const worker = newTaskHubWorker(
 *   backend,
 *   newOrchestrationWorker(backend, remote.executor, logger),
 *   newActivityTaskWorker(backend, remote.executor, logger),
 *   logger,
 * );
 * await worker.start();
 * http2.createServer(connectNodeAdapter({ routes: remote.routes })).listen(4001);
 */
export function createConnectExecutor(backend: Backend, options: ConnectExecutorOptions = {}): ConnectExecutor {
  const logger = options.logger ?? defaultLogger("warn");
  let isRetrying = false;
  const dispatcher = new LocalDispatcher({
    ...options,
    logger,
    // What was set aside for want of a worker goes on; workers that come in a crowd cause one look.
    onWorker: () => {
      if (isRetrying) return;
      isRetrying = true;
      setTimeout(() => {
        isRetrying = false;
        backend.retryParked().catch((error: unknown) => logger.error("parked instances could not be retried", error));
      }, RETRY_PARKED_AFTER_MS);
    },
  });
  const executor = new RemoteExecutor(dispatcher, options.now === undefined ? {} : { now: options.now });
  const handlers = createConnectHandlers(backend, dispatcher, { ...options, logger });
  return {
    executor,
    handlers,
    routes: (router) => {
      router.handlers.push(...handlers);
      return router;
    },
    get workers() {
      return dispatcher.workers;
    },
    async shutdown(): Promise<void> {
      dispatcher.stop();
      await executor.shutdown();
    },
  };
}

/** How long after a worker has connected parked work is looked at, in ms. */
const RETRY_PARKED_AFTER_MS = 50;

/**
 * The routes alone, over any hub and any place where workers' streams end: for hosts whose executor is elsewhere, such as a
 * Worker whose orchestrations each live in an object of their own.
 *
 * @param exchange where streams end and answers arrive; without one, only clients are served, and what workers call is
 *   `unimplemented`.
 */
export function createConnectHandlers(
  hub: ServedHub,
  exchange: WorkerExchange | undefined,
  options: RouteOptions = {},
): readonly UniversalHandler[] {
  const logger = options.logger ?? defaultLogger("warn");
  const { shutdownSignal, maxMessageBytes = MAX_MESSAGE_BYTES } = options;
  const parts: RouteParts = {
    hub: new HubService(hub, options.now ?? Date.now),
    exchange,
    streams: { ...options, logger },
    repeated: new RepeatedCalls(),
    skipWaitForInstanceStart: options.skipWaitForInstanceStart ?? false,
  };
  const newRouter = (): ConnectRouter =>
    createConnectRouter({
      ...options.router,
      readMaxBytes: maxMessageBytes,
      ...(shutdownSignal === undefined ? {} : { shutdownSignal }),
    });
  const dapr = newRouter();
  addDaprRoutes(dapr, parts);
  const microsoft = newRouter();
  addMicrosoftRoutes(microsoft, parts);
  return handlersOf(dapr.handlers, microsoft.handlers, options.dialect ?? "auto", exchange, maxMessageBytes);
}
