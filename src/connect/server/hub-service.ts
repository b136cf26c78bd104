import {
  InstanceNotCompletedError,
  InstanceNotFoundError,
  InvalidArgumentError,
  TaskHubExistsError,
} from "../../core/errors.ts";
import type { RerunRequest, TaskHubControl } from "../../core/hub/backend.ts";
import { type OrchestrationMetadata, orchestrationMetadataIsComplete } from "../../core/hub/metadata.ts";
import type { InstanceIdPage, InstancePage, InstanceQuery } from "../../core/hub/query.ts";
import {
  eventRaised,
  executionResumed,
  executionStarted,
  executionSuspended,
  executionTerminated,
} from "../../core/protocol/events.ts";
import type {
  HistoryEvent,
  OrchestrationIdReusePolicy,
  TraceContext,
} from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { statusName } from "../../core/protocol/status.ts";
import { hasStarted, wireStatus } from "../protocol/instance-state.ts";

/** A hub as the service needs it: without {@link start} where it is not run from here. */
export type ServedHub = TaskHubControl & { start?(): Promise<void> };

/** A start, whatever dialect it came in. */
export interface StartRequest {
  readonly instanceId: string;
  readonly name: string;
  readonly version: string | undefined;
  readonly input: string | undefined;
  /** Epoch ms; the past means now. */
  readonly scheduledStartMs: number | undefined;
  readonly executionId: string | undefined;
  readonly tags: { [key: string]: string };
  readonly parentTraceContext: TraceContext | undefined;
  readonly reusePolicy: OrchestrationIdReusePolicy | undefined;
  readonly idempotencyKey?: string | undefined;
}

/** Which instances to purge. */
export interface PurgeFilter {
  readonly query: InstanceQuery;
  /** Stop after so long, and say that it is not complete. */
  readonly timeoutMs: number | undefined;
}

/** What a purge came to. */
export interface PurgeResult {
  readonly count: number;
  readonly isComplete: boolean;
}

/** The management calls of the service, in the engine's terms. Both dialects' routes are thin translations to these. */
export class HubService {
  readonly #hub: ServedHub;
  readonly #now: () => number;

  constructor(hub: ServedHub, now: () => number) {
    this.#hub = hub;
    this.#now = now;
  }

  /** Accepts a start; returns the id. */
  async start(request: StartRequest): Promise<string> {
    const { reusePolicy, idempotencyKey } = request;
    const instanceId = request.instanceId === "" ? crypto.randomUUID() : request.instanceId;
    const start = executionStarted(
      {
        name: request.name,
        version: request.version,
        input: nonEmpty(request.input),
        tags: request.tags,
        instanceId,
        executionId: nonEmpty(request.executionId) ?? crypto.randomUUID().replaceAll("-", ""),
        scheduledStart: request.scheduledStartMs,
        parentTraceContext: request.parentTraceContext,
      },
      this.#now(),
    );
    await this.#hub.createOrchestrationInstance(start, {
      ...(reusePolicy === undefined ? {} : { reusePolicy }),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    });
    return instanceId;
  }

  /** `undefined` when there is no such instance. */
  async get(instanceId: string, fetchPayloads: boolean): Promise<OrchestrationMetadata | undefined> {
    return absentAsUndefined(this.#hub.getOrchestrationMetadata(instanceId, { fetchPayloads }));
  }

  waitForStart(instanceId: string, signal: AbortSignal): Promise<OrchestrationMetadata | undefined> {
    return absentAsUndefined(
      this.#hub.watchOrchestrationRuntimeStatus(instanceId, hasStarted, { signal, until: "started" }),
    );
  }

  waitForCompletion(instanceId: string, signal: AbortSignal): Promise<OrchestrationMetadata | undefined> {
    return absentAsUndefined(
      this.#hub.watchOrchestrationRuntimeStatus(instanceId, orchestrationMetadataIsComplete, {
        signal,
        until: "completed",
      }),
    );
  }

  async raise(instanceId: string, name: string, input: string | undefined, idempotencyKey?: string): Promise<void> {
    const event = eventRaised({ name, input }, this.#now());
    await this.#hub.addNewOrchestrationEvent(instanceId, event, idempotencyKey === undefined ? {} : { idempotencyKey });
  }

  async terminate(instanceId: string, output: string | undefined, recurse: boolean): Promise<void> {
    await this.#hub.addNewOrchestrationEvent(instanceId, executionTerminated({ input: output, recurse }, this.#now()));
  }

  async suspend(instanceId: string, reason: string | undefined): Promise<void> {
    await this.#hub.addNewOrchestrationEvent(instanceId, executionSuspended({ input: nonEmpty(reason) }, this.#now()));
  }

  async resume(instanceId: string, reason: string | undefined): Promise<void> {
    await this.#hub.addNewOrchestrationEvent(instanceId, executionResumed({ input: nonEmpty(reason) }, this.#now()));
  }

  /** Waits until the instance is suspended, or is not any more; its end will do as well. */
  async waitForSuspension(instanceId: string, isSuspended: boolean, signal: AbortSignal): Promise<void> {
    const isReached = (metadata: OrchestrationMetadata): boolean =>
      orchestrationMetadataIsComplete(metadata) || (metadata.runtimeStatus === "SUSPENDED") === isSuspended;
    await absentAsUndefined(this.#hub.watchOrchestrationRuntimeStatus(instanceId, isReached, { signal }));
  }

  query(query: InstanceQuery): Promise<InstancePage> {
    return this.#hub.queryInstances(query);
  }

  /** As {@link query}, by the statuses that clients are shown. */
  async queryShown(query: InstanceQuery): Promise<InstancePage> {
    const { runtimeStatus } = query;
    if (runtimeStatus === undefined) return this.#hub.queryInstances(query);
    const isOpen = runtimeStatus.includes("RUNNING") || runtimeStatus.includes("PENDING");
    if (!isOpen) return this.#hub.queryInstances(query);
    const page = await this.#hub.queryInstances({ ...query, runtimeStatus: [...runtimeStatus, "STALLED"] });
    const instances = page.instances.filter((metadata) => runtimeStatus.includes(statusName(wireStatus(metadata))));
    return { ...page, instances };
  }

  listIds(query: InstanceQuery): Promise<InstanceIdPage> {
    return this.#hub.listInstanceIds(query);
  }

  /** The committed events of the current generation. */
  history(instanceId: string): Promise<readonly HistoryEvent[]> {
    return this.#hub.getInstanceHistory(instanceId);
  }

  purge(instanceId: string, options: { readonly recursive: boolean; readonly force: boolean }): Promise<number> {
    return this.#hub.purgeOrchestrationState(instanceId, options);
  }

  /** Purges several; those that are gone or have not ended are passed over. */
  async purgeMany(instanceIds: readonly string[], recursive: boolean): Promise<number> {
    let count = 0;
    for (const instanceId of instanceIds) {
      try {
        count += await this.#hub.purgeOrchestrationState(instanceId, { recursive });
      } catch (error) {
        if (!(error instanceof InstanceNotFoundError || error instanceof InstanceNotCompletedError)) throw error;
      }
    }
    return count;
  }

  /** Purges what matches and has ended. */
  async purgeMatching(
    { query, timeoutMs }: PurgeFilter,
    recursive: boolean,
    signal: AbortSignal,
  ): Promise<PurgeResult> {
    const until = timeoutMs === undefined ? Number.POSITIVE_INFINITY : this.#now() + timeoutMs;
    const ended = (query.runtimeStatus ?? ENDED).filter((status) => ENDED.includes(status));
    let count = 0;
    for (let token: string | undefined; ; ) {
      const page = await this.#hub.listInstanceIds({
        ...query,
        runtimeStatus: ended,
        ...(token === undefined ? {} : { continuationToken: token }),
      });
      for (const instanceId of page.instanceIds) {
        if (this.#now() >= until || signal.aborted) return { count, isComplete: false };
        count += await this.purgeMany([instanceId], recursive);
      }
      if (page.continuationToken === undefined) return { count, isComplete: true };
      token = page.continuationToken;
    }
  }

  /** Starts an ended instance over, under a new id where one is asked for. */
  restart(instanceId: string, newInstanceId: string | undefined): Promise<string> {
    return this.#hub.restart(instanceId, newInstanceId === undefined ? {} : { newInstanceId });
  }

  rewind(instanceId: string, reason: string | undefined): Promise<void> {
    return this.#hub.rewind(instanceId, nonEmpty(reason));
  }

  rerun(request: RerunRequest): Promise<string> {
    if (request.sourceInstanceId === "") {
      throw new InvalidArgumentError("rerun workflow source instance ID is required");
    }
    return this.#hub.rerunWorkflowFromEvent(request);
  }

  /** Terminates all of them; returns those that could not be. */
  async terminateAll(instanceIds: readonly string[], reason: string | undefined): Promise<string[]> {
    const failed: string[] = [];
    for (const instanceId of instanceIds) {
      await this.terminate(instanceId, reason, false).catch(() => failed.push(instanceId));
    }
    return failed;
  }

  /** Creates the hub. @throws {@link TaskHubExistsError} when it is there, unless it is to be recreated. */
  async createHub(recreateIfExists: boolean): Promise<void> {
    try {
      await this.#hub.createTaskHub();
    } catch (error) {
      if (!(recreateIfExists && error instanceof TaskHubExistsError)) throw error;
      await this.#hub.deleteTaskHub();
      await this.#hub.createTaskHub();
    }
    await this.#hub.start?.();
  }

  deleteHub(): Promise<void> {
    return this.#hub.deleteTaskHub();
  }
}

const ENDED: readonly NonNullable<InstanceQuery["runtimeStatus"]>[number][] = [
  "COMPLETED",
  "FAILED",
  "TERMINATED",
  "CANCELED",
];

/** `""` and absence both mean: none. */
export function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

async function absentAsUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof InstanceNotFoundError) return undefined;
    throw error;
  }
}
