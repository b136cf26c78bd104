import { create } from "@bufbuild/protobuf";
import { PayloadNotSerializableError, PayloadTooLargeError } from "../errors.ts";
import { type ApplyContext, applyActions } from "../history/apply-actions.ts";
import { childIdsOf } from "../history/fork.ts";
import type { OrchestratorAnswer, RunnerInfo } from "../history/orchestrator-answer.ts";
import type { OrchestrationRuntimeState } from "../history/runtime-state.ts";
import { checkPayload, DEFAULT_MAX_PAYLOAD_BYTES } from "../limits.ts";
import { decodedHistory, decodeEvents, encodeAnswer, type PayloadCodec } from "../orchestration/payload-codec.ts";
import { completeOrchestrationAction } from "../protocol/actions.ts";
import { executionTerminated, orchestratorStarted } from "../protocol/events.ts";
import {
  type EngineInfo,
  EngineInfoSchema,
  type ExecutionTerminatedEvent,
  type HistoryEvent,
  OrchestrationStatus,
  type OrchestratorAction,
  Runner,
} from "../protocol/gen/perdura/model/v1/history_pb.ts";
import { randomUuid } from "../uuid.ts";
import type { Backend } from "./backend.ts";
import type { OrchestratorExecutor, OrchestratorTurn } from "./executor.ts";
import type { Logger } from "./logger.ts";
import { newTaskWorker, type TaskProcessor, type TaskWorker, type WorkerOptions } from "./task-worker.ts";
import type { OrchestrationWorkItem } from "./work-item.ts";

/** How often one work item may continue as new before it is committed and goes on in a new turn. The reference's number. */
export const MAX_CONTINUE_AS_NEW_PER_TURN = 20;

/** What the orchestration worker needs beside backend and executor. */
export interface OrchestrationWorkerOptions extends WorkerOptions {
  /** Limit on one payload that a turn asks to store, in UTF-8 bytes. */
  readonly maxPayloadBytes?: number;
  /** The time of turns, in epoch ms; default: the host's clock. */
  readonly now?: () => number;
  /** Makes execution ids; default: random UUIDs. */
  readonly newUuid?: () => string;
  /** Between code and store. Default: payloads are stored as they are. */
  readonly codec?: PayloadCodec;
  /** Behaviour flags that the engine has on, recorded with each generation. */
  readonly engineFlags?: readonly number[];
}

/** Makes the worker that runs turns: takes one from the backend, executes it, applies what it asks for, commits. */
export function newOrchestrationWorker(
  backend: Backend,
  executor: OrchestratorExecutor,
  logger: Logger,
  options: OrchestrationWorkerOptions = {},
): TaskWorker<OrchestrationWorkItem> {
  return newTaskWorker(new OrchestrationProcessor(backend, executor, logger, options), logger, options);
}

class OrchestrationProcessor implements TaskProcessor<OrchestrationWorkItem> {
  readonly name = "orchestration worker";
  readonly #backend: Backend;
  readonly #executor: OrchestratorExecutor;
  readonly #logger: Logger;
  readonly #options: OrchestrationWorkerOptions;

  constructor(backend: Backend, executor: OrchestratorExecutor, logger: Logger, options: OrchestrationWorkerOptions) {
    this.#backend = backend;
    this.#executor = executor;
    this.#logger = logger;
    this.#options = options;
  }

  nextWorkItem(signal: AbortSignal): Promise<OrchestrationWorkItem> {
    return this.#backend.nextOrchestrationWorkItem(signal);
  }

  async processWorkItem(item: OrchestrationWorkItem): Promise<void> {
    item.state ??= await this.#backend.getOrchestrationRuntimeState(item);
    const { state } = item;
    const [terminate] = terminations(item.newEvents);
    if (!state.isValid) {
      this.#logger.warn(`${item.toString()}: its state has no start event; dropped`);
    } else if (state.isCompleted) {
      this.#logger.debug(`${item.toString()}: arrived after the end; dropped`);
    } else if (this.#addEvents(item, state)) {
      await this.#execute(item, state, terminate);
    }
    const cascading = terminations(item.newEvents).find(({ recurse }) => recurse);
    if (cascading !== undefined && state.isCompleted && !state.hasCascaded) await this.#cascade(state, cascading);
  }

  async completeWorkItem(item: OrchestrationWorkItem): Promise<void> {
    await this.#backend.completeOrchestrationWorkItem(item);
    // An ended or parked instance has no use for its live orchestrator.
    if (item.state?.isCompleted === true || item.state?.parked !== undefined) this.#executor.release(item.instanceId);
  }

  async abandonWorkItem(item: OrchestrationWorkItem): Promise<void> {
    // What the executor keeps has seen events that were never committed.
    this.#executor.release(item.instanceId);
    await this.#backend.abandonOrchestrationWorkItem(item);
  }

  /** Begins the turn in the state. Returns false when nothing of it may be run. */
  #addEvents(item: OrchestrationWorkItem, state: OrchestrationRuntimeState): boolean {
    const isFirstTurn = state.oldEvents.length === 0;
    state.addEvent(orchestratorStarted(this.#turnTime(state), isFirstTurn ? { engine: this.#engine() } : {}));
    state.addEvents(item.newEvents).forEach((error, index) => {
      if (error === undefined) return;
      this.#logger.warn(
        `${item.toString()}: drops a ${item.newEvents[index]?.eventType.case ?? "unknown"} event`,
        error,
      );
    });
    if (state.isValid) return true;
    this.#logger.warn(`${item.toString()}: events without a start; dropped`);
    state.cancelPending();
    return false;
  }

  async #execute(
    item: OrchestrationWorkItem,
    state: OrchestrationRuntimeState,
    terminate: ExecutionTerminatedEvent | undefined,
  ): Promise<void> {
    const context: ApplyContext = {
      nowMs: this.#turnTime(state),
      newExecutionId: () => this.#uuid().replaceAll("-", "").toLowerCase(),
      engine: this.#engine(),
      traceContext: state.startEvent?.parentTraceContext,
    };
    // What was parked needs code that may be missing, or that kills its host: a termination does without it.
    const skipsCode = terminate !== undefined && state.wasParked;
    for (let rounds = 0; !skipsCode; rounds++) {
      const answer = await this.#ask(item, state);
      if (answer.parked !== undefined) {
        if (terminate !== undefined) break;
        state.cancelPending();
        state.parked = answer.parked;
        return;
      }
      const actions =
        terminate === undefined ? answer.actions : answer.actions.filter((action) => !continuesAsNew(action));
      const bounded = this.#bounded({ ...answer, actions });
      if (!applyActions(state, bounded, context)) break;
      this.#executor.release(item.instanceId);
      if (rounds >= MAX_CONTINUE_AS_NEW_PER_TURN) {
        this.#logger.debug(`${item.toString()}: continued as new ${rounds} times in one turn; goes on in the next`);
        return;
      }
    }
    if (terminate !== undefined && !state.isCompleted) {
      // An executor that did not take the termination into account does not get away with it.
      state.pendingTasks = [];
      state.pendingTimers = [];
      state.pendingMessages = [];
      const answer = { actions: [forcedTermination(terminate)], customStatus: state.customStatus };
      applyActions(state, answer, context);
    }
  }

  async #ask(item: OrchestrationWorkItem, state: OrchestrationRuntimeState): Promise<OrchestratorAnswer> {
    const start = state.startEvent;
    const isFirstTurn = state.oldEvents.length === 0;
    const { codec } = this.#options;
    const turn: OrchestratorTurn = {
      instanceId: item.instanceId,
      executionId: start?.orchestrationInstance?.executionId ?? "",
      ...(start === undefined ? {} : { name: start.name }),
      ...(start?.version === undefined ? {} : { version: start.version }),
      // A new generation is free to be run by somebody else.
      ...(isFirstTurn || state.pinned === undefined ? {} : { pinned: state.pinned }),
      oldEvents: state.oldEvents,
      newEvents: state.newEvents,
      signal: item.signal,
    };
    const answer = await (codec === undefined
      ? this.#executor.executeOrchestrator(turn)
      : this.#askThrough(codec, turn));
    if (answer.parked !== undefined) return answer;
    state.startPending = false;
    if (isFirstTurn && answer.ranBy !== undefined) pin(state, answer.ranBy);
    return answer;
  }

  /** The code sees decoded payloads only, and what it asks for is encoded. Without the right key the turn waits for it. */
  async #askThrough(codec: PayloadCodec, turn: OrchestratorTurn): Promise<OrchestratorAnswer> {
    try {
      const oldEvents = decodedHistory(codec, turn.oldEvents);
      const newEvents = await decodeEvents(codec, turn.newEvents);
      return await encodeAnswer(codec, await this.#executor.executeOrchestrator({ ...turn, oldEvents, newEvents }));
    } catch (error) {
      if (!(error instanceof PayloadNotSerializableError)) throw error;
      this.#executor.release(turn.instanceId);
      const cause = error.cause instanceof Error ? `: ${error.cause.message}` : "";
      const parked = { code: "payload_codec", message: `${error.message}${cause}` };
      return { actions: [], customStatus: undefined, parked };
    }
  }

  /** A payload above the limit is the orchestrator's failure, whoever ran it. */
  #bounded(answer: OrchestratorAnswer): OrchestratorAnswer {
    const limit = this.#options.maxPayloadBytes ?? DEFAULT_MAX_PAYLOAD_BYTES;
    try {
      checkPayload("the custom status", answer.customStatus, limit);
      for (const action of answer.actions) checkActionPayload(action, limit);
      return answer;
    } catch (error) {
      if (!(error instanceof PayloadTooLargeError)) throw error;
      const failureDetails = { errorType: error.name, errorMessage: error.message, isNonRetriable: true };
      const id = answer.actions.at(-1)?.id ?? -1;
      const failure = completeOrchestrationAction(id, { status: OrchestrationStatus.FAILED, failureDetails });
      return { actions: [failure], customStatus: undefined };
    }
  }

  /** Terminates the sub-orchestrations of a terminated instance, with messages of the same commit. */
  async #cascade(state: OrchestrationRuntimeState, terminate: ExecutionTerminatedEvent): Promise<void> {
    state.hasCascaded = true;
    const events = [...(await state.oldEvents.read()), ...state.newEvents];
    for (const targetInstanceId of childIdsOf(events)) {
      const event = executionTerminated({ input: terminate.input, recurse: true }, this.#turnTime(state));
      state.pendingMessages.push({ targetInstanceId, event });
    }
  }

  /** Turn time never goes backwards, whatever the clock does. */
  #turnTime(state: OrchestrationRuntimeState): number {
    return Math.max((this.#options.now ?? Date.now)(), state.lastTurnTimeMs);
  }

  #uuid(): string {
    return (this.#options.newUuid ?? randomUuid)();
  }

  #engine(): EngineInfo {
    const { runner, dialect } = this.#executor;
    const flags = [...(this.#options.engineFlags ?? [])];
    return create(EngineInfoSchema, { formatVersion: 1, flags, runner: runner ?? Runner.IN_PROCESS, dialect });
  }
}

/** Records who runs the generation, on its first OrchestratorStarted. */
function pin(state: OrchestrationRuntimeState, { runner, dialect }: RunnerInfo): void {
  for (const { eventType } of state.newEvents) {
    if (eventType.case !== "orchestratorStarted" || eventType.value.engine === undefined) continue;
    eventType.value.engine.runner = runner;
    eventType.value.engine.dialect = dialect;
    return;
  }
}

function terminations(events: readonly HistoryEvent[]): ExecutionTerminatedEvent[] {
  return events.flatMap(({ eventType }) => (eventType.case === "executionTerminated" ? [eventType.value] : []));
}

function continuesAsNew({ orchestratorActionType }: OrchestratorAction): boolean {
  return (
    orchestratorActionType.case === "completeOrchestration" &&
    orchestratorActionType.value.orchestrationStatus === OrchestrationStatus.CONTINUED_AS_NEW
  );
}

function forcedTermination(terminate: ExecutionTerminatedEvent): OrchestratorAction {
  return completeOrchestrationAction(-1, { status: OrchestrationStatus.TERMINATED, result: terminate.input });
}

function checkActionPayload({ id, orchestratorActionType }: OrchestratorAction, limit: number): void {
  const { case: kind, value } = orchestratorActionType;
  switch (kind) {
    case "scheduleTask":
    case "createSubOrchestration":
    case "createDetachedWorkflow":
      checkPayload(`the input of '${value.name}' (action ${id})`, value.input, limit);
      break;
    case "sendEvent":
      checkPayload(`the payload of event '${value.name}' (action ${id})`, value.data, limit);
      break;
    case "completeOrchestration":
      checkPayload("the output of the orchestration", value.result, limit);
      break;
    default:
  }
}
