import {
  AbortedError,
  InvalidArgumentError,
  NotRegisteredError,
  NoWorkerError,
  TaskTimedOutError,
} from "../../core/errors.ts";
import type { OrchestratorAnswer } from "../../core/history/orchestrator-answer.ts";
import type { ActivityCall, Executor, OrchestratorTurn } from "../../core/hub/executor.ts";
import { hostTimers } from "../../core/orchestration/activity-runner.ts";
import { failureDetailsOf } from "../../core/orchestration/failure-details.ts";
import { activityRequest } from "../../core/protocol/actions.ts";
import { taskCompleted, taskFailed } from "../../core/protocol/events.ts";
import {
  type ActivityResponse,
  Dialect,
  type HistoryEvent,
  Runner,
  type TaskScheduledEvent,
} from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { linkSignals } from "../link-signals.ts";
import { answerOf } from "./orchestrator-answer.ts";
import type { ActivityOrder, Dispatcher, TurnOrder } from "./work-order.ts";

/** What a remote executor needs beside its dispatcher. */
export interface RemoteExecutorOptions {
  /** Stamps results, in epoch ms; default the host's clock. */
  readonly now?: () => number;
  /** Makes task execution ids for workers that name none; default random UUIDs. */
  readonly newUuid?: () => string;
}

/** Runs turns and activities on connected workers, through a dispatcher that may be anywhere. */
export class RemoteExecutor implements Executor {
  readonly runner: Runner = Runner.REMOTE;
  /** The dialect of each turn's worker comes with its answer. */
  readonly dialect: Dialect = Dialect.UNSPECIFIED;
  readonly #dispatcher: Dispatcher;
  readonly #now: () => number;
  readonly #uuid: () => string;
  readonly #stop = new AbortController();

  constructor(dispatcher: Dispatcher, options: RemoteExecutorOptions = {}) {
    this.#dispatcher = dispatcher;
    this.#now = options.now ?? Date.now;
    this.#uuid = options.newUuid ?? (() => crypto.randomUUID());
  }

  async executeOrchestrator(turn: OrchestratorTurn): Promise<OrchestratorAnswer> {
    const { instanceId, executionId, version, pinned } = turn;
    // A termination needs no worker: where there is none, the engine ends the instance by itself.
    const isTerminated = turn.newEvents.some(({ eventType }) => eventType.case === "executionTerminated");
    const order: TurnOrder = {
      kind: "turn",
      instanceId,
      executionId,
      name: turn.name ?? (await nameOf(turn)),
      ...(version === undefined ? {} : { version }),
      ...(pinned === undefined || pinned.dialect === Dialect.UNSPECIFIED ? {} : { dialect: pinned.dialect }),
      pastEvents: turn.oldEvents,
      newEvents: turn.newEvents,
      ...(isTerminated ? { patienceMs: 0 } : {}),
    };
    const link = linkSignals(this.#stop.signal, turn.signal);
    try {
      const { response, dialect } = await this.#dispatcher.dispatchTurn(order, link.signal);
      return { ...answerOf(response, this.#uuid), ranBy: { runner: Runner.REMOTE, dialect } };
    } catch (error) {
      if (!(error instanceof NoWorkerError || error instanceof NotRegisteredError)) throw error;
      return { actions: [], customStatus: undefined, parked: { code: error.code, message: error.message } };
    } finally {
      link.dispose();
    }
  }

  async executeActivity(call: ActivityCall): Promise<HistoryEvent> {
    const { instanceId, event } = call;
    if (event.eventType.case !== "taskScheduled")
      throw new InvalidArgumentError(`${instanceId}: invalid TaskScheduled event`);
    const task = event.eventType.value;
    const { name, version, timeoutMs } = task;
    const order: ActivityOrder = {
      kind: "activity",
      instanceId,
      name,
      ...(version === undefined ? {} : { version }),
      request: requestOf(instanceId, event.eventId, task),
    };
    const timeout = new AbortController();
    const stopTimer = timeoutMs === undefined ? undefined : hostTimers.set(timeoutMs, () => timeout.abort());
    const link = linkSignals(this.#stop.signal, call.signal, timeout.signal);
    try {
      const response = await this.#dispatcher.dispatchActivity(order, link.signal);
      return this.#result(event, task, response);
    } catch (error) {
      if (!timeout.signal.aborted || call.signal?.aborted === true) throw error;
      const failureDetails = failureDetailsOf(new TaskTimedOutError(`activity '${name}'`, timeoutMs ?? 0));
      return taskFailed(event.eventId, { failureDetails, taskExecutionId: task.taskExecutionId }, this.#now());
    } finally {
      stopTimer?.();
      link.dispose();
    }
  }

  #result(scheduled: HistoryEvent, task: TaskScheduledEvent, response: ActivityResponse): HistoryEvent {
    const { taskExecutionId } = task;
    const { eventId, router } = scheduled;
    const { failureDetails, result } = response;
    const done =
      failureDetails === undefined
        ? taskCompleted(eventId, { result, taskExecutionId }, this.#now())
        : taskFailed(eventId, { failureDetails, taskExecutionId }, this.#now());
    if (router !== undefined) done.router = router;
    return done;
  }

  release(instanceId: string): void {
    this.#dispatcher.release(instanceId);
  }

  /** Workers keep their own caches; each answers for what it is sent. */
  releaseAll(): void {}

  async shutdown(): Promise<void> {
    this.#stop.abort(new AbortedError("the executor has shut down"));
  }
}

function requestOf(instanceId: string, taskId: number, task: TaskScheduledEvent): ActivityOrder["request"] {
  const { name, version, input, parentTraceContext, taskExecutionId, tags, timeoutMs, attempt } = task;
  const request = activityRequest({
    instanceId,
    taskId,
    name,
    version,
    input,
    parentTraceContext,
    taskExecutionId,
    tags,
  });
  request.attempt = attempt;
  if (timeoutMs !== undefined) request.timeoutMs = timeoutMs;
  return request;
}

async function nameOf(turn: OrchestratorTurn): Promise<string> {
  const events = [...turn.newEvents, ...(await turn.oldEvents.read())];
  for (const { eventType } of events) if (eventType.case === "executionStarted") return eventType.value.name;
  return "";
}
