/**
 * Drives an executor with hand-made events: a hub of one instance that keeps its history in an array, and records what an
 * answer asks for as the engine would.
 */
import { historyOf } from "../../../src/core/history/history-view.ts";
import type { OrchestratorAnswer } from "../../../src/core/history/orchestrator-answer.ts";
import { silentLogger } from "../../../src/core/hub/logger.ts";
import type { OrchestratorFunction } from "../../../src/core/orchestration/context.ts";
import {
  InProcessExecutor,
  type InProcessExecutorOptions,
} from "../../../src/core/orchestration/in-process-executor.ts";
import { TaskRegistry } from "../../../src/core/orchestration/registry.ts";
import {
  eventRaised,
  eventSent,
  executionCompleted,
  executionResumed,
  executionStarted,
  executionSuspended,
  executionTerminated,
  orchestratorStarted,
  subOrchestrationCompleted,
  subOrchestrationCreated,
  subOrchestrationFailed,
  taskCompleted,
  taskFailed,
  taskScheduled,
  timerCreated,
  timerFired,
} from "../../../src/core/protocol/events.ts";
import {
  type HistoryEvent,
  OrchestrationStatus,
  type OrchestratorAction,
} from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { timestampToMs } from "../../../src/core/protocol/timestamp.ts";

export const T0 = 1_700_000_000_000;

/** What tests look at of an action. */
export type Seen = Record<string, unknown> & { id: number; is: string };

export interface InstanceOptions extends Partial<InProcessExecutorOptions> {
  input?: unknown;
  version?: string;
  history?: HistoryEvent[];
  instanceId?: string;
  name?: string;
}

export class Instance {
  readonly instanceId: string;
  executionId = "e0";
  history: HistoryEvent[];
  readonly executor: InProcessExecutor;
  readonly registry: TaskRegistry;
  /** Reads of the whole history: cold starts. */
  reads = 0;
  nowMs = T0;
  answer: OrchestratorAnswer = { actions: [], customStatus: undefined };
  readonly #name: string;
  readonly #input: string | undefined;
  #generation = 0;

  constructor(fn: OrchestratorFunction<never, unknown> | undefined, options: InstanceOptions = {}) {
    const { input, history = [], version: _, instanceId = "inst", name = "main", ...executorOptions } = options;
    this.instanceId = instanceId;
    this.history = history;
    this.#name = name;
    this.#input = input === undefined ? undefined : JSON.stringify(input);
    this.registry = executorOptions.registry ?? new TaskRegistry();
    if (fn !== undefined) this.registry.addOrchestrator(name, fn);
    this.executor = new InProcessExecutor({ logger: silentLogger(), ...executorOptions, registry: this.registry });
  }

  /** The start event; the first turn's inbox. */
  get startEvent(): HistoryEvent {
    return executionStarted(
      {
        name: this.#name,
        input: this.#input,
        instanceId: this.instanceId,
        executionId: this.executionId,
        generation: this.#generation,
      },
      this.nowMs,
    );
  }

  /** Runs the first turn, with more events in its batch when given. */
  start(...more: HistoryEvent[]): Promise<Seen[]> {
    return this.turn(this.startEvent, ...more);
  }

  /** Runs one turn, a second after the last, and records it. */
  async turn(...inbox: HistoryEvent[]): Promise<Seen[]> {
    this.nowMs += this.history.length === 0 ? 0 : 1000;
    const started = orchestratorStarted(this.nowMs);
    const newEvents = [started, ...inbox];
    this.answer = await this.ask(newEvents);
    const patches = this.answer.patches ?? [];
    if (patches.length > 0 && started.eventType.case === "orchestratorStarted") {
      started.eventType.value.version = {
        $typeName: "perdura.model.v1.OrchestrationVersion",
        patches: [...patches],
      };
    }
    if (this.answer.parked === undefined) {
      this.history = [
        ...this.history,
        ...newEvents,
        ...this.answer.actions.map((action) => record(action, this.nowMs)),
      ];
    }
    return this.seen;
  }

  /** Asks the executor, recording nothing. */
  ask(newEvents: HistoryEvent[]): Promise<OrchestratorAnswer> {
    const view = historyOf(this.history);
    return this.executor.executeOrchestrator({
      instanceId: this.instanceId,
      executionId: this.executionId,
      oldEvents: {
        length: view.length,
        read: () => {
          this.reads++;
          return view.read();
        },
      },
      newEvents,
    });
  }

  /** Begins the next generation with what the last answer said. */
  async continueAsNew(): Promise<Seen[]> {
    const action = this.answer.actions.at(-1);
    if (action?.orchestratorActionType.case !== "completeOrchestration") throw new Error("no completion");
    const { result, carryoverEvents } = action.orchestratorActionType.value;
    this.#generation++;
    this.executionId = `e${this.#generation}`;
    this.history = [];
    const start = executionStarted(
      {
        name: this.#name,
        input: result,
        instanceId: this.instanceId,
        executionId: this.executionId,
        generation: this.#generation,
      },
      this.nowMs,
    );
    return this.turn(start, ...carryoverEvents);
  }

  get seen(): Seen[] {
    return this.answer.actions.map(see);
  }

  /** The completion of the last answer. */
  get end(): Seen | undefined {
    return this.seen.find(({ is }) => is === "complete");
  }

  /** The output of a completed run. */
  get output(): unknown {
    const end = this.end;
    if (end?.status !== "COMPLETED") throw new Error(`not completed: ${JSON.stringify(this.seen)}`);
    return end.result === undefined ? undefined : JSON.parse(end.result as string);
  }

  /** The failure of a failed run. */
  get failure(): { errorType: string; errorMessage: string } & Record<string, unknown> {
    const end = this.end;
    if (end?.status !== "FAILED") throw new Error(`not failed: ${JSON.stringify(this.seen)}`);
    return end.failure as { errorType: string; errorMessage: string } & Record<string, unknown>;
  }
}

/** An action as plain data. */
function see(action: OrchestratorAction): Seen {
  const { id, orchestratorActionType: type } = action;
  switch (type.case) {
    case "scheduleTask": {
      const { name, input, attempt, timeoutMs, taskExecutionId } = type.value;
      return { id, is: "activity", name, input, attempt, timeoutMs, taskExecutionId };
    }
    case "createSubOrchestration": {
      const { name, input, instanceId } = type.value;
      return { id, is: "child", name, input, instanceId };
    }
    case "createTimer": {
      const { name, fireAt, origin, attempt } = type.value;
      const inMs = fireAt === undefined ? undefined : timestampToMs(fireAt) - T0;
      return { id, is: "timer", name, inMs, origin: origin.case, attempt };
    }
    case "sendEvent":
      return { id, is: "event", name: type.value.name, to: type.value.instance?.instanceId, data: type.value.data };
    case "completeOrchestration": {
      const { orchestrationStatus, result, failureDetails, carryoverEvents } = type.value;
      const status = Object.entries(OrchestrationStatus).find(([, value]) => value === orchestrationStatus)?.[0];
      const carried = carryoverEvents.map(({ eventType }) =>
        eventType.case === "eventRaised" ? `${eventType.value.name}=${eventType.value.input ?? ""}` : eventType.case,
      );
      return { id, is: "complete", status, result, failure: failureDetails, carried };
    }
    default:
      return { id, is: String(type.case) };
  }
}

/** The history event of an action. */
function record(action: OrchestratorAction, nowMs: number): HistoryEvent {
  const { id, orchestratorActionType: type } = action;
  switch (type.case) {
    case "scheduleTask":
      return taskScheduled(id, { name: type.value.name, taskExecutionId: type.value.taskExecutionId }, nowMs);
    case "createSubOrchestration":
      return subOrchestrationCreated(id, { name: type.value.name, instanceId: `child-${id}` }, nowMs);
    case "createTimer":
      return timerCreated(id, { fireAt: type.value.fireAt ?? 0, name: type.value.name }, nowMs);
    case "sendEvent":
      return eventSent(id, { instanceId: type.value.instance?.instanceId ?? "", name: type.value.name }, nowMs);
    case "completeOrchestration": {
      const { orchestrationStatus: status, result } = type.value;
      return executionCompleted(id, { status, result }, nowMs);
    }
    default:
      throw new Error(`cannot record ${type.case}`);
  }
}

export const done = (id: number, result?: unknown): HistoryEvent =>
  taskCompleted(id, { result: result === undefined ? undefined : JSON.stringify(result) }, T0);
export const failed = (id: number, message = "boom", more: { isNonRetriable?: boolean } = {}): HistoryEvent =>
  taskFailed(id, { failureDetails: { errorType: "Boom", errorMessage: message, ...more } }, T0);
export const childDone = (id: number, result?: unknown): HistoryEvent =>
  subOrchestrationCompleted(id, { result: result === undefined ? undefined : JSON.stringify(result) }, T0);
export const childFailed = (id: number, message = "boom"): HistoryEvent =>
  subOrchestrationFailed(id, { failureDetails: { errorType: "Boom", errorMessage: message } }, T0);
export const fired = (id: number): HistoryEvent => timerFired({ timerId: id, fireAt: T0 }, T0);
export const raised = (name: string, payload?: unknown): HistoryEvent =>
  eventRaised({ name, input: payload === undefined ? undefined : JSON.stringify(payload) }, T0);
export const suspended = (): HistoryEvent => executionSuspended({}, T0);
export const resumed = (): HistoryEvent => executionResumed({}, T0);
export const terminated = (output?: unknown): HistoryEvent =>
  executionTerminated({ input: output === undefined ? undefined : JSON.stringify(output), recurse: false }, T0);

/** The two ways every orchestration must behave the same in. */
export const WAYS = [
  { way: "kept between turns", cacheSize: 1000 },
  { way: "evicted after every turn", cacheSize: 0 },
] as const;
