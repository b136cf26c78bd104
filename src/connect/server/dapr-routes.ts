import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { OrchestrationMetadata } from "../../core/hub/metadata.ts";
import type { InstanceQuery } from "../../core/hub/query.ts";
import { WorkerCapability } from "../../core/protocol/gen/dapr/orchestrator_service_pb.ts";
import { Dialect, type OrchestratorResponse } from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import {
  type GetInstanceResponse,
  GetInstanceResponseSchema,
  type GetWorkItemsRequest,
  type InstanceQuery as WireQuery,
  type WorkItem,
  WorkItemSchema,
} from "../../core/protocol/gen/perdura/wire/v1/task_hub_service_pb.ts";
import { timestampToMs } from "../../core/protocol/timestamp.ts";
import { detailsOf, stateOf, statusNames } from "../protocol/instance-state.ts";
import { daprService } from "../protocol/services.ts";
import { call, PREFIXES, prefixed } from "./call.ts";
import { DIALECT_HEADER } from "./dialect-switch.ts";
import { type HubService, nonEmpty } from "./hub-service.ts";
import type { WorkerExchange } from "./local-dispatcher.ts";
import { chunksOf } from "./paged-history.ts";
import type { RepeatedCalls } from "./repeated-calls.ts";
import { type OutgoingItem, type WorkItemStreamOptions, workItems } from "./work-item-source.ts";
import type { WorkerDescription } from "./worker-stream.ts";

/** What the routes of either dialect are made of. */
export interface RouteParts {
  readonly hub: HubService;
  /** Where workers' streams end; absent where only clients are served. */
  readonly exchange: WorkerExchange | undefined;
  readonly streams: WorkItemStreamOptions;
  /** Answers that came before, to either dialect. */
  readonly repeated: RepeatedCalls;
  /** StartInstance answers when the start is durable, and does not wait for a worker to take it up. */
  readonly skipWaitForInstanceStart: boolean;
}

/** Serves the whole service in Dapr's dialect. */
export function addDaprRoutes(router: ConnectRouter, parts: RouteParts): void {
  const { exchange } = parts;
  router.service(daprService, { ...managementOf(parts), ...(exchange === undefined ? {} : workOf(parts, exchange)) });
}

type Routes = Partial<ServiceImpl<typeof daprService>>;

function managementOf({ hub, skipWaitForInstanceStart }: RouteParts): Routes {
  const instance = async (
    metadata: OrchestrationMetadata | undefined,
    withPayloads: boolean,
  ): Promise<GetInstanceResponse> => {
    if (metadata === undefined) return create(GetInstanceResponseSchema, { exists: false });
    return create(GetInstanceResponseSchema, {
      exists: true,
      orchestrationState: stateOf(metadata, withPayloads),
      details: detailsOf(metadata),
    });
  };
  return {
    hello: () => ({}),
    startInstance: (request, context) =>
      call(context, async () => {
        const scheduled = request.scheduledStartTimestamp;
        const started = hub.start({
          instanceId: request.instanceId,
          name: request.name,
          version: request.version,
          input: request.input,
          scheduledStartMs: scheduled === undefined ? undefined : timestampToMs(scheduled),
          executionId: request.executionId,
          tags: request.tags,
          parentTraceContext: request.parentTraceContext,
          reusePolicy: request.enforceUniqueInstanceId ? undefined : request.orchestrationIdReusePolicy,
          idempotencyKey: request.idempotencyKey,
        });
        const instanceId = await prefixed(PREFIXES.create, started);
        const waits = scheduled === undefined && !request.skipWait && !skipWaitForInstanceStart;
        if (waits) await hub.waitForStart(instanceId, context.signal);
        return { instanceId };
      }),
    getInstance: ({ instanceId, getInputsAndOutputs }, context) =>
      call(context, async () => instance(await hub.get(instanceId, getInputsAndOutputs), getInputsAndOutputs)),
    waitForInstanceStart: ({ instanceId, getInputsAndOutputs }, context) =>
      call(context, async () => instance(await hub.waitForStart(instanceId, context.signal), getInputsAndOutputs)),
    waitForInstanceCompletion: ({ instanceId, getInputsAndOutputs }, context) =>
      call(context, async () => instance(await hub.waitForCompletion(instanceId, context.signal), getInputsAndOutputs)),
    raiseEvent: ({ instanceId, name, input, idempotencyKey }, context) =>
      call(context, async () => {
        await hub.raise(instanceId, name, nonEmpty(input), idempotencyKey);
        return {};
      }),
    terminateInstance: ({ instanceId, output, recursive, skipWait }, context) =>
      call(context, async () => {
        await prefixed(PREFIXES.terminate, hub.terminate(instanceId, output, recursive));
        if (!skipWait) await hub.waitForCompletion(instanceId, context.signal);
        return {};
      }),
    suspendInstance: ({ instanceId, reason, skipWait }, context) =>
      call(context, async () => {
        await hub.suspend(instanceId, reason);
        if (!skipWait) await hub.waitForSuspension(instanceId, true, context.signal);
        return {};
      }),
    resumeInstance: ({ instanceId, reason, skipWait }, context) =>
      call(context, async () => {
        await hub.resume(instanceId, reason);
        if (!skipWait) await hub.waitForSuspension(instanceId, false, context.signal);
        return {};
      }),
    rewindInstance: ({ instanceId, reason }, context) =>
      call(context, async () => {
        await hub.rewind(instanceId, reason);
        return {};
      }),
    restartInstance: ({ instanceId, restartWithNewInstanceId, newInstanceId }, context) =>
      call(context, async () => {
        const other = newInstanceId ?? (restartWithNewInstanceId ? crypto.randomUUID() : undefined);
        return { instanceId: await hub.restart(instanceId, other) };
      }),
    rerunWorkflowFromEvent: (request, context) =>
      call(context, async () => {
        const { sourceInstanceID, eventID, newInstanceID, newChildWorkflowInstanceID, input, overwriteInput } = request;
        const newInstanceId = await hub.rerun({
          sourceInstanceId: sourceInstanceID,
          eventId: eventID,
          overwriteInput,
          ...(newInstanceID === undefined ? {} : { newInstanceId: newInstanceID }),
          ...(newChildWorkflowInstanceID === undefined ? {} : { newChildInstanceId: newChildWorkflowInstanceID }),
          ...(input === undefined ? {} : { input }),
        });
        return { newInstanceID: newInstanceId };
      }),
    queryInstances: ({ query }, context) =>
      call(context, async () => {
        const asked = queryOf(query);
        const page = query?.exactStatus === true ? await hub.query(asked) : await hub.queryShown(asked);
        return {
          orchestrationState: page.instances.map((metadata) =>
            stateOf(metadata, query?.fetchInputsAndOutputs ?? false),
          ),
          details: page.instances.map(detailsOf),
          ...(page.continuationToken === undefined ? {} : { continuationToken: page.continuationToken }),
        };
      }),
    listInstanceIDs: ({ continuationToken, pageSize, query }, context) =>
      call(context, async () => {
        const page = await hub.listIds({
          ...queryOf(query),
          ...(continuationToken === undefined || continuationToken === "" ? {} : { continuationToken }),
          ...(pageSize === undefined || pageSize === 0 ? {} : { pageSize: Math.min(pageSize, MAX_PAGE) }),
        });
        return page.continuationToken === undefined
          ? { instanceIds: [...page.instanceIds] }
          : { instanceIds: [...page.instanceIds], continuationToken: page.continuationToken };
      }),
    getInstanceHistory: ({ instanceId }, context) =>
      call(context, async () => ({ events: [...(await hub.history(instanceId))] })),
    purgeInstances: ({ request, recursive, force }, context) =>
      call(context, async () => {
        if (request.case === "instanceId") {
          const options = { recursive, force: force === true };
          const count = await prefixed(PREFIXES.purge, hub.purge(request.value, options));
          return { deletedInstanceCount: count, isComplete: true };
        }
        if (request.case === undefined) throw new ConnectError("name an instance or a filter", Code.InvalidArgument);
        const { createdTimeFrom, createdTimeTo, runtimeStatus } = request.value;
        const query: InstanceQuery = {
          ...(createdTimeFrom === undefined ? {} : { createdFrom: new Date(timestampToMs(createdTimeFrom)) }),
          ...(createdTimeTo === undefined ? {} : { createdTo: new Date(timestampToMs(createdTimeTo)) }),
          ...(runtimeStatus.length === 0 ? {} : { runtimeStatus: statusNames(runtimeStatus) }),
        };
        const done = await hub.purgeMatching({ query, timeoutMs: undefined }, recursive, context.signal);
        return { deletedInstanceCount: done.count, isComplete: done.isComplete };
      }),
    createTaskHub: ({ recreateIfExists }, context) =>
      call(context, async () => {
        await hub.createHub(recreateIfExists);
        return {};
      }),
    deleteTaskHub: (_, context) =>
      call(context, async () => {
        await hub.deleteHub();
        return {};
      }),
  };
}

function workOf({ hub, streams, repeated }: RouteParts, exchange: WorkerExchange): Routes {
  const completeTurn = (response: OrchestratorResponse, context: HandlerContext): Promise<Record<string, never>> =>
    call(context, async () => {
      repeated.once(context.requestHeader, () => exchange.completeTurn(response, Dialect.DAPR));
      return {};
    });
  return {
    async *getWorkItems(request, context) {
      const connection = { worker: workerOf(request, context), header: context.requestHeader };
      context.responseHeader.set(DIALECT_HEADER, "dapr");
      for await (const item of workItems(exchange, connection, streams, context.signal)) yield workItem(item);
    },
    completeOrchestratorTask: completeTurn,
    completeWorkflowTask: completeTurn,
    completeActivityTask: (response, context) =>
      call(context, async () => {
        repeated.once(context.requestHeader, () => exchange.completeActivity(response));
        return {};
      }),
    abandonTaskActivityWorkItem: ({ completionToken }) => {
      exchange.abandon(completionToken);
      return {};
    },
    abandonTaskOrchestratorWorkItem: ({ completionToken }) => {
      exchange.abandon(completionToken);
      return {};
    },
    async *streamInstanceHistory({ instanceId, forWorkItemProcessing }, context) {
      // A worker is given what its turn was made of, as the executor sees it.
      const past = forWorkItemProcessing ? exchange.pastEventsOf(instanceId) : undefined;
      const events = await call(context, () => past?.read() ?? hub.history(instanceId));
      for (const chunk of chunksOf(events)) yield { events: chunk };
    },
  };
}

function workerOf(request: GetWorkItemsRequest, context: HandlerContext): WorkerDescription {
  const { filters, keepsOrchestrators, streamName, lostStreams } = request;
  const anyVersion = (name: string): { name: string; versions: readonly string[] } => ({ name, versions: [] });
  return {
    dialect: Dialect.DAPR,
    maxTurns: request.maxConcurrentOrchestrationWorkItems,
    maxActivities: request.maxConcurrentActivityWorkItems,
    streamsHistory: request.capabilities.includes(WorkerCapability.HISTORY_STREAMING),
    keepsOrchestrators,
    // Ours do.
    takesPings: keepsOrchestrators,
    userAgent: context.requestHeader.get("user-agent") ?? "",
    ...(streamName === "" ? {} : { streamName }),
    ...(lostStreams.length === 0 ? {} : { lostStreams }),
    ...(filters === undefined
      ? {}
      : { orchestrators: filters.orchestrators.map(anyVersion), activities: filters.activities.map(anyVersion) }),
  };
}

function workItem(item: OutgoingItem): WorkItem {
  if (item.kind === "ping") return create(WorkItemSchema, { request: { case: "healthPing", value: {} } });
  const { request: value, token: completionToken } = item;
  if (item.kind === "turn") {
    return create(WorkItemSchema, { completionToken, request: { case: "orchestratorRequest", value: item.request } });
  }
  return create(WorkItemSchema, {
    completionToken,
    request: { case: "activityRequest", value: value as typeof item.request },
  });
}

/** The most that one page may hold. */
const MAX_PAGE = 1000;

function queryOf(query: WireQuery | undefined): InstanceQuery {
  if (query === undefined) return {};
  const { createdTimeFrom, createdTimeTo, completedTimeFrom, completedTimeTo, continuationToken, instanceIdPrefix } =
    query;
  return {
    ...(query.runtimeStatus.length === 0 ? {} : { runtimeStatus: statusNames(query.runtimeStatus) }),
    ...(query.names.length === 0 ? {} : { name: query.names }),
    ...(Object.keys(query.tags).length === 0 ? {} : { tags: query.tags }),
    ...(instanceIdPrefix === undefined || instanceIdPrefix === "" ? {} : { instanceIdPrefix }),
    ...(createdTimeFrom === undefined ? {} : { createdFrom: new Date(timestampToMs(createdTimeFrom)) }),
    ...(createdTimeTo === undefined ? {} : { createdTo: new Date(timestampToMs(createdTimeTo)) }),
    ...(completedTimeFrom === undefined ? {} : { completedFrom: new Date(timestampToMs(completedTimeFrom)) }),
    ...(completedTimeTo === undefined ? {} : { completedTo: new Date(timestampToMs(completedTimeTo)) }),
    ...(query.oldestFirst ? { order: "oldest" as const } : {}),
    ...(query.maxInstanceCount > 0 ? { pageSize: Math.min(query.maxInstanceCount, MAX_PAGE) } : {}),
    ...(continuationToken === undefined || continuationToken === "" ? {} : { continuationToken }),
    fetchPayloads: query.fetchInputsAndOutputs,
  };
}
