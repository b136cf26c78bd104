import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import {
  AbortedError,
  InstanceNotFoundError,
  InvalidArgumentError,
  type PerduraError,
  StorageError,
} from "../../core/errors.ts";
import type {
  AddEventOptions,
  CreateInstanceOptions,
  PurgeOptions,
  RerunRequest,
  RestartOptions,
  TaskHubControl,
  WaitOptions,
} from "../../core/hub/backend.ts";
import type { OrchestrationMetadata } from "../../core/hub/metadata.ts";
import type { InstanceIdPage, InstancePage, InstanceQuery } from "../../core/hub/query.ts";
import { checkInstanceId, checkPayload } from "../../core/limits.ts";
import { rowQueryOf } from "../../core/partition/paging.ts";
import type { HistoryEvent } from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import {
  type GetInstanceResponse,
  InstanceQuerySchema,
  type InstanceQuery as WireQuery,
} from "../../core/protocol/gen/perdura/wire/v1/task_hub_service_pb.ts";
import { statusFromName } from "../../core/protocol/status.ts";
import { timestampFromMs } from "../../core/protocol/timestamp.ts";
import { fromConnectError } from "../protocol/connect-errors.ts";
import { metadataFrom } from "../protocol/instance-state.ts";
import { MAX_MESSAGE_BYTES } from "../protocol/message-limit.ts";
import { Backoff, pause } from "./backoff.ts";
import { callOptions, newSidecarClient, type SidecarClient } from "./service-client.ts";

/** How long a call that does not wait for an orchestration may take, in ms. */
const CALL_TIMEOUT_MS = 60_000;

/** How often an instance is looked at for a condition that the protocol has no wait for, in ms: first, and at most. */
const FIRST_LOOK_MS = 100;
const LONGEST_LOOK_MS = 2000;

/** A hub on the other side of a transport. */
export class RemoteControl implements TaskHubControl {
  readonly #client: SidecarClient;

  constructor(transport: Transport) {
    this.#client = newSidecarClient(transport);
  }

  createTaskHub(): Promise<void> {
    return this.#call(async () => void (await this.#client.createTaskHub({}, options())));
  }

  deleteTaskHub(): Promise<void> {
    return this.#call(async () => void (await this.#client.deleteTaskHub({}, options())));
  }

  async createOrchestrationInstance(start: HistoryEvent, settings: CreateInstanceOptions = {}): Promise<void> {
    if (start.eventType.case !== "executionStarted") {
      throw new InvalidArgumentError("HistoryEvent must be an ExecutionStartedEvent");
    }
    const { name, version, input, orchestrationInstance, scheduledStartTimestamp, tags, parentTraceContext } =
      start.eventType.value;
    const { reusePolicy, idempotencyKey } = settings;
    // The protocol lets the server choose an id; here the caller has to.
    checkInstanceId(orchestrationInstance?.instanceId ?? "");
    // A server that refuses a message while it is being sent may not be heard over the broken connection.
    checkPayload("the input", input, MAX_MESSAGE_BYTES);
    await this.#call(() =>
      this.#client.startInstance(
        {
          instanceId: orchestrationInstance?.instanceId ?? "",
          name,
          tags,
          skipWait: true,
          ...present("executionId", orchestrationInstance?.executionId),
          ...present("version", version),
          ...present("input", input),
          ...present("scheduledStartTimestamp", scheduledStartTimestamp),
          ...present("parentTraceContext", parentTraceContext),
          ...present("orchestrationIdReusePolicy", reusePolicy),
          ...present("idempotencyKey", idempotencyKey),
        },
        options(),
      ),
    );
  }

  async addNewOrchestrationEvent(
    instanceId: string,
    event: HistoryEvent,
    settings: AddEventOptions = {},
  ): Promise<void> {
    checkInstanceId(instanceId);
    const { case: kind, value } = event.eventType;
    const input = kind === "eventRaised" || isSteering(kind) ? (value as { input?: string }).input : undefined;
    checkPayload("the payload", input, MAX_MESSAGE_BYTES);
    await this.#call(async () => {
      switch (kind) {
        case "eventRaised":
          return this.#client.raiseEvent(
            {
              instanceId,
              name: value.name,
              ...present("input", input),
              ...present("idempotencyKey", settings.idempotencyKey),
            },
            options(),
          );
        case "executionTerminated": {
          const request = { instanceId, recursive: value.recurse, skipWait: true, ...present("output", input) };
          return this.#client.terminateInstance(request, options());
        }
        case "executionSuspended":
          return this.#client.suspendInstance({ instanceId, skipWait: true, ...present("reason", input) }, options());
        case "executionResumed":
          return this.#client.resumeInstance({ instanceId, skipWait: true, ...present("reason", input) }, options());
        default:
          throw new InvalidArgumentError(`a client cannot send a ${kind ?? "unknown"} event`);
      }
    });
  }

  async getOrchestrationMetadata(
    instanceId: string,
    settings: { readonly fetchPayloads?: boolean } = {},
  ): Promise<OrchestrationMetadata> {
    const getInputsAndOutputs = settings.fetchPayloads ?? true;
    const response = await this.#call(() => this.#client.getInstance({ instanceId, getInputsAndOutputs }, options()));
    return metadataOf(instanceId, response);
  }

  /** A wait outlives the connection: it is asked again, with growing delays, until it is answered or aborted. */
  async watchOrchestrationRuntimeStatus(
    instanceId: string,
    condition: (metadata: OrchestrationMetadata) => boolean,
    settings: WaitOptions = {},
  ): Promise<OrchestrationMetadata> {
    const { signal } = settings;
    const failures = new Backoff(500, 15_000);
    for (let lookMs = FIRST_LOOK_MS; ; lookMs = Math.min(lookMs * 1.5, LONGEST_LOOK_MS)) {
      try {
        const metadata = await this.#look(instanceId, settings);
        if (condition(metadata)) return metadata;
        failures.reset();
        await pause(lookMs, signal);
      } catch (error) {
        if (signal?.aborted === true) throw aborted(error);
        if (!isPassing(error)) throw error;
        await pause(failures.next(), signal);
      }
      if (signal?.aborted === true) throw aborted(undefined);
    }
  }

  async #look(instanceId: string, { signal, until }: WaitOptions): Promise<OrchestrationMetadata> {
    const request = { instanceId, getInputsAndOutputs: true };
    const response = await this.#call(() => {
      if (until === "started") return this.#client.waitForInstanceStart(request, callOptions(signal));
      if (until === "completed") return this.#client.waitForInstanceCompletion(request, callOptions(signal));
      return this.#client.getInstance(request, callOptions(signal, CALL_TIMEOUT_MS));
    });
    return metadataOf(instanceId, response);
  }

  async purgeOrchestrationState(instanceId: string, settings: PurgeOptions = {}): Promise<number> {
    const response = await this.#call(() =>
      this.#client.purgeInstances(
        {
          request: { case: "instanceId", value: instanceId },
          recursive: settings.recursive ?? true,
          ...present("force", settings.force),
        },
        options(),
      ),
    );
    return response.deletedInstanceCount;
  }

  /** Streamed, so that a long one is no single message. */
  getInstanceHistory(instanceId: string): Promise<readonly HistoryEvent[]> {
    return this.#call(async () => {
      const events: HistoryEvent[] = [];
      for await (const chunk of this.#client.streamInstanceHistory({ instanceId }, options()))
        events.push(...chunk.events);
      return events;
    });
  }

  async queryInstances(query: InstanceQuery = {}): Promise<InstancePage> {
    const response = await this.#call(() => this.#client.queryInstances({ query: wireQuery(query) }, options()));
    const instances = response.orchestrationState.map((state, index) => metadataFrom(state, response.details[index]));
    return { instances, ...present("continuationToken", response.continuationToken) };
  }

  async listInstanceIds(query: InstanceQuery = {}): Promise<InstanceIdPage> {
    const { instanceIds, continuationToken } = await this.#call(() =>
      this.#client.listInstanceIDs(
        {
          query: wireQuery(query),
          ...present("pageSize", query.pageSize),
          ...present("continuationToken", query.continuationToken),
        },
        options(),
      ),
    );
    return { instanceIds, ...present("continuationToken", continuationToken) };
  }

  async restart(instanceId: string, settings: RestartOptions = {}): Promise<string> {
    const { newInstanceId } = settings;
    const request = { instanceId, restartWithNewInstanceId: newInstanceId !== undefined };
    const response = await this.#call(() =>
      this.#client.restartInstance({ ...request, ...present("newInstanceId", newInstanceId) }, options()),
    );
    return response.instanceId;
  }

  async rewind(instanceId: string, reason?: string): Promise<void> {
    await this.#call(() => this.#client.rewindInstance({ instanceId, ...present("reason", reason) }, options()));
  }

  async rerunWorkflowFromEvent(request: RerunRequest): Promise<string> {
    const response = await this.#call(() =>
      this.#client.rerunWorkflowFromEvent(
        {
          sourceInstanceID: request.sourceInstanceId,
          eventID: request.eventId,
          overwriteInput: request.overwriteInput ?? false,
          ...present("newInstanceID", request.newInstanceId),
          ...present("newChildWorkflowInstanceID", request.newChildInstanceId),
          ...present("input", request.input),
        },
        options(),
      ),
    );
    return response.newInstanceID;
  }

  async #call<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw fromConnectError(error);
    }
  }
}

function options(): ReturnType<typeof callOptions> {
  return callOptions(undefined, CALL_TIMEOUT_MS);
}

function isSteering(kind: HistoryEvent["eventType"]["case"]): boolean {
  return kind === "executionTerminated" || kind === "executionSuspended" || kind === "executionResumed";
}

function metadataOf(instanceId: string, response: GetInstanceResponse): OrchestrationMetadata {
  const { exists, orchestrationState, details } = response;
  if (!exists || orchestrationState === undefined) throw new InstanceNotFoundError(instanceId);
  return metadataFrom(orchestrationState, details);
}

/** @throws {@link InvalidArgumentError}: on the wire a page size of 0 means the default. */
function wireQuery(query: InstanceQuery): WireQuery {
  rowQueryOf(query);
  const { name, runtimeStatus, createdFrom, createdTo, completedFrom, completedTo } = query;
  const init: MessageInitShape<typeof InstanceQuerySchema> = {
    exactStatus: true,
    fetchInputsAndOutputs: query.fetchPayloads ?? false,
    oldestFirst: query.order === "oldest",
    maxInstanceCount: query.pageSize ?? 0,
    runtimeStatus: runtimeStatus?.map(statusFromName) ?? [],
    names: name === undefined ? [] : typeof name === "string" ? [name] : [...name],
    tags: { ...query.tags },
    ...present("instanceIdPrefix", query.instanceIdPrefix),
    ...present("continuationToken", query.continuationToken),
    ...present("createdTimeFrom", createdFrom && timestampFromMs(createdFrom.getTime())),
    ...present("createdTimeTo", createdTo && timestampFromMs(createdTo.getTime())),
    ...present("completedTimeFrom", completedFrom && timestampFromMs(completedFrom.getTime())),
    ...present("completedTimeTo", completedTo && timestampFromMs(completedTo.getTime())),
  };
  return create(InstanceQuerySchema, init);
}

/** The hub was not reached, or was cut off: it may be there again soon. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof StorageError) || !(error.cause instanceof ConnectError)) return false;
  return [Code.Unavailable, Code.Unknown, Code.Aborted, Code.DeadlineExceeded, Code.Internal].includes(
    error.cause.code,
  );
}

function aborted(error: unknown): PerduraError {
  return new AbortedError("the wait was aborted; the instance goes on", error === undefined ? {} : { cause: error });
}

/** A property that is absent rather than undefined. */
function present<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}
