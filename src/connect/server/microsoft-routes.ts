import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { InstanceNotCompletedError, InstanceNotFoundError, TaskHubExistsError } from "../../core/errors.ts";
import type { OrchestrationMetadata } from "../../core/hub/metadata.ts";
import type { InstanceQuery } from "../../core/hub/query.ts";
import {
  type GetInstanceResponse,
  GetInstanceResponseSchema,
  type GetWorkItemsRequest,
  type PurgeInstancesRequest,
  TraceContextSchema,
  type OrchestrationIdReusePolicy as WirePolicy,
  type InstanceQuery as WireQuery,
  WorkerCapability,
  type WorkItem,
  WorkItemSchema,
} from "../../core/protocol/gen/microsoft/orchestrator_service_pb.ts";
import {
  CreateOrchestrationAction,
  Dialect,
  TraceContextSchema as ModelTraceContextSchema,
  type OrchestrationIdReusePolicy,
  OrchestrationIdReusePolicySchema,
  type OrchestrationStatus,
} from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { timestampToMs } from "../../core/protocol/timestamp.ts";
import { stateOf, statusNames } from "../protocol/instance-state.ts";
import { MicrosoftCodec } from "../protocol/microsoft-codec.ts";
import { microsoftService } from "../protocol/services.ts";
import { call } from "./call.ts";
import type { RouteParts } from "./dapr-routes.ts";
import { DIALECT_HEADER } from "./dialect-switch.ts";
import { type HubService, nonEmpty } from "./hub-service.ts";
import type { WorkerExchange } from "./local-dispatcher.ts";
import { chunksOf } from "./paged-history.ts";
import { type OutgoingItem, workItems } from "./work-item-source.ts";
import type { NameFilter, WorkerDescription } from "./worker-stream.ts";

type Routes = Partial<ServiceImpl<typeof microsoftService>>;

/** The most that one page may hold. */
const MAX_PAGE = 1000;

/** Serves the whole service in Microsoft's dialect; entities are not implemented. */
export function addMicrosoftRoutes(router: ConnectRouter, parts: RouteParts): void {
  const codec = new MicrosoftCodec();
  const { exchange } = parts;
  const work = exchange === undefined ? {} : workOf(parts, exchange, codec);
  router.service(microsoftService, { ...managementOf(parts, codec), ...work });
}

function managementOf({ hub }: RouteParts, codec: MicrosoftCodec): Routes {
  const instance = (metadata: OrchestrationMetadata | undefined, withPayloads: boolean): GetInstanceResponse => {
    if (metadata === undefined) return create(GetInstanceResponseSchema, { exists: false });
    const orchestrationState = codec.orchestrationState(stateOf(metadata, withPayloads));
    return create(GetInstanceResponseSchema, { exists: true, orchestrationState });
  };
  return {
    hello: () => ({}),
    startInstance: (request, context) =>
      call(context, async () => {
        const { scheduledStartTimestamp: scheduled, parentTraceContext, orchestrationIdReusePolicy } = request;
        const instanceId = await hub.start({
          instanceId: request.instanceId,
          name: request.name,
          version: request.version,
          input: request.input,
          scheduledStartMs: scheduled === undefined ? undefined : timestampToMs(scheduled),
          executionId: request.executionId,
          tags: request.tags,
          parentTraceContext:
            parentTraceContext && codec.convert(TraceContextSchema, ModelTraceContextSchema, parentTraceContext),
          reusePolicy: policyOf(orchestrationIdReusePolicy),
        });
        return { instanceId };
      }),
    getInstance: ({ instanceId, getInputsAndOutputs }, context) =>
      call(context, async () => instance(await hub.get(instanceId, getInputsAndOutputs), getInputsAndOutputs)),
    waitForInstanceStart: ({ instanceId, getInputsAndOutputs }, context) =>
      call(context, async () => instance(await hub.waitForStart(instanceId, context.signal), getInputsAndOutputs)),
    waitForInstanceCompletion: ({ instanceId, getInputsAndOutputs }, context) =>
      call(context, async () => instance(await hub.waitForCompletion(instanceId, context.signal), getInputsAndOutputs)),
    raiseEvent: ({ instanceId, name, input }, context) =>
      call(context, async () => {
        await hub.raise(instanceId, name, nonEmpty(input));
        return {};
      }),
    terminateInstance: ({ instanceId, output, recursive }, context) =>
      call(context, async () => {
        await hub.terminate(instanceId, output, recursive);
        return {};
      }),
    suspendInstance: ({ instanceId, reason }, context) =>
      call(context, async () => {
        await hub.suspend(instanceId, reason);
        return {};
      }),
    resumeInstance: ({ instanceId, reason }, context) =>
      call(context, async () => {
        await hub.resume(instanceId, reason);
        return {};
      }),
    rewindInstance: ({ instanceId, reason }, context) =>
      call(context, async () => {
        await hub.rewind(instanceId, reason);
        return {};
      }),
    restartInstance: ({ instanceId, restartWithNewInstanceId }, context) =>
      call(context, async () => {
        const other = restartWithNewInstanceId ? crypto.randomUUID() : undefined;
        return { instanceId: await hub.restart(instanceId, other) };
      }),
    queryInstances: ({ query }, context) =>
      call(context, async () => {
        const page = await hub.queryShown(queryOf(query));
        const withPayloads = query?.fetchInputsAndOutputs ?? false;
        return {
          orchestrationState: page.instances.map((metadata) =>
            codec.orchestrationState(stateOf(metadata, withPayloads)),
          ),
          ...(page.continuationToken === undefined ? {} : { continuationToken: page.continuationToken }),
        };
      }),
    listInstanceIds: ({ runtimeStatus, completedTimeFrom, completedTimeTo, pageSize, lastInstanceKey }, context) =>
      call(context, async () => {
        const page = await hub.listIds({
          ...(runtimeStatus.length === 0 ? {} : { runtimeStatus: statusNames(runtimeStatus) }),
          ...(completedTimeFrom === undefined ? {} : { completedFrom: new Date(timestampToMs(completedTimeFrom)) }),
          ...(completedTimeTo === undefined ? {} : { completedTo: new Date(timestampToMs(completedTimeTo)) }),
          ...(pageSize > 0 ? { pageSize: Math.min(pageSize, MAX_PAGE) } : {}),
          ...(lastInstanceKey === undefined || lastInstanceKey === "" ? {} : { continuationToken: lastInstanceKey }),
        });
        const instanceIds = [...page.instanceIds];
        return page.continuationToken === undefined
          ? { instanceIds }
          : { instanceIds, lastInstanceKey: page.continuationToken };
      }),
    purgeInstances: (request, context) => call(context, () => purge(hub, request, context)),
    skipGracefulOrchestrationTerminations: ({ instanceBatch, reason }, context) =>
      call(context, async () => ({
        unterminatedInstanceIds: await hub.terminateAll(instanceBatch?.instanceIds ?? [], reason),
      })),
    createTaskHub: ({ recreateIfExists }, context) =>
      call(context, async () => {
        await hub.createHub(recreateIfExists).catch((error: unknown) => {
          // In this dialect it is there afterwards, whether or not it was before.
          if (!(error instanceof TaskHubExistsError)) throw error;
        });
        return {};
      }),
    deleteTaskHub: (_, context) =>
      call(context, async () => {
        await hub.deleteHub();
        return {};
      }),
  };
}

/** In this dialect what is not there, or has not ended, counts as none purged. */
async function purge(
  hub: HubService,
  { request, recursive }: PurgeInstancesRequest,
  context: HandlerContext,
): Promise<{ deletedInstanceCount: number; isComplete: boolean }> {
  switch (request.case) {
    case "instanceId": {
      const done = hub.purge(request.value, { recursive, force: false }).catch((error: unknown) => {
        if (error instanceof InstanceNotFoundError || error instanceof InstanceNotCompletedError) return 0;
        throw error;
      });
      return { deletedInstanceCount: await done, isComplete: true };
    }
    case "instanceBatch":
      return { deletedInstanceCount: await hub.purgeMany(request.value.instanceIds, recursive), isComplete: true };
    case "purgeInstanceFilter": {
      const { createdTimeFrom, createdTimeTo, runtimeStatus, timeout } = request.value;
      const query: InstanceQuery = {
        ...(createdTimeFrom === undefined ? {} : { createdFrom: new Date(timestampToMs(createdTimeFrom)) }),
        ...(createdTimeTo === undefined ? {} : { createdTo: new Date(timestampToMs(createdTimeTo)) }),
        ...(runtimeStatus.length === 0 ? {} : { runtimeStatus: statusNames(runtimeStatus) }),
      };
      const timeoutMs = timeout === undefined ? undefined : Number(timeout.seconds) * 1000 + timeout.nanos / 1e6;
      const done = await hub.purgeMatching({ query, timeoutMs }, recursive, context.signal);
      return { deletedInstanceCount: done.count, isComplete: done.isComplete };
    }
    default:
      throw new ConnectError("name an instance, a batch or a filter", Code.InvalidArgument);
  }
}

function workOf({ hub, streams, repeated }: RouteParts, exchange: WorkerExchange, codec: MicrosoftCodec): Routes {
  return {
    async *getWorkItems(request, context) {
      const connection = { worker: workerOf(request, context), header: context.requestHeader };
      context.responseHeader.set(DIALECT_HEADER, "microsoft");
      for await (const item of workItems(exchange, connection, streams, context.signal)) yield workItem(item, codec);
    },
    completeOrchestratorTask: (response, context) =>
      call(context, async () => {
        repeated.once(context.requestHeader, () =>
          exchange.completeTurn(codec.orchestratorResponse(response), Dialect.MICROSOFT),
        );
        return {};
      }),
    completeActivityTask: (response, context) =>
      call(context, async () => {
        repeated.once(context.requestHeader, () => exchange.completeActivity(codec.activityResponse(response)));
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
      for (const chunk of chunksOf(events)) yield { events: codec.historyEvents(chunk) };
    },
  };
}

function workerOf(request: GetWorkItemsRequest, context: HandlerContext): WorkerDescription {
  const { workItemFilters: filters } = request;
  const copy = ({ name, versions = [] }: { name: string; versions?: string[] }): NameFilter => ({ name, versions });
  return {
    dialect: Dialect.MICROSOFT,
    maxTurns: request.maxConcurrentOrchestrationWorkItems,
    maxActivities: request.maxConcurrentActivityWorkItems,
    streamsHistory: request.capabilities.includes(WorkerCapability.HISTORY_STREAMING),
    keepsOrchestrators: false,
    takesPings: true,
    userAgent: context.requestHeader.get("user-agent") ?? "",
    ...(filters === undefined
      ? {}
      : { orchestrators: filters.orchestrations.map(copy), activities: filters.activities.map(copy) }),
  };
}

function workItem(item: OutgoingItem, codec: MicrosoftCodec): WorkItem {
  switch (item.kind) {
    case "ping":
      return create(WorkItemSchema, { request: { case: "healthPing", value: {} } });
    case "turn":
      return create(WorkItemSchema, {
        completionToken: item.token,
        request: { case: "orchestratorRequest", value: codec.orchestratorRequest(item.request) },
      });
    case "activity":
      return create(WorkItemSchema, {
        completionToken: item.token,
        request: { case: "activityRequest", value: codec.activityRequest(item.request) },
      });
  }
}

/** Here a policy lists what may be replaced; without one, or with an empty list, nothing may. */
function policyOf(policy: WirePolicy | undefined): OrchestrationIdReusePolicy | undefined {
  if (policy === undefined || policy.replaceableStatus.length === 0) return undefined;
  return create(OrchestrationIdReusePolicySchema, {
    operationStatus: policy.replaceableStatus.map((status) => status as number as OrchestrationStatus),
    action: CreateOrchestrationAction.TERMINATE,
  });
}

function queryOf(query: WireQuery | undefined): InstanceQuery {
  if (query === undefined) return {};
  const { createdTimeFrom, createdTimeTo, continuationToken, instanceIdPrefix, maxInstanceCount } = query;
  return {
    ...(query.runtimeStatus.length === 0 ? {} : { runtimeStatus: statusNames(query.runtimeStatus) }),
    ...(instanceIdPrefix === undefined || instanceIdPrefix === "" ? {} : { instanceIdPrefix }),
    ...(createdTimeFrom === undefined ? {} : { createdFrom: new Date(timestampToMs(createdTimeFrom)) }),
    ...(createdTimeTo === undefined ? {} : { createdTo: new Date(timestampToMs(createdTimeTo)) }),
    ...(maxInstanceCount > 0 ? { pageSize: Math.min(maxInstanceCount, MAX_PAGE) } : {}),
    ...(continuationToken === undefined || continuationToken === "" ? {} : { continuationToken }),
    fetchPayloads: query.fetchInputsAndOutputs,
  };
}
