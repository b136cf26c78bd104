/** Drives a backend without workers: takes items, applies hand-made actions, completes. */
import { applyActions } from "../../../core/history/apply-actions.ts";
import type { OrchestratorAnswer } from "../../../core/history/orchestrator-answer.ts";
import type { OrchestrationRuntimeState } from "../../../core/history/runtime-state.ts";
import type { CreateInstanceOptions } from "../../../core/hub/backend.ts";
import type { ActivityWorkItem, OrchestrationWorkItem } from "../../../core/hub/work-item.ts";
import { completeOrchestrationAction, scheduleTaskAction } from "../../../core/protocol/actions.ts";
import {
  type ExecutionStartedFields,
  executionStarted,
  orchestratorStarted,
  taskCompleted,
} from "../../../core/protocol/events.ts";
import {
  type HistoryEvent,
  OrchestrationStatus,
  type OrchestratorAction,
} from "../../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { assert, ContractViolation } from "../assert.ts";
import { newId } from "../case.ts";
import type { ContractRunner } from "../runner.ts";
import type { ContractBackend, ContractSetup } from "../setup.ts";

/** What every file of backend-level tests is given. */
export interface BackendSuite {
  readonly runner: ContractRunner;
  readonly setup: ContractSetup;
}

/** A test with a backend of its own, created and started. */
export function byHand(suite: BackendSuite, name: string, body: (hand: Hand) => Promise<void>): void {
  suite.runner.it(name, async () => {
    const environment = await suite.setup.openBackend();
    try {
      await environment.backend.createTaskHub();
      await environment.backend.start();
      await body(new Hand(environment));
    } finally {
      await environment.close();
    }
  });
}

/** A test that needs several instances in one backend. */
export function byHandWithMany(suite: BackendSuite, name: string, body: (hand: Hand) => Promise<void>): void {
  if (suite.setup.manyInstances !== false) byHand(suite, name, body);
}

/** How long an item may take to come, in ms of the environment's time. */
const PATIENCE_MS = 2000;

/** A worker made of a test's own hands. */
export class Hand {
  readonly environment: ContractBackend;

  constructor(environment: ContractBackend) {
    this.environment = environment;
  }

  get backend(): ContractBackend["backend"] {
    return this.environment.backend;
  }

  /** Starts an instance; returns its id. */
  async start(fields: Partial<ExecutionStartedFields> = {}, options?: CreateInstanceOptions): Promise<string> {
    const instanceId = fields.instanceId ?? newId("hand");
    const executionId = fields.executionId ?? newId("execution");
    const start = executionStarted({ name: "testing", ...fields, instanceId, executionId }, this.environment.now());
    await this.backend.createOrchestrationInstance(start, options);
    return instanceId;
  }

  /** The next turn. Fails when there is none. */
  async turn(): Promise<OrchestrationWorkItem> {
    const item = await this.#next((signal) => this.backend.nextOrchestrationWorkItem(signal), PATIENCE_MS);
    if (item === undefined) throw new ContractViolation("no turn came");
    return item;
  }

  /** The next activity attempt. Fails when there is none. */
  async activity(): Promise<ActivityWorkItem> {
    const item = await this.#next((signal) => this.backend.nextActivityWorkItem(signal), PATIENCE_MS);
    if (item === undefined) throw new ContractViolation("no activity came");
    return item;
  }

  /** Fails when a turn comes within the time. */
  async noTurn(withinMs = 10): Promise<void> {
    const item = await this.#next((signal) => this.backend.nextOrchestrationWorkItem(signal), withinMs);
    assert(
      item === undefined,
      `a turn came that should not: ${item?.toString()} with ${JSON.stringify(kindsOf(item?.newEvents))}`,
    );
  }

  /** Fails when an activity attempt comes within the time. */
  async noActivity(withinMs = 10): Promise<void> {
    const item = await this.#next((signal) => this.backend.nextActivityWorkItem(signal), withinMs);
    assert(item === undefined, `an activity came that should not: ${item?.toString()}`);
  }

  async #next<T>(take: (signal: AbortSignal) => Promise<T>, patienceMs: number): Promise<T | undefined> {
    const controller = new AbortController();
    let item: T | undefined;
    let failure: unknown;
    let isOver = false;
    const taken = take(controller.signal).then(
      (found) => {
        item = found;
        isOver = true;
      },
      (error: unknown) => {
        failure = controller.signal.aborted ? undefined : error;
        isOver = true;
      },
    );
    for (let waited = 0; !isOver; waited += 5) {
      await this.environment.after(waited === 0 ? 0 : 5);
      if (!isOver && waited >= patienceMs) controller.abort();
    }
    await taken;
    if (failure !== undefined) throw failure;
    return item;
  }

  /** Works on a turn as a worker does: loads the state, adds the events, applies the actions. */
  async process(
    item: OrchestrationWorkItem,
    actions: readonly OrchestratorAction[],
    more: Partial<OrchestratorAnswer> = {},
  ): Promise<OrchestrationRuntimeState> {
    item.state ??= await this.backend.getOrchestrationRuntimeState(item);
    const { state } = item;
    const nowMs = this.environment.now();
    state.addEvent(orchestratorStarted(nowMs));
    state.addEvents(item.newEvents);
    const context = { nowMs, newExecutionId: () => newId("execution"), engine: undefined };
    applyActions(state, { actions, customStatus: undefined, ...more }, context);
    state.startPending = false;
    return state;
  }

  /** Takes the next turn and commits it with the given actions. Returns the events that it brought. */
  async commit(
    actions: readonly OrchestratorAction[],
    more?: Partial<OrchestratorAnswer>,
  ): Promise<readonly HistoryEvent[]> {
    const item = await this.turn();
    await this.process(item, actions, more);
    await this.backend.completeOrchestrationWorkItem(item);
    return item.newEvents;
  }

  /** Answers an activity. */
  async answer(item: ActivityWorkItem, result?: string): Promise<void> {
    item.result = taskCompleted(item.newEvent.eventId, { result }, this.environment.now());
    await this.backend.completeActivityWorkItem(item);
  }
}

/** An activity call. */
export function task(id: number, name = "activity", input?: string): OrchestratorAction {
  return scheduleTaskAction(id, { name, input, taskExecutionId: `task-execution-${id}` });
}

/** The end of an orchestration. */
export function completion(id: number, result?: string): OrchestratorAction {
  return completeOrchestrationAction(id, { status: OrchestrationStatus.COMPLETED, result });
}

/** A new generation. */
export function continuation(id: number, result?: string): OrchestratorAction {
  return completeOrchestrationAction(id, { status: OrchestrationStatus.CONTINUED_AS_NEW, result });
}

/** The kinds of events. */
export function kindsOf(events: readonly HistoryEvent[] | undefined): readonly string[] {
  return (events ?? []).map(({ eventType }) => eventType.case ?? "unknown");
}
