import { newMemoryBackend } from "../../../src/backends/memory/index.ts";
import {
  type ConnectExecutor,
  type ConnectExecutorOptions,
  createConnectExecutor,
} from "../../../src/connect/index.ts";
import { newActivityTaskWorker } from "../../../src/core/hub/activity-worker.ts";
import { silentLogger } from "../../../src/core/hub/logger.ts";
import { newOrchestrationWorker } from "../../../src/core/hub/orchestration-worker.ts";
import { newTaskHubWorker } from "../../../src/core/hub/task-hub-worker.ts";

/** A hub whose code is all at remote workers; nothing serves its routes yet. */
export interface ExecutorHub {
  readonly remote: ConnectExecutor;
  close(): Promise<void>;
}

/** Opens a hub in memory over the executor, as a program of one's own makes it. */
export async function openExecutorHub(
  options: ConnectExecutorOptions = {},
  limits: { readonly maxPayloadBytes?: number } = {},
): Promise<ExecutorHub> {
  const logger = silentLogger();
  const backend = newMemoryBackend({}, { logger, ...limits });
  const remote = createConnectExecutor(backend, { logger, ...options });
  const worker = newTaskHubWorker(
    backend,
    newOrchestrationWorker(backend, remote.executor, logger, limits),
    newActivityTaskWorker(backend, remote.executor, logger),
    logger,
  );
  await worker.start();
  return {
    remote,
    async close() {
      await worker.shutdown();
      await remote.shutdown();
    },
  };
}
