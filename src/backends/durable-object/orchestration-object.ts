import { DurableObject } from "cloudflare:workers";
import { fromBinary } from "@bufbuild/protobuf";
import { CompositeExecutor } from "../../connect/server/composite-executor.ts";
import { RemoteExecutor } from "../../connect/server/remote-executor.ts";
import { InvalidArgumentError } from "../../core/errors.ts";
import type { CreateInstanceOptions, RerunRequest } from "../../core/hub/backend.ts";
import { type InProcessHub, type InProcessHubOptions, newInProcessHub } from "../../core/hub/in-process-hub.ts";
import { defaultLogger } from "../../core/hub/logger.ts";
import { type OrchestrationMetadata, orchestrationMetadataIsComplete } from "../../core/hub/metadata.ts";
import { DEFAULT_MAX_PAYLOAD_BYTES } from "../../core/limits.ts";
import { Partition } from "../../core/partition/partition.ts";
import { DEFAULT_MAX_DEATHS } from "../../core/partition/partition-context.ts";
import type { DeliveryOutcome } from "../../core/partition/ports.ts";
import {
  type HistoryEvent,
  OrchestrationIdReusePolicySchema,
} from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { unmarshalEnvelope, unmarshalHistoryEvent, unmarshalSegment } from "../../core/protocol/marshal.ts";
import {
  type CutPage,
  dispatchersOf,
  type HistoryPage,
  hubIndexOf,
  type OrchestrationNamespace,
  type OrchestrationRpc,
  orchestrationsOf,
  type StartOptions,
  type TaskHubBindings,
  type Watched,
  type WatchUntil,
} from "./bindings.ts";
import type { TurnPart } from "./dispatcher-rpc.ts";
import { type EventPage, eventPage, HISTORY_PAGE_BYTES } from "./event-page.ts";
import { IndexPublisher } from "./index-publisher.ts";
import { ObjectDispatcher } from "./object-dispatcher.ts";
import { type ObjectIdentity, objectName, parseObjectName } from "./object-name.ts";
import { type ObjectPorts, objectPorts } from "./object-ports.ts";
import { ObjectRouter } from "./router.ts";
import { answer, type RpcAnswer, unwrap } from "./rpc.ts";

/** How an orchestration's object is made. */
export interface OrchestrationObjectOptions extends Omit<InProcessHubOptions, "registry"> {
  /** How often the object may die in a row with work in flight before the instance is parked. Default 5. */
  readonly maxDeaths?: number;
  /** The hub's namespaces in the Worker's environment, where they are not called `ORCHESTRATIONS` and `HUB_INDEX`. */
  readonly bindings?: (env: unknown) => TaskHubBindings;
}

/** The longest that an object holds a long poll, in ms. */
const MAX_WATCH_MS = 60_000;

/** The class of an orchestration's object. */
export type OrchestrationObjectClass = new (
  ctx: DurableObjectState,
  env: TaskHubBindings,
) => DurableObject<TaskHubBindings> & OrchestrationRpc;

/**
 * Makes the Durable Object class that holds one orchestration instance each, and runs the registry's orchestrators and
 * activities. Export it from the Worker under the name that wrangler.toml binds as `ORCHESTRATIONS`.
 *
 * @example
 * export const OrchestrationObject = orchestrationObject({ registry });
 * export { HubIndexObject } from "perdura/durable-object";
 */
export function orchestrationObject(
  options: OrchestrationObjectOptions & Pick<InProcessHubOptions, "registry">,
): OrchestrationObjectClass {
  return class OrchestrationObject extends OrchestrationHost {
    constructor(ctx: DurableObjectState, env: TaskHubBindings) {
      super(ctx, env, options);
    }
  };
}

/** One instance's host: a partition over the object's own storage, alarm and stubs. */
class OrchestrationHost extends DurableObject<TaskHubBindings> implements OrchestrationRpc {
  readonly #object: ObjectPorts;
  readonly #objects: OrchestrationNamespace;
  readonly #partition: Partition;
  readonly #hub: InProcessHub;
  /** Where names that this Worker lacks are run. */
  readonly #dispatcher: ObjectDispatcher | undefined;
  #identity: ObjectIdentity | undefined;

  constructor(
    ctx: DurableObjectState,
    env: TaskHubBindings,
    options: OrchestrationObjectOptions & Pick<InProcessHubOptions, "registry">,
  ) {
    super(ctx, env);
    const self = (): ObjectIdentity => this.#self();
    const bindings = options.bindings === undefined ? env : options.bindings(env);
    this.#objects = orchestrationsOf(bindings);
    this.#object = objectPorts(ctx.storage, {
      router: new ObjectRouter(self, this.#objects),
      index: new IndexPublisher(self, hubIndexOf(bindings)),
      isImplicitHub: true,
    });
    const { maxDeaths = DEFAULT_MAX_DEATHS, maxPayloadBytes = DEFAULT_MAX_PAYLOAD_BYTES } = options;
    const logger = options.logger ?? defaultLogger("warn");
    const { ports } = this.#object;
    const dispatchers = dispatchersOf(bindings);
    const newUuid = (): string => ports.ids.uuid();
    const now = (): number => ports.clock.now();
    const dispatcher = dispatchers === undefined ? undefined : new ObjectDispatcher(self, dispatchers, newUuid);
    this.#dispatcher = dispatcher;
    const { registry } = options;
    this.#partition = new Partition(ports, {
      logger,
      maxPayloadBytes,
      maxDeaths,
      maxLiveInstances: 1000,
      ...(dispatcher === undefined ? {} : { runsHere: (kind, name) => registry.has(kind, name) }),
    });
    this.#hub = newInProcessHub(this.#partition, options, {
      settle: ports.settle,
      now,
      newUuid,
      ...(dispatcher === undefined
        ? {}
        : {
            compose: (local) =>
              new CompositeExecutor(registry, local, new RemoteExecutor(dispatcher, { now, newUuid })),
          }),
    });
    void ctx.blockConcurrencyWhile(async () => {
      await this.#object.alarm.load();
      await this.#hub.worker.start();
      // An alarm that was lost would strand what is unfinished: see to it at every construction.
      this.#object.store.ensureAlarm();
    });
  }

  #self(): ObjectIdentity {
    this.#identity ??= parseObjectName(this.ctx.id.name ?? this.#object.store.readMeta("name") ?? "");
    return this.#identity;
  }

  /** Remembers the name, for a runtime that does not tell it to an object that its alarm wakes. */
  #remember(): void {
    const { name } = this.ctx.id;
    if (name !== undefined) this.#object.store.writeMeta("name", name);
  }

  /** The platform's alarm. It never throws: the platform gives up after six failures. */
  override async alarm(): Promise<void> {
    this.#object.alarm.fired();
    try {
      await this.#object.scheduler.wake();
    } catch (error) {
      defaultLogger().error("an alarm failed; the next one is armed", error);
    }
    this.#object.store.ensureAlarm();
  }

  create(start: Uint8Array, options: StartOptions): Promise<RpcAnswer<void>> {
    return answer(async () => {
      const event = unmarshalHistoryEvent(start);
      const named =
        event.eventType.case === "executionStarted" ? event.eventType.value.orchestrationInstance : undefined;
      if (named?.instanceId !== this.#self().instanceId) {
        throw new InvalidArgumentError("the start is for another instance than this object's");
      }
      const { idempotencyKey, reusePolicy } = options;
      const accepted: CreateInstanceOptions = {
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
        ...(reusePolicy === undefined
          ? {}
          : { reusePolicy: fromBinary(OrchestrationIdReusePolicySchema, reusePolicy) }),
      };
      await this.#partition.createOrchestrationInstance(event, accepted);
      this.#remember();
    });
  }

  addEvent(event: Uint8Array, idempotencyKey?: string): Promise<RpcAnswer<void>> {
    return answer(() =>
      this.#partition.addNewOrchestrationEvent(
        this.#self().instanceId,
        unmarshalHistoryEvent(event),
        idempotencyKey === undefined ? {} : { idempotencyKey },
      ),
    );
  }

  receive(envelopes: readonly Uint8Array[]): Promise<RpcAnswer<readonly DeliveryOutcome[]>> {
    return answer(async () => {
      const decoded = envelopes.map(unmarshalEnvelope);
      if (decoded.some(({ targetInstanceId }) => targetInstanceId !== this.#self().instanceId)) {
        throw new InvalidArgumentError("an envelope is for another instance than this object's");
      }
      const outcomes = await this.#partition.receive(decoded);
      if (decoded.some(({ event }) => event?.eventType.case === "executionStarted")) this.#remember();
      return outcomes;
    });
  }

  metadata(fetchPayloads: boolean): Promise<RpcAnswer<OrchestrationMetadata>> {
    return answer(() => this.#partition.getOrchestrationMetadata(this.#self().instanceId, { fetchPayloads }));
  }

  watch(until: WatchUntil, revision: string | undefined, timeoutMs: number): Promise<RpcAnswer<Watched>> {
    return answer(async () => {
      const isReached = (metadata: OrchestrationMetadata): boolean => {
        if (until === "completed") return orchestrationMetadataIsComplete(metadata);
        if (until === "started") return metadata.runtimeStatus !== "PENDING";
        return revisionOf(metadata) !== revision;
      };
      const { instanceId } = this.#self();
      const timeUp = AbortSignal.timeout(Math.min(Math.max(timeoutMs, 0), MAX_WATCH_MS));
      let metadata: OrchestrationMetadata;
      try {
        metadata = await this.#partition.watchOrchestrationRuntimeStatus(instanceId, isReached, { signal: timeUp });
      } catch (error) {
        if (!timeUp.aborted) throw error;
        metadata = await this.#partition.getOrchestrationMetadata(instanceId);
      }
      return { metadata, revision: revisionOf(metadata), isReached: isReached(metadata) };
    });
  }

  historyPage(from: number): Promise<RpcAnswer<HistoryPage>> {
    return answer(() => this.#partition.historySegments(this.#self().instanceId, from, HISTORY_PAGE_BYTES));
  }

  childrenOf(force: boolean): Promise<RpcAnswer<readonly string[]>> {
    return answer(() => this.#partition.childrenOf(this.#self().instanceId, { force }));
  }

  purge(force: boolean, tellParent: boolean): Promise<RpcAnswer<void>> {
    return answer(() => this.#partition.purgeOne(this.#self().instanceId, { force, tellParent }));
  }

  rewind(reason: string | undefined): Promise<RpcAnswer<void>> {
    return answer(() => this.#partition.rewind(this.#self().instanceId, reason));
  }

  cut(request: RerunRequest, newInstanceId: string, from: number): Promise<RpcAnswer<CutPage>> {
    return answer(async () => {
      const { history, generation } = await this.#partition.cut(request, newInstanceId);
      return { ...eventPage(history, from), generation };
    });
  }

  adopt(request: RerunRequest): Promise<RpcAnswer<void>> {
    return answer(async () => {
      const self = this.#self();
      const source = this.#objects.get(
        this.#objects.idFromName(objectName({ ...self, instanceId: request.sourceInstanceId })),
      );
      const history: HistoryEvent[] = [];
      let generation = 0;
      for (let from: number | undefined = 0; from !== undefined; ) {
        const page: CutPage = await unwrap(source.cut(request, self.instanceId, from));
        history.push(...unmarshalSegment(page.events));
        ({ generation } = page);
        from = page.next;
      }
      await this.#partition.adopt({ instanceId: self.instanceId, generation, history });
      this.#remember();
    });
  }

  turnEvents(callId: string, part: TurnPart, from: number): Promise<RpcAnswer<EventPage>> {
    return answer(async () => {
      if (this.#dispatcher === undefined) throw new InvalidArgumentError("this object has no dispatcher");
      return this.#dispatcher.events(callId, part, from);
    });
  }

  retryParked(): Promise<RpcAnswer<void>> {
    return answer(() => this.#partition.retryParked());
  }
}

/** Names a state of an instance: it changes with every turn. */
function revisionOf(metadata: OrchestrationMetadata): string {
  const { executionId, runtimeStatus, lastUpdatedAt, waitingOn } = metadata;
  const waits = JSON.stringify([waitingOn, metadata.customStatus]);
  return `${executionId}/${runtimeStatus}/${lastUpdatedAt.getTime()}/${waits.length}/${hashOf(waits)}`;
}

/** A small hash, to tell states apart that share a millisecond. */
function hashOf(text: string): number {
  let hash = 0;
  for (let at = 0; at < text.length; at++) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
  return hash;
}
