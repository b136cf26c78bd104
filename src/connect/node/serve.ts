import { Code, ConnectError } from "@connectrpc/connect";
import { newMemoryBackend } from "../../backends/memory/open-memory-task-hub.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { newActivityTaskWorker } from "../../core/hub/activity-worker.ts";
import { defaultLogger, type Logger } from "../../core/hub/logger.ts";
import { newOrchestrationWorker } from "../../core/hub/orchestration-worker.ts";
import { newTaskHubWorker } from "../../core/hub/task-hub-worker.ts";
import type { Partition } from "../../core/partition/partition.ts";
import { type ConnectExecutorOptions, createConnectExecutor } from "../server/connect-executor.ts";
import type { DialectChoice } from "../server/dialect-switch.ts";
import { listenGrpc } from "./grpc-server.ts";

/** What {@link serve} serves, and where. */
export interface ServeOptions extends Omit<ConnectExecutorOptions, "shutdownSignal"> {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 4001, the protocol's usual one; 0 takes any free port. */
  readonly port?: number;
  /** The dialect of requests that do not tell. Default `"auto"`. */
  readonly dialect?: DialectChoice;
  /** A folder to keep the hub in. Absent: in memory only. */
  readonly data?: string;
  readonly logger?: Logger;
}

/** A hub that is served. */
export interface ServedTaskHub {
  readonly host: string;
  readonly port: number;
  /** Ends the streams, hands back what is in work, and closes the store. */
  close(): Promise<void>;
}

/** How long open calls may take to end on their own when the server closes, in ms. */
const GRACE_MS = 1000;

/** Serves an embedded hub to workers and clients of either dialect. Resolves when it listens. */
export async function serve(options: ServeOptions = {}): Promise<ServedTaskHub> {
  const { host = "127.0.0.1", port = 4001, data } = options;
  const logger = options.logger ?? defaultLogger("warn");
  const store = data === undefined ? inMemory(logger) : await onDisk(data, logger);
  const { backend } = store;
  const shutdown = new AbortController();
  const remote = createConnectExecutor(backend, { ...options, logger, shutdownSignal: shutdown.signal });
  const worker = newTaskHubWorker(
    backend,
    newOrchestrationWorker(backend, remote.executor, logger),
    newActivityTaskWorker(backend, remote.executor, logger),
    logger,
  );
  try {
    await worker.start();
    const server = await listenGrpc(remote.routes, { host, port }, logger);
    return {
      host,
      port: server.address.port,
      async close(): Promise<void> {
        shutdown.abort(new ConnectError("shutting down", Code.Canceled));
        const closing = server.close(GRACE_MS);
        await worker.shutdown();
        await remote.shutdown();
        await closing;
        store.close();
      },
    };
  } catch (error) {
    await worker.shutdown();
    store.close();
    throw error;
  }
}

interface Store {
  readonly backend: Partition;
  close(): void;
}

function inMemory(logger: Logger): Store {
  return { backend: newMemoryBackend({}, { logger }), close: () => undefined };
}

/** Loaded when it is asked for: Node has had SQLite of its own since 22.5, and without a flag since 22.13. */
async function onDisk(folder: string, logger: Logger): Promise<Store> {
  try {
    const { openSqliteBackend } = await import("../../backends/sqlite/open-sqlite-task-hub.ts");
    // All code is at workers: none of it can be what ends this process, however often that ends with work in their hands.
    return openSqliteBackend({ folder, logger, runsHere: () => false });
  } catch (error) {
    if ((error as { code?: string }).code !== "ERR_UNKNOWN_BUILTIN_MODULE") throw error;
    const text = `a hub on disk needs Node's own SQLite, which ${process.version} does not have: take Node 22.13 or later`;
    throw new UnsupportedError(text, { cause: error });
  }
}
