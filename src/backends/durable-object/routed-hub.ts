import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { unlessAborted } from "../../connect/unless-aborted.ts";
import {
  AbortedError,
  InvalidArgumentError,
  TaskHubExistsError,
  TaskHubNotFoundError,
  UnsupportedError,
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
import { purgeRecursively } from "../../core/hub/purge.ts";
import type { InstanceIdPage, InstancePage, InstanceQuery } from "../../core/hub/query.ts";
import { restartInstance } from "../../core/hub/restart.ts";
import { checkInstanceId } from "../../core/limits.ts";
import { randomIds } from "../../core/partition/host.ts";
import type { HistoryEvent } from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { OrchestrationIdReusePolicySchema } from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { type IndexEntry, IndexEntrySchema } from "../../core/protocol/gen/perdura/model/v1/store_pb.ts";
import { marshalHistoryEvent, unmarshalSegment } from "../../core/protocol/marshal.ts";
import { statusName } from "../../core/protocol/status.ts";
import {
  type DispatcherNamespace,
  dispatchersOf,
  type HistoryPage,
  type HubIndexRpc,
  hubIndexOf,
  type IndexPage,
  type OrchestrationRpc,
  orchestrationsOf,
  type TaskHubBindings,
  type WatchUntil,
} from "./bindings.ts";
import { dispatcherName } from "./dispatcher-rpc.ts";
import { checkHubName, objectName } from "./object-name.ts";
import { unwrap } from "./rpc.ts";

/** How long one poll of an instance may take, in ms; a longer wait polls again. */
const POLL_MS = 50_000;

/** How long a Worker goes on with the hub's incarnation before it asks again, in ms. */
const INCARNATION_KEPT_MS = 10_000;

/** A hub seen whole from a Worker: sends each call to the instance's object, and lists by the index. */
export class RoutedHub implements TaskHubControl {
  readonly #env: TaskHubBindings;
  readonly #hub: string;
  #incarnation: { readonly value: number; readonly until: number } | undefined;

  /** @throws {@link InvalidArgumentError} for a bad hub name. */
  constructor(env: TaskHubBindings, hub: string) {
    checkHubName(hub);
    this.#env = env;
    this.#hub = hub;
  }

  async createTaskHub(): Promise<void> {
    if (!(await unwrap(this.#index().createHub()))) throw new TaskHubExistsError();
  }

  async deleteTaskHub(): Promise<void> {
    this.#incarnation = undefined;
    const dispatcher = dispatchersOf(this.#env) === undefined ? undefined : await this.dispatcher();
    this.#incarnation = undefined;
    if (!(await unwrap(this.#index().deleteHub()))) throw new TaskHubNotFoundError();
    // Its workers come again, and find the next incarnation's.
    await dispatcher?.retire().catch(() => undefined);
  }

  /**
   * The dispatcher object of the hub as it is now, where its workers' streams end.
   *
   * @throws {@link UnsupportedError} where the environment binds none.
   */
  async dispatcher(): Promise<ReturnType<DispatcherNamespace["get"]>> {
    const namespace = dispatchersOf(this.#env);
    if (namespace === undefined) {
      throw new UnsupportedError("no dispatcher is bound: bind a class made by dispatcherObject() as DISPATCHER");
    }
    const name = dispatcherName({ hub: this.#hub, incarnation: await this.#currentIncarnation() });
    return namespace.get(namespace.idFromName(name));
  }

  async createOrchestrationInstance(start: HistoryEvent, options: CreateInstanceOptions = {}): Promise<void> {
    const { eventType } = start;
    if (eventType.case !== "executionStarted") {
      throw new InvalidArgumentError("HistoryEvent must be an ExecutionStartedEvent");
    }
    const object = await this.#object(eventType.value.orchestrationInstance?.instanceId ?? "");
    const { reusePolicy, idempotencyKey } = options;
    const policy = reusePolicy === undefined ? undefined : toBinary(OrchestrationIdReusePolicySchema, reusePolicy);
    await unwrap(
      object.create(marshalHistoryEvent(start), {
        ...(policy === undefined ? {} : { reusePolicy: policy }),
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      }),
    );
  }

  async addNewOrchestrationEvent(
    instanceId: string,
    event: HistoryEvent,
    options: AddEventOptions = {},
  ): Promise<void> {
    const object = await this.#object(instanceId);
    await unwrap(object.addEvent(marshalHistoryEvent(event), options.idempotencyKey));
  }

  async getOrchestrationMetadata(
    instanceId: string,
    options: { readonly fetchPayloads?: boolean } = {},
  ): Promise<OrchestrationMetadata> {
    return unwrap((await this.#object(instanceId)).metadata(options.fetchPayloads ?? true));
  }

  /** Long polls, issued again until the condition holds. */
  async watchOrchestrationRuntimeStatus(
    instanceId: string,
    condition: (metadata: OrchestrationMetadata) => boolean,
    options: WaitOptions = {},
  ): Promise<OrchestrationMetadata> {
    const { signal, until = "changed" } = options;
    const object = await this.#object(instanceId);
    const aborted = (): AbortedError => new AbortedError("the wait was aborted; the instance goes on");
    let revision: string | undefined;
    let wanted: WatchUntil = until;
    for (;;) {
      const watched = await unlessAborted(unwrap(object.watch(wanted, revision, POLL_MS)), signal, aborted);
      if (condition(watched.metadata)) return watched.metadata;
      // The object thought that this was it: from here on every change is looked at.
      if (watched.isReached) wanted = "changed";
      revision = watched.revision;
    }
  }

  async purgeOrchestrationState(instanceId: string, options: PurgeOptions = {}): Promise<number> {
    return purgeRecursively(
      {
        childrenOf: async (id, { force }) => unwrap((await this.#object(id)).childrenOf(force ?? false)),
        purgeOne: async (id, { force, tellParent }) =>
          unwrap((await this.#object(id)).purge(force ?? false, tellParent ?? true)),
      },
      instanceId,
      options,
    );
  }

  async getInstanceHistory(instanceId: string): Promise<readonly HistoryEvent[]> {
    const object = await this.#object(instanceId);
    for (;;) {
      const events: HistoryEvent[] = [];
      let executionId: string | undefined;
      let isTorn = false;
      for (let from: number | undefined = 0; from !== undefined && !isTorn; ) {
        const page: HistoryPage = await unwrap(object.historyPage(from));
        isTorn = executionId !== undefined && page.executionId !== executionId;
        ({ executionId } = page);
        for (const segment of page.segments) events.push(...unmarshalSegment(segment));
        from = page.next;
      }
      if (!isTorn) return events;
    }
  }

  async queryInstances(query: InstanceQuery = {}): Promise<InstancePage> {
    const { entries, continuationToken } = await this.#query(query);
    const fromIndex = entries.map((bytes) => metadataFromIndex(fromBinary(IndexEntrySchema, bytes)));
    const instances =
      query.fetchPayloads === true
        ? await Promise.all(fromIndex.map(({ instanceId }) => this.getOrchestrationMetadata(instanceId)))
        : fromIndex;
    return continuationToken === undefined ? { instances } : { instances, continuationToken };
  }

  async listInstanceIds(query: InstanceQuery = {}): Promise<InstanceIdPage> {
    const { entries, continuationToken } = await this.#query(query);
    const instanceIds = entries.map((bytes) => fromBinary(IndexEntrySchema, bytes).instanceId);
    return continuationToken === undefined ? { instanceIds } : { instanceIds, continuationToken };
  }

  #query(query: InstanceQuery): Promise<IndexPage> {
    return unwrap(this.#index().query(query));
  }

  restart(instanceId: string, options: RestartOptions = {}): Promise<string> {
    return restartInstance(this, instanceId, options, { nowMs: Date.now(), ids: randomIds });
  }

  async rewind(instanceId: string, reason?: string): Promise<void> {
    await unwrap((await this.#object(instanceId)).rewind(reason));
  }

  async rerunWorkflowFromEvent(request: RerunRequest): Promise<string> {
    if (request.sourceInstanceId === "") {
      throw new InvalidArgumentError("rerun workflow source instance ID is required");
    }
    const newInstanceId = request.newInstanceId ?? randomIds.uuid();
    const target = await this.#object(newInstanceId);
    await unwrap(target.adopt(request));
    return newInstanceId;
  }

  #index(): HubIndexRpc {
    const namespace = hubIndexOf(this.#env);
    return namespace.get(namespace.idFromName(this.#hub));
  }

  async #object(instanceId: string): Promise<OrchestrationRpc> {
    checkInstanceId(instanceId);
    const namespace = orchestrationsOf(this.#env);
    const name = objectName({ hub: this.#hub, incarnation: await this.#currentIncarnation(), instanceId });
    return namespace.get(namespace.idFromName(name));
  }

  async #currentIncarnation(): Promise<number> {
    const now = Date.now();
    if (this.#incarnation === undefined || this.#incarnation.until < now) {
      const { incarnation } = await unwrap(this.#index().hub());
      this.#incarnation = { value: incarnation, until: now + INCARNATION_KEPT_MS };
    }
    return this.#incarnation.value;
  }
}

/** What the index knows of an instance. What it waits for, only its object knows. */
function metadataFromIndex(entry: IndexEntry): OrchestrationMetadata {
  return {
    instanceId: entry.instanceId,
    executionId: entry.executionId ?? "",
    generation: 0,
    name: entry.name,
    runtimeStatus: statusName(entry.status),
    createdAt: new Date(entry.createdAtMs),
    lastUpdatedAt: new Date(entry.lastUpdatedAtMs),
    tags: { ...entry.tags },
    waitingOn: { activities: [], timers: [], events: [], children: [] },
    ...(entry.completedAtMs === undefined ? {} : { completedAt: new Date(entry.completedAtMs) }),
    ...(entry.parentInstanceId === undefined ? {} : { parentInstanceId: entry.parentInstanceId }),
    ...(entry.versionName === undefined ? {} : { version: entry.versionName }),
    ...(entry.customStatus === undefined ? {} : { customStatus: entry.customStatus }),
  };
}
