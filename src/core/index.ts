/** Perdura's core: what authors, clients and hosts use, whatever the backend. */
export * from "./errors.ts";
export type { ForkedHistory } from "./history/fork.ts";
export { type HistoryView, historyOf } from "./history/history-view.ts";
export type { EventWaitInfo, OrchestratorAnswer, ParkedTurn } from "./history/orchestrator-answer.ts";
export { OrchestrationRuntimeState, type PendingMessage, type Stalled } from "./history/runtime-state.ts";
export { type ActivityWorkerOptions, newActivityTaskWorker } from "./hub/activity-worker.ts";
export type {
  AddEventOptions,
  Backend,
  CreateInstanceOptions,
  PurgeOptions,
  Rendezvous,
  RerunRequest,
  RestartOptions,
  TaskHubControl,
  WaitOptions,
} from "./hub/backend.ts";
export type {
  ActivityCall,
  ActivityExecutor,
  Executor,
  OrchestratorExecutor,
  OrchestratorTurn,
} from "./hub/executor.ts";
export {
  type InProcessHost,
  type InProcessHub,
  type InProcessHubOptions,
  newInProcessHub,
} from "./hub/in-process-hub.ts";
export { defaultLogger, type Logger, type LogLevel, silentLogger } from "./hub/logger.ts";
export * from "./hub/metadata.ts";
export {
  MAX_CONTINUE_AS_NEW_PER_TURN,
  newOrchestrationWorker,
  type OrchestrationWorkerOptions,
} from "./hub/orchestration-worker.ts";
export type { InstanceIdPage, InstancePage, InstanceQuery } from "./hub/query.ts";
export {
  type ClientWaitOptions,
  newTaskHubClient,
  type RaiseEventOptions,
  type RerunOptions,
  type ScheduleOptions,
  type TaskHubClient,
  type TaskHubClientOptions,
  type TerminateOptions,
} from "./hub/task-hub-client.ts";
export { newTaskHubWorker, type TaskHubWorker } from "./hub/task-hub-worker.ts";
export { newTaskWorker, type TaskProcessor, type TaskWorker, type WorkerOptions } from "./hub/task-worker.ts";
export {
  ActivityWorkItem,
  getActivityExecutionKey,
  OrchestrationWorkItem,
  type WorkItem,
} from "./hub/work-item.ts";
export {
  DEFAULT_MAX_PAYLOAD_BYTES,
  MAX_IDEMPOTENCY_KEY_BYTES,
  MAX_INSTANCE_ID_BYTES,
  MAX_NAME_BYTES,
} from "./limits.ts";
export type { ActivityContext } from "./orchestration/activity-context.ts";
export { type AesGcmCodecOptions, newAesGcmCodec } from "./orchestration/aes-gcm-codec.ts";
export type * from "./orchestration/context.ts";
export { type DataConverter, jsonDataConverter } from "./orchestration/data-converter.ts";
export { type Duration, toMilliseconds } from "./orchestration/duration.ts";
export type { EventResult } from "./orchestration/external-events.ts";
export { InProcessExecutor, type InProcessExecutorOptions } from "./orchestration/in-process-executor.ts";
export type { PayloadCodec } from "./orchestration/payload-codec.ts";
export { defineActivity, defineEvent, defineOrchestrator } from "./orchestration/references.ts";
export { TaskRegistry } from "./orchestration/registry.ts";
export type { RetryPolicy } from "./orchestration/retry-policy.ts";
export { ActivityGates, type GateKeeper, type RunWhen } from "./orchestration/run-when.ts";
export { messageChannelSettle, type Settle } from "./orchestration/settle.ts";
export type { Task } from "./orchestration/task.ts";
export { NonRetriableError, TaskFailedError } from "./orchestration/task-failed-error.ts";
export { randomIds, systemClock, systemTimers } from "./partition/host.ts";
export { LocalSignals } from "./partition/local-signals.ts";
export { comparePlaces, matches } from "./partition/paging.ts";
export { type HistorySegments, Partition } from "./partition/partition.ts";
export type { PartitionOptions } from "./partition/partition-context.ts";
export type * from "./partition/ports.ts";
export type { ExportOptions, InstanceFile } from "./partition/transfer.ts";
export type {
  ActivityRequest,
  ActivityResponse,
  CreateWorkflowInstanceRequest,
  DurableTimer,
  HistoryEvent,
  OrchestrationIdReusePolicy,
  OrchestrationRuntimeStateMessage,
  OrchestratorAction,
  OrchestratorRequest,
  OrchestratorResponse,
  TaskFailureDetails,
  WorkflowState,
  WorkflowStateMetadata,
} from "./protocol/gen/perdura/model/v1/history_pb.ts";
export {
  CreateOrchestrationAction,
  Dialect,
  OrchestrationIdReusePolicySchema,
  OrchestrationStatus,
  Runner,
} from "./protocol/gen/perdura/model/v1/history_pb.ts";
export { marshalHistoryEvent, unmarshalHistoryEvent } from "./protocol/marshal.ts";
export { isTerminal, type RuntimeStatus, statusFromName, statusName } from "./protocol/status.ts";
