import { InvalidArgumentError } from "../errors.ts";
import { defaultChildId } from "../history/child-id.ts";
import type { Logger } from "../hub/logger.ts";
import { checkLabels } from "../limits.ts";
import { createSubOrchestrationAction, scheduleTaskAction, sendEventAction } from "../protocol/actions.ts";
import type { ExecutionStartedEvent } from "../protocol/gen/perdura/model/v1/history_pb.ts";
import { type TaskOutcomes, type TaskResults, whenAll, whenAllSettled, whenAny } from "./combinators.ts";
import type {
  ActivityOptions,
  ContinueAsNewOptions,
  EventReference,
  EventWaitOptions,
  NameLike,
  OrchestrationContext,
  ParentInstance,
  SubOrchestrationOptions,
  TimerOptions,
} from "./context.ts";
import { DurableCall } from "./durable-call.ts";
import { type Duration, toDeadline, toMilliseconds } from "./duration.ts";
import { waitForEvent } from "./event-wait.ts";
import type { EventResult } from "./external-events.ts";
import type { OrchestrationScope } from "./orchestration-scope.ts";
import { nameOf } from "./references.ts";
import { replayLogger } from "./replay-logger.ts";
import { checkRetryPolicy } from "./retry-policy.ts";
import { type CompletedTask, DurableTask, type Task } from "./task.ts";

/** The context of a running orchestration, over its scope. */
export class LiveContext implements OrchestrationContext<unknown> {
  readonly instanceId: string;
  readonly executionId: string;
  readonly name: string;
  readonly version: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly input: unknown;
  readonly parent: ParentInstance | undefined;
  readonly log: Logger;
  readonly #scope: OrchestrationScope;
  readonly #generation: number;

  /** @param input the converted input of the generation. */
  constructor(scope: OrchestrationScope, start: ExecutionStartedEvent, input: unknown) {
    this.#scope = scope;
    this.#generation = start.generation;
    this.instanceId = scope.instanceId;
    this.executionId = scope.executionId;
    this.name = start.name;
    this.version = start.version;
    this.tags = { ...start.tags };
    this.input = input;
    this.parent = parentOf(start);
    this.log = replayLogger(scope.logger, () => scope.isReplaying);
  }

  get isReplaying(): boolean {
    return this.#scope.isReplaying;
  }

  get currentTime(): Date {
    return new Date(this.#scope.nowMs);
  }

  newGuid(): string {
    this.#scope.enter("newGuid()");
    return this.#scope.source.newGuid();
  }

  random(): number {
    this.#scope.enter("random()");
    return this.#scope.source.random();
  }

  callActivity<O>(activity: NameLike, input?: unknown, options?: ActivityOptions): Task<O> {
    const scope = this.#scope;
    if (!scope.enter("callActivity()")) return scope.inertTask();
    const name = nameOf(activity, "the activity to call");
    const { retry, timeout, version, tags: given } = { ...defaultsOf(activity), ...options };
    const tags = given === undefined ? undefined : { ...given };
    checkLabels({ version, tags });
    const policy = retry === undefined ? undefined : checkRetryPolicy(retry);
    const timeoutMs = timeout === undefined ? undefined : toMilliseconds(timeout, "the activity's timeout");
    if (timeoutMs === 0) throw new InvalidArgumentError("the activity's timeout is 0: no attempt could succeed");
    const text = scope.payloads.toText(input, `the input of activity '${name}'`);
    // One id for all attempts of a call, so that the activity can be made idempotent by it.
    const executionIdOf = (firstId: number): string => scope.source.guidFor("task", firstId);
    const call = new DurableCall<O>(scope, {
      kind: "activity",
      name,
      retry: policy,
      action: (id, attempt, firstId) =>
        scheduleTaskAction(id, {
          name,
          version,
          input: text,
          taskExecutionId: executionIdOf(firstId),
          tags,
          timeoutMs,
          attempt,
        }),
      retryOrigin: (firstId) => ({ case: "activityRetry", value: { taskExecutionId: executionIdOf(firstId) } }),
    });
    return call.task;
  }

  callSubOrchestrator<O>(orchestrator: NameLike, input?: unknown, options?: SubOrchestrationOptions): Task<O> {
    const scope = this.#scope;
    if (!scope.enter("callSubOrchestrator()")) return scope.inertTask();
    const name = nameOf(orchestrator, "the orchestrator to call");
    const {
      instanceId,
      retry,
      version,
      tags: given,
    } = { ...defaultsOf(orchestrator), ...options } as SubOrchestrationOptions;
    const tags = given === undefined ? undefined : { ...given };
    checkLabels({ version, tags });
    if (instanceId === "") throw new InvalidArgumentError("the sub-orchestration's instanceId is empty: leave it out");
    const policy = retry === undefined ? undefined : checkRetryPolicy(retry);
    const text = scope.payloads.toText(input, `the input of orchestrator '${name}'`);
    const childOf = (id: number): string => instanceId ?? defaultChildId(this.instanceId, this.#generation, id);
    const call = new DurableCall<O>(scope, {
      kind: "orchestrator",
      name,
      retry: policy,
      action: (id, attempt, firstId) =>
        createSubOrchestrationAction(id, {
          // The engine names the child where the code does not.
          instanceId,
          name,
          version,
          input: text,
          tags,
          retryParentInstanceInfo: attempt === 1 ? undefined : { instanceId: childOf(firstId) },
        }),
      retryOrigin: (firstId) => ({ case: "childWorkflowRetry", value: { instanceId: childOf(firstId) } }),
    });
    return call.task;
  }

  createTimer(when: Duration | Date, options: TimerOptions = {}): Task<void> {
    const scope = this.#scope;
    if (!scope.enter("createTimer()")) return scope.inertTask();
    const fireAtMs = toDeadline(when, scope.nowMs, "the timer");
    const task: DurableTask<void> = new DurableTask<void>(scope, {
      durable: true,
      onCancel: () => scope.cancelTimer(id),
      cancelError: () => scope.cancelError(),
    });
    const id = scope.setTimer({
      fireAtMs,
      name: options.name,
      origin: () => ({ case: "createTimer", value: {} }),
      onFired: () => task.complete(undefined),
    });
    return task;
  }

  waitForExternalEvent<T>(event: string | EventReference<T>): Task<T>;
  waitForExternalEvent<T>(event: string | EventReference<T>, options: EventWaitOptions): Task<EventResult<T>>;
  waitForExternalEvent<T>(event: string | EventReference<T>, options?: EventWaitOptions): Task<T | EventResult<T>> {
    if (!this.#scope.enter("waitForExternalEvent()")) return this.#scope.inertTask();
    const name = nameOf(event, "the event to wait for");
    if (options?.timeout === undefined) return waitForEvent<T>(this.#scope, name, undefined, (value) => value as T);
    const deadline = toDeadline(options.timeout, this.#scope.nowMs, "the event's timeout");
    return waitForEvent<EventResult<T>>(this.#scope, name, deadline, (value) => ({
      timedOut: false,
      value: value as T,
    }));
  }

  sendEvent<T>(instanceId: string, event: string | EventReference<T>, payload?: T): void {
    const scope = this.#scope;
    if (!scope.enter("sendEvent()")) return;
    const name = nameOf(event, "the event to send");
    if (typeof instanceId !== "string" || instanceId === "") {
      throw new InvalidArgumentError(`event '${name}' has no target: pass an instance id`);
    }
    const data = scope.payloads.toText(payload, `the payload of event '${name}'`);
    const id = scope.takeId();
    scope.ask({ kind: "event", id, name }, () => sendEventAction(id, { instanceId, name, data }));
  }

  continueAsNew(input?: unknown, options: ContinueAsNewOptions = {}): void {
    if (!this.#scope.enter("continueAsNew()")) return;
    const text = this.#scope.payloads.toText(input, "the input to continue as new with");
    this.#scope.continueAs = { input: text, keepEvents: options.keepEvents === true };
  }

  setCustomStatus(status: unknown): void {
    if (!this.#scope.enter("setCustomStatus()")) return;
    this.#scope.customStatus = this.#scope.payloads.toText(status, "the custom status");
  }

  isPatched(name: string): boolean {
    this.#scope.enter("isPatched()");
    return this.#scope.isPatched(nameOf(name, "the patch"));
  }

  whenAll<const T extends readonly Task<unknown>[]>(tasks: T): Task<TaskResults<T>> {
    return whenAll(tasks);
  }

  whenAny<const T extends readonly Task<unknown>[]>(tasks: T): Task<CompletedTask<TaskResults<T>[number]>> {
    return whenAny(tasks);
  }

  whenAllSettled<const T extends readonly Task<unknown>[]>(tasks: T): Task<TaskOutcomes<T>> {
    return whenAllSettled(tasks);
  }
}

function defaultsOf(target: NameLike): ActivityOptions & SubOrchestrationOptions {
  if (typeof target !== "object") return {};
  return (target as { readonly defaults?: ActivityOptions & SubOrchestrationOptions }).defaults ?? {};
}

function parentOf(start: ExecutionStartedEvent): ParentInstance | undefined {
  const parent = start.parentInstance;
  if (parent === undefined) return undefined;
  return {
    instanceId: parent.orchestrationInstance?.instanceId ?? "",
    name: parent.name ?? "",
    taskId: parent.taskScheduledId,
  };
}
