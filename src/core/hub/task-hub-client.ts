import {
  AbortedError,
  InstanceNotCompletedError,
  InvalidArgumentError,
  NotRegisteredError,
  WaitTimedOutError,
} from "../errors.ts";
import { checkLabels } from "../limits.ts";
import { hostTimers } from "../orchestration/activity-runner.ts";
import type { EventReference, NameLike, OrchestratorReference } from "../orchestration/context.ts";
import { type DataConverter, jsonDataConverter, PayloadGate } from "../orchestration/data-converter.ts";
import { type Duration, toMilliseconds } from "../orchestration/duration.ts";
import type { PayloadCodec } from "../orchestration/payload-codec.ts";
import { nameOf } from "../orchestration/references.ts";
import type { TaskRegistry } from "../orchestration/registry.ts";
import { TaskFailedError } from "../orchestration/task-failed-error.ts";
import {
  eventRaised,
  executionResumed,
  executionStarted,
  executionSuspended,
  executionTerminated,
} from "../protocol/events.ts";
import type { HistoryEvent, OrchestrationIdReusePolicy } from "../protocol/gen/perdura/model/v1/history_pb.ts";
import { randomUuid } from "../uuid.ts";
import type { PurgeOptions, RestartOptions, TaskHubControl } from "./backend.ts";
import { withCodec } from "./codec-control.ts";
import { type OrchestrationMetadata, orchestrationMetadataIsComplete } from "./metadata.ts";
import type { InstanceIdPage, InstancePage, InstanceQuery } from "./query.ts";

/** How a new orchestration is scheduled. */
export interface ScheduleOptions {
  /** Default: the idempotency key, else a random UUID. */
  readonly instanceId?: string;
  readonly version?: string;
  /** Not to start before this time; the past means now. */
  readonly startAt?: Date;
  readonly tags?: Readonly<Record<string, string>>;
  /** What to do when the id is taken. Default: refuse with {@link InstanceExistsError}. */
  readonly reusePolicy?: OrchestrationIdReusePolicy;
  /** Scheduling twice with one key and id schedules once. */
  readonly idempotencyKey?: string;
}

/** How an event is raised. */
export interface RaiseEventOptions {
  /** Raising twice with one key raises once. */
  readonly idempotencyKey?: string;
}

/** How an orchestration is terminated. */
export interface TerminateOptions {
  /** Its output. */
  readonly output?: unknown;
  /** Terminate its sub-orchestrations too. Default true. */
  readonly recursive?: boolean;
}

/** How a run is begun from an event of another one. */
export interface RerunOptions {
  /** Default: a random UUID. */
  readonly newInstanceId?: string;
  /** Id for the sub-orchestration, where the event is one. */
  readonly newChildInstanceId?: string;
  /** New input for the event's work; the property present with `undefined` means: none. */
  readonly input?: unknown;
}

/** How a wait ends early. */
export interface ClientWaitOptions {
  /** Ends the wait with {@link AbortedError}. */
  readonly signal?: AbortSignal;
  /** Ends the wait with {@link WaitTimedOutError}. Default: wait as long as it takes. */
  readonly timeout?: Duration;
}

/** Starts orchestrations and speaks to them. Payloads go through the client's data converter. */
export interface TaskHubClient {
  /**
   * Schedules an orchestration; resolves with its id when that is durable, without waiting for it to start.
   *
   * @throws {@link InstanceExistsError}, {@link InvalidArgumentError}, {@link PayloadTooLargeError},
   *   {@link PayloadNotSerializableError}, {@link NotRegisteredError} where the client knows its registry.
   */
  scheduleNewOrchestration<I>(
    orchestrator: OrchestratorReference<I, unknown> | NameLike,
    input?: I,
    options?: ScheduleOptions,
  ): Promise<string>;
  /** @throws {@link InstanceNotFoundError}. */
  fetchOrchestrationMetadata(
    instanceId: string,
    options?: { readonly fetchPayloads?: boolean },
  ): Promise<OrchestrationMetadata>;
  /** Waits until it is no longer PENDING. @throws {@link InstanceNotFoundError}, {@link WaitTimedOutError}. */
  waitForOrchestrationStart(instanceId: string, options?: ClientWaitOptions): Promise<OrchestrationMetadata>;
  /** Waits for its end. @throws {@link InstanceNotFoundError}, {@link WaitTimedOutError}. */
  waitForOrchestrationCompletion(instanceId: string, options?: ClientWaitOptions): Promise<OrchestrationMetadata>;
  /**
   * The output of an ended orchestration, as a value.
   *
   * @throws {@link TaskFailedError} with the failure as its cause when it failed or was terminated,
   *   {@link InstanceNotCompletedError} before its end.
   */
  outputOf<O = unknown>(metadata: OrchestrationMetadata): O;
  /** Terminates it; resolves when the request is durable. Terminating what has ended succeeds. */
  terminateOrchestration(instanceId: string, options?: TerminateOptions): Promise<void>;
  /**
   * Raises an event; resolves when it is durable. It is buffered until the orchestration waits for it.
   *
   * @throws {@link InstanceNotFoundError}, {@link InstanceCompletedError}, {@link PayloadTooLargeError}.
   */
  raiseEvent<T>(
    instanceId: string,
    event: EventReference<T> | string,
    payload?: T,
    options?: RaiseEventOptions,
  ): Promise<void>;
  /** Suspends it: events are recorded, its code does not run. */
  suspendOrchestration(instanceId: string, reason?: string): Promise<void>;
  /** Resumes it, also when it was parked. */
  resumeOrchestration(instanceId: string, reason?: string): Promise<void>;
  /** Deletes it, when it has ended. Returns how many instances were deleted. */
  purgeOrchestrationState(instanceId: string, options?: PurgeOptions): Promise<number>;
  /** Begins a new run from an event of an ended one. Returns its id. */
  rerunWorkflowFromEvent(instanceId: string, eventId: number, options?: RerunOptions): Promise<string>;
  /** Starts an ended one over. Returns the id of the new run. */
  restartOrchestration(instanceId: string, options?: RestartOptions): Promise<string>;
  /**
   * Takes a failed one back to before its failure: the failed activities and sub-orchestrations of its last turn run again,
   * what succeeded stays. Resolves when the request is durable; the owner carries it out as the instance's next step. Asking
   * twice is one rewind.
   *
   * @throws {@link InstanceNotFoundError}, {@link InstanceNotCompletedError} while it runs, {@link InstanceCompletedError}
   *   when it ended otherwise.
   */
  rewindOrchestration(instanceId: string, reason?: string): Promise<void>;
  /** The committed events of its current generation. */
  getInstanceHistory(instanceId: string): Promise<readonly HistoryEvent[]>;
  queryInstances(query?: InstanceQuery): Promise<InstancePage>;
  listInstanceIds(query?: InstanceQuery): Promise<InstanceIdPage>;
}

/** What a client is made with. */
export interface TaskHubClientOptions {
  /** Default JSON. */
  readonly converter?: DataConverter;
  /** The codec of the hub's payloads, where it has one. */
  readonly codec?: PayloadCodec;
  /** Where it is given, scheduling a name that it does not know is refused at once. */
  readonly registry?: TaskRegistry;
  /** Epoch ms; default the host's clock. */
  readonly now?: () => number;
  /** Default random UUIDs. */
  readonly newUuid?: () => string;
}

/** Makes a client of a hub. */
export function newTaskHubClient(hub: TaskHubControl, options: TaskHubClientOptions = {}): TaskHubClient {
  return new ControlClient(hub, options);
}

class ControlClient implements TaskHubClient {
  readonly #hub: TaskHubControl;
  /** Sizes are the hub's to check. */
  readonly #payloads: PayloadGate;
  readonly #registry: TaskRegistry | undefined;
  readonly #now: () => number;
  readonly #uuid: () => string;

  constructor(hub: TaskHubControl, options: TaskHubClientOptions) {
    this.#hub = options.codec === undefined ? hub : withCodec(hub, options.codec);
    this.#payloads = new PayloadGate(options.converter ?? jsonDataConverter, Number.POSITIVE_INFINITY);
    this.#registry = options.registry;
    this.#now = options.now ?? Date.now;
    this.#uuid = options.newUuid ?? randomUuid;
  }

  async scheduleNewOrchestration<I>(
    orchestrator: OrchestratorReference<I, unknown> | NameLike,
    input?: I,
    options: ScheduleOptions = {},
  ): Promise<string> {
    const name = nameOf(orchestrator, "an orchestrator");
    if (this.#registry !== undefined && !this.#registry.has("orchestrator", name)) {
      throw new NotRegisteredError("orchestrator", name);
    }
    const { startAt, idempotencyKey, reusePolicy } = options;
    checkLabels(options);
    if (startAt !== undefined && !(startAt instanceof Date && Number.isFinite(startAt.getTime()))) {
      throw new InvalidArgumentError("startAt is not a valid date");
    }
    const instanceId = options.instanceId ?? idempotencyKey ?? this.#uuid();
    const start = executionStarted(
      {
        name,
        instanceId,
        executionId: this.#uuid().replaceAll("-", "").toLowerCase(),
        input: this.#payloads.toText(input, `the input of '${name}'`),
        version: options.version,
        tags: options.tags === undefined ? undefined : { ...options.tags },
        scheduledStart: startAt?.getTime(),
      },
      this.#now(),
    );
    await this.#hub.createOrchestrationInstance(start, {
      ...(reusePolicy === undefined ? {} : { reusePolicy }),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    });
    return instanceId;
  }

  fetchOrchestrationMetadata(
    instanceId: string,
    options?: { readonly fetchPayloads?: boolean },
  ): Promise<OrchestrationMetadata> {
    return this.#hub.getOrchestrationMetadata(instanceId, options);
  }

  waitForOrchestrationStart(instanceId: string, options: ClientWaitOptions = {}): Promise<OrchestrationMetadata> {
    const hasStarted = ({ runtimeStatus }: OrchestrationMetadata): boolean => runtimeStatus !== "PENDING";
    return this.#wait(instanceId, hasStarted, "started", options);
  }

  waitForOrchestrationCompletion(instanceId: string, options: ClientWaitOptions = {}): Promise<OrchestrationMetadata> {
    return this.#wait(instanceId, orchestrationMetadataIsComplete, "completed", options);
  }

  async #wait(
    instanceId: string,
    condition: (metadata: OrchestrationMetadata) => boolean,
    until: "started" | "completed",
    { signal, timeout }: ClientWaitOptions,
  ): Promise<OrchestrationMetadata> {
    if (timeout === undefined) {
      return this.#hub.watchOrchestrationRuntimeStatus(instanceId, condition, {
        until,
        ...(signal === undefined ? {} : { signal }),
      });
    }
    const timeoutMs = toMilliseconds(timeout, "the timeout");
    const controller = new AbortController();
    const onAbort = (): void => controller.abort();
    if (signal?.aborted === true) controller.abort();
    signal?.addEventListener("abort", onAbort, { once: true });
    let hasTimedOut = false;
    // A host's own timer fires at once when it is set for more than 24 days.
    const stopTimer = hostTimers.set(timeoutMs, () => {
      hasTimedOut = true;
      controller.abort();
    });
    try {
      return await this.#hub.watchOrchestrationRuntimeStatus(instanceId, condition, {
        until,
        signal: controller.signal,
      });
    } catch (error) {
      if (hasTimedOut && error instanceof AbortedError) {
        const what = until === "started" ? "start" : "end";
        throw new WaitTimedOutError(`the ${what} of '${instanceId}'`, timeoutMs, { cause: error });
      }
      throw error;
    } finally {
      stopTimer();
      signal?.removeEventListener("abort", onAbort);
    }
  }

  outputOf<O = unknown>(metadata: OrchestrationMetadata): O {
    const { instanceId, name, runtimeStatus, failureDetails } = metadata;
    if (!orchestrationMetadataIsComplete(metadata)) throw new InstanceNotCompletedError(instanceId);
    if (runtimeStatus !== "COMPLETED") {
      const ended = {
        errorType: `Orchestration${runtimeStatus}`,
        errorMessage: `it ended as ${runtimeStatus}`,
        isNonRetriable: true,
      };
      throw new TaskFailedError("orchestrator", name, -1, failureDetails ?? ended);
    }
    return this.#payloads.fromText(metadata.output, `the output of '${name}'`) as O;
  }

  async terminateOrchestration(instanceId: string, options: TerminateOptions = {}): Promise<void> {
    const input = this.#payloads.toText(options.output, "the output of the termination");
    const event = executionTerminated({ input, recurse: options.recursive ?? true }, this.#now());
    await this.#hub.addNewOrchestrationEvent(instanceId, event);
  }

  async raiseEvent<T>(
    instanceId: string,
    event: EventReference<T> | string,
    payload?: T,
    options: RaiseEventOptions = {},
  ): Promise<void> {
    const name = nameOf(event, "an event");
    const raised = eventRaised(
      { name, input: this.#payloads.toText(payload, `the payload of event '${name}'`) },
      this.#now(),
    );
    await this.#hub.addNewOrchestrationEvent(instanceId, raised, options);
  }

  async suspendOrchestration(instanceId: string, reason?: string): Promise<void> {
    await this.#hub.addNewOrchestrationEvent(instanceId, executionSuspended({ input: nonEmpty(reason) }, this.#now()));
  }

  async resumeOrchestration(instanceId: string, reason?: string): Promise<void> {
    await this.#hub.addNewOrchestrationEvent(instanceId, executionResumed({ input: nonEmpty(reason) }, this.#now()));
  }

  purgeOrchestrationState(instanceId: string, options?: PurgeOptions): Promise<number> {
    return this.#hub.purgeOrchestrationState(instanceId, options);
  }

  async rerunWorkflowFromEvent(instanceId: string, eventId: number, options: RerunOptions = {}): Promise<string> {
    if (!Number.isInteger(eventId) || eventId < 0) {
      throw new InvalidArgumentError(`eventId is ${eventId}: give the id of an event in the history, 0 or above`);
    }
    const { newInstanceId, newChildInstanceId } = options;
    const input = this.#payloads.toText(options.input, "the new input");
    return this.#hub.rerunWorkflowFromEvent({
      sourceInstanceId: instanceId,
      eventId,
      ...(newInstanceId === undefined ? {} : { newInstanceId }),
      ...(newChildInstanceId === undefined ? {} : { newChildInstanceId }),
      ...("input" in options ? { overwriteInput: true, ...(input === undefined ? {} : { input }) } : {}),
    });
  }

  restartOrchestration(instanceId: string, options?: RestartOptions): Promise<string> {
    return this.#hub.restart(instanceId, options);
  }

  rewindOrchestration(instanceId: string, reason?: string): Promise<void> {
    return this.#hub.rewind(instanceId, reason);
  }

  getInstanceHistory(instanceId: string): Promise<readonly HistoryEvent[]> {
    return this.#hub.getInstanceHistory(instanceId);
  }

  queryInstances(query?: InstanceQuery): Promise<InstancePage> {
    return this.#hub.queryInstances(query);
  }

  listInstanceIds(query?: InstanceQuery): Promise<InstanceIdPage> {
    return this.#hub.listInstanceIds(query);
  }
}

/** An empty reason is none. */
function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
