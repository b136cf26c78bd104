import { create } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { AbortedError, NotRegisteredError } from "../../core/errors.ts";
import { type HistoryView, historyOf } from "../../core/history/history-view.ts";
import type { OrchestratorAnswer } from "../../core/history/orchestrator-answer.ts";
import type { Executor } from "../../core/hub/executor.ts";
import type { Limiter } from "../../core/hub/limiter.ts";
import type { Logger } from "../../core/hub/logger.ts";
import { type TaskRegistry, WILDCARD } from "../../core/orchestration/registry.ts";
import { randomIds } from "../../core/partition/host.ts";
import { activityResponse, orchestratorResponse } from "../../core/protocol/actions.ts";
import { taskScheduled } from "../../core/protocol/events.ts";
import {
  type ActivityRequest,
  type HistoryEvent,
  OpenEventWaitsSchema,
  type OrchestratorRequest,
  type OrchestratorResponse,
} from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { type WorkItem, WorkItemFiltersSchema } from "../../core/protocol/gen/perdura/wire/v1/task_hub_service_pb.ts";
import { Backoff, pause } from "./backoff.ts";
import { callOptions, type SidecarClient } from "./service-client.ts";

/** What a session is made of. */
export interface WorkerSessionOptions {
  readonly client: SidecarClient;
  readonly executor: Executor;
  readonly registry: TaskRegistry;
  readonly logger: Logger;
  readonly turns: Limiter;
  readonly activities: Limiter;
  readonly maxTurns: number;
  readonly maxActivities: number;
  readonly keepAliveMs: number;
  /** Names of former sessions' streams that were lost. */
  readonly lostStreams: readonly string[];
  readonly onConnection: (isConnected: boolean) => void;
}

/** How long a sign of life may take, in ms. */
const HELLO_TIMEOUT_MS = 5000;

/** How long handing work back may take, in ms: then the end of the stream has to do. */
const HAND_BACK_TIMEOUT_MS = 2000;

/** How long it is tried to hand in an answer, in ms: then the hub has long given the work to another. */
const ANSWER_TIMEOUT_MS = 30_000;

/** One stream of work, from its opening to its end. */
export class WorkerSession {
  /** Of its stream. */
  readonly name: string = randomIds.uuid();
  readonly #options: WorkerSessionOptions;
  /** Aborts when the stream is lost: what was in work belongs to others then. */
  readonly #over = new AbortController();
  readonly #working = new Set<Promise<void>>();
  /** What it holds, by completion token. */
  readonly #held = new Map<string, "turn" | "activity">();
  /** When something came on the stream, and the longest silence that a health ping has ended, in ms of this host's. */
  #heardAt = 0;
  #pingGapMs = 0;
  #isRetired = false;
  #tellRetired: () => void = () => undefined;
  isConnected = false;
  /** Whether it has been. */
  wasConnected = false;
  /** Resolves when the session takes no more work. */
  readonly retired: Promise<void> = new Promise((resolve) => {
    this.#tellRetired = resolve;
  });

  constructor(options: WorkerSessionOptions) {
    this.#options = options;
  }

  /** It takes no more work. */
  get wasRetired(): boolean {
    return this.#isRetired;
  }

  /** Opens the stream and works until it ends. Rejects when it cannot be opened, or is lost. */
  async run(): Promise<void> {
    const { client, onConnection } = this.#options;
    const { signal } = this.#over;
    if (this.#isRetired) return;
    try {
      await client.hello({}, callOptions(signal, HELLO_TIMEOUT_MS));
      this.isConnected = true;
      this.wasConnected = true;
      onConnection(true);
      void this.#keepAlive();
      this.#heardAt = performance.now();
      for await (const item of client.getWorkItems(this.#request(), callOptions(signal))) {
        this.#hear(item);
        this.#take(item);
      }
    } catch (error) {
      if (!this.#isRetired) throw error;
    } finally {
      if (this.isConnected) {
        this.isConnected = false;
        onConnection(false);
      }
      this.#over.abort(new AbortedError("the connection to the task hub was lost"));
      await Promise.allSettled(this.#working);
    }
  }

  /** Takes no more work, waits for what it has, hands the rest back, and ends. */
  async retire(drainMs: number): Promise<void> {
    this.#isRetired = true;
    this.#tellRetired();
    const limit = new AbortController();
    await Promise.race([this.#drained(), pause(drainMs, limit.signal)]);
    limit.abort();
    await this.#handBack();
    this.#over.abort(new AbortedError("the worker stops"));
    await Promise.allSettled(this.#working);
  }

  /** Not every host notices at once that a stream has ended: what is left is said to be free. */
  async #handBack(): Promise<void> {
    const { client } = this.#options;
    const options = callOptions(this.#over.signal, HAND_BACK_TIMEOUT_MS);
    await Promise.allSettled(
      [...this.#held].map(([completionToken, kind]) =>
        kind === "turn"
          ? client.abandonTaskOrchestratorWorkItem({ completionToken }, options)
          : client.abandonTaskActivityWorkItem({ completionToken }, options),
      ),
    );
  }

  async #drained(): Promise<void> {
    while (this.#working.size > 0) await Promise.allSettled(this.#working);
  }

  #request(): Parameters<SidecarClient["getWorkItems"]>[0] {
    const { registry, maxTurns, maxActivities, lostStreams } = this.#options;
    const orchestrators = registry.names("orchestrator");
    const activities = registry.names("activity");
    const takesAll = orchestrators.includes(WILDCARD) || activities.includes(WILDCARD);
    return {
      maxConcurrentOrchestrationWorkItems: maxTurns,
      maxConcurrentActivityWorkItems: maxActivities,
      keepsOrchestrators: true,
      streamName: this.name,
      lostStreams: [...lostStreams],
      ...(takesAll
        ? {}
        : {
            filters: create(WorkItemFiltersSchema, { orchestrators: [...orchestrators], activities: [...activities] }),
          }),
    };
  }

  #hear({ request }: WorkItem): void {
    const now = performance.now();
    if (request.case === "healthPing") this.#pingGapMs = Math.max(this.#pingGapMs, now - this.#heardAt);
    this.#heardAt = now;
  }

  /** Whether the stream has been silent for much longer than its server lets it be. One that was never pinged may be. */
  get #isTooSilent(): boolean {
    const limitMs = Math.max(3 * this.#pingGapMs, 2 * this.#options.keepAliveMs);
    return this.#pingGapMs > 0 && performance.now() - this.#heardAt > limitMs;
  }

  /** A connection that died in silence is given up after two calls without an answer. */
  async #keepAlive(): Promise<void> {
    const { client, keepAliveMs } = this.#options;
    const { signal } = this.#over;
    for (let missed = 0; !signal.aborted; ) {
      await pause(keepAliveMs, signal);
      if (signal.aborted) return;
      let reason: unknown = new AbortedError("the task hub has sent no sign of life");
      try {
        await client.hello({}, callOptions(signal, HELLO_TIMEOUT_MS));
        // Over HTTP/1.1 that may have been another connection than the stream's.
        missed = this.#isTooSilent ? missed + 1 : 0;
      } catch (error) {
        reason = error;
        missed++;
      }
      if (missed >= 2) this.#over.abort(reason);
    }
  }

  #take({ request, completionToken }: WorkItem): void {
    const { turns, activities, logger } = this.#options;
    let work: Promise<void> | undefined;
    if (request.case === "orchestratorRequest") {
      const turn = request.value;
      work = this.#isRetired
        ? this.#abandonTurn(completionToken)
        : turns.run(() => this.#runTurn(turn, completionToken));
    } else if (request.case === "activityRequest") {
      const activity = request.value;
      work = this.#isRetired
        ? this.#abandonActivity(completionToken)
        : activities.run(() => this.#runActivity(activity, completionToken));
    }
    if (work === undefined) return;
    this.#held.set(completionToken, request.case === "orchestratorRequest" ? "turn" : "activity");
    const done = work
      .catch((error: unknown) => {
        if (!this.#over.signal.aborted) logger.warn("work of the task hub could not be done or handed in", error);
      })
      .finally(() => {
        this.#working.delete(done);
        this.#held.delete(completionToken);
      });
    this.#working.add(done);
  }

  async #runTurn(request: OrchestratorRequest, token: string): Promise<void> {
    const { executor } = this.#options;
    const { signal } = this.#over;
    if (signal.aborted) return;
    const { instanceId, executionId = "", newEvents } = request;
    let answer: OrchestratorAnswer;
    try {
      answer = await executor.executeOrchestrator({
        instanceId,
        executionId,
        oldEvents: this.#historyOf(request),
        newEvents,
        signal,
      });
    } catch (error) {
      executor.release(instanceId);
      if (!signal.aborted) await this.#abandonTurn(token);
      throw error;
    }
    if (answer.parked !== undefined) {
      await this.#abandonTurn(token);
      return;
    }
    try {
      await this.#handIn((options) =>
        this.#options.client.completeOrchestratorTask(responseOf(instanceId, answer, token), options),
      );
    } catch (error) {
      // What is kept of it is ahead of what the hub has.
      executor.release(instanceId);
      throw error;
    }
  }

  /** The events of the past: sent along, or fetched when they are needed. */
  #historyOf({
    instanceId,
    executionId,
    requiresHistoryStreaming,
    cachedHistory,
    pastEvents,
  }: OrchestratorRequest): HistoryView {
    if (!requiresHistoryStreaming) return historyOf(pastEvents);
    const length = cachedHistory?.eventCount ?? 0;
    const { client } = this.#options;
    const { signal } = this.#over;
    return {
      length,
      async read(): Promise<readonly HistoryEvent[]> {
        const events: HistoryEvent[] = [];
        const request = {
          instanceId,
          forWorkItemProcessing: true,
          ...(executionId === undefined ? {} : { executionId }),
        };
        for await (const chunk of client.streamInstanceHistory(request, callOptions(signal)))
          events.push(...chunk.events);
        if (events.length < length) {
          throw new AbortedError(
            `the history of '${instanceId}' has ${events.length} events, not the ${length} that were told`,
          );
        }
        return events.slice(0, length);
      },
    };
  }

  async #runActivity(request: ActivityRequest, token: string): Promise<void> {
    const { executor, client } = this.#options;
    const { signal } = this.#over;
    if (signal.aborted) return;
    const instanceId = request.orchestrationInstance?.instanceId ?? "";
    const { taskId } = request;
    let result: HistoryEvent;
    try {
      result = await executor.executeActivity({ instanceId, event: eventOf(request), signal });
    } catch (error) {
      if (!signal.aborted) await this.#abandonActivity(token);
      if (error instanceof NotRegisteredError) return;
      throw error;
    }
    const { case: kind, value } = result.eventType;
    const response = activityResponse({
      instanceId,
      taskId,
      completionToken: token,
      ...(kind === "taskCompleted" ? { result: value.result } : {}),
      ...(kind === "taskFailed" ? { failureDetails: value.failureDetails ?? {} } : {}),
    });
    await this.#handIn((options) => client.completeActivityTask(response, options));
  }

  async #abandonTurn(completionToken: string): Promise<void> {
    const { client } = this.#options;
    await this.#handIn((options) => client.abandonTaskOrchestratorWorkItem({ completionToken }, options));
  }

  async #abandonActivity(completionToken: string): Promise<void> {
    const { client } = this.#options;
    await this.#handIn((options) => client.abandonTaskActivityWorkItem({ completionToken }, options));
  }

  /** Makes a call that carries an answer; a server that does not answer is asked again while the stream lives. */
  async #handIn(send: (options: ReturnType<typeof callOptions>) => Promise<unknown>): Promise<void> {
    const { signal } = this.#over;
    const backoff = new Backoff(200, 5000);
    const until = Date.now() + ANSWER_TIMEOUT_MS;
    for (;;) {
      try {
        await send(callOptions(signal, ANSWER_TIMEOUT_MS));
        return;
      } catch (error) {
        if (signal.aborted || Date.now() >= until || !isPassing(error)) throw error;
        await pause(backoff.next(), signal);
      }
    }
  }
}

function responseOf(instanceId: string, answer: OrchestratorAnswer, completionToken: string): OrchestratorResponse {
  const { actions, customStatus, patches, eventWaits, cancelledTimers, cancelledTasks } = answer;
  const version = patches === undefined || patches.length === 0 ? undefined : { patches: [...patches] };
  const response = orchestratorResponse({ instanceId, actions, customStatus, completionToken, version });
  if (eventWaits !== undefined) response.eventWaits = create(OpenEventWaitsSchema, { waits: [...eventWaits] });
  if (cancelledTimers !== undefined) response.cancelledTimers = [...cancelledTimers];
  if (cancelledTasks !== undefined) response.cancelledTasks = [...cancelledTasks];
  return response;
}

function eventOf(request: ActivityRequest): HistoryEvent {
  const { name, version, input, parentTraceContext, taskExecutionId, tags, timeoutMs, attempt } = request;
  return taskScheduled(
    request.taskId,
    { name, version, input, parentTraceContext, taskExecutionId, tags, timeoutMs, attempt },
    Date.now(),
  );
}

/** Canceled, unknown, deadline, aborted, internal, unavailable: the server may be there again soon. */
function isPassing(error: unknown): boolean {
  return [1, 2, 4, 10, 13, 14].includes(ConnectError.from(error).code);
}
