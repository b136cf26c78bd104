/** Hubs and bare partitions over a faulty store and a virtual clock. */
import { memoryPorts, openMemoryTaskHub } from "../../../src/backends/memory/index.ts";
import { WorkItemLockLostError } from "../../../src/core/errors.ts";
import { applyActions } from "../../../src/core/history/apply-actions.ts";
import type { OrchestratorAnswer } from "../../../src/core/history/orchestrator-answer.ts";
import type { InProcessHub, InProcessHubOptions } from "../../../src/core/hub/in-process-hub.ts";
import { silentLogger } from "../../../src/core/hub/logger.ts";
import type { ActivityWorkItem, OrchestrationWorkItem } from "../../../src/core/hub/work-item.ts";
import type { AnyTaskReference } from "../../../src/core/orchestration/registry.ts";
import { TaskRegistry } from "../../../src/core/orchestration/registry.ts";
import { Partition } from "../../../src/core/partition/partition.ts";
import type { PartitionOptions } from "../../../src/core/partition/partition-context.ts";
import type { PartitionPorts } from "../../../src/core/partition/ports.ts";
import {
  type ExecutionStartedFields,
  eventRaised,
  executionStarted,
  orchestratorStarted,
  taskCompleted,
} from "../../../src/core/protocol/events.ts";
import type { EngineInfo, OrchestratorAction } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { FaultyStore } from "./faulty-store.ts";

/** A hub in memory, with the store and the clock that it runs on. */
export interface HubWorld {
  readonly hub: InProcessHub;
  readonly store: FaultyStore;
  readonly clock: VirtualClock;
  readonly registry: TaskRegistry;
}

/** Opens a hub for this code, over a new store or a given one. */
export async function openHub(
  references: readonly AnyTaskReference[],
  options: Partial<Omit<InProcessHubOptions, "registry">> & {
    readonly store?: FaultyStore;
    readonly clock?: VirtualClock;
  } = {},
): Promise<HubWorld> {
  const { store = new FaultyStore(), clock = new VirtualClock(), ...hubOptions } = options;
  const registry = new TaskRegistry().add(...references);
  const hub = await openMemoryTaskHub(
    { logger: silentLogger(), ...hubOptions, registry },
    { store, clock, timers: clock, settle: clock.settle },
  );
  return { hub, store, clock, registry };
}

/** A partition without workers, driven by hand. */
export class BareWorld {
  readonly store: FaultyStore;
  readonly clock: VirtualClock;
  readonly partition: Partition;
  #ids = 0;

  constructor(
    options: Partial<PartitionOptions> & {
      readonly store?: FaultyStore;
      readonly clock?: VirtualClock;
      readonly ports?: Partial<PartitionPorts>;
    } = {},
  ) {
    const { store = new FaultyStore(), clock = new VirtualClock(), ports = {}, ...partitionOptions } = options;
    this.store = store;
    this.clock = clock;
    const all = { ...memoryPorts({ store, clock, timers: clock, settle: clock.settle }), ...ports };
    const defaults = { logger: silentLogger(), maxPayloadBytes: 100_000, maxLiveInstances: 100, maxDeaths: 3 };
    this.partition = new Partition(all, { ...defaults, ...partitionOptions });
  }

  /** Creates the hub where there is none, and starts. */
  async open(): Promise<this> {
    await this.partition.createTaskHub().catch(() => undefined);
    await this.partition.start();
    return this;
  }

  async start(instanceId: string, fields: Partial<ExecutionStartedFields> = {}): Promise<void> {
    const executionId = `execution-${instanceId}-${++this.#ids}`;
    const start = executionStarted({ name: "main", instanceId, executionId, ...fields }, this.clock.now());
    await this.partition.createOrchestrationInstance(start);
  }

  raise(instanceId: string, name = "e", input?: string): Promise<void> {
    return this.partition.addNewOrchestrationEvent(instanceId, eventRaised({ name, input }, this.clock.now()));
  }

  turn(): Promise<OrchestrationWorkItem> {
    return this.#bounded((signal) => this.partition.nextOrchestrationWorkItem(signal), "turn");
  }

  activity(): Promise<ActivityWorkItem> {
    return this.#bounded((signal) => this.partition.nextActivityWorkItem(signal), "activity");
  }

  /** Whether something of the kind can be had now. */
  async has(kind: "turn" | "activity"): Promise<boolean> {
    try {
      await (kind === "turn" ? this.turn() : this.activity());
      return true;
    } catch {
      return false;
    }
  }

  async #bounded<T>(take: (signal: AbortSignal) => Promise<T>, what: string): Promise<T> {
    const controller = new AbortController();
    let isOver = false;
    const taken = take(controller.signal).finally(() => {
      isOver = true;
    });
    taken.catch(() => undefined);
    await this.clock.rest();
    if (!isOver) controller.abort();
    return taken.catch((error: unknown) => {
      throw new Error(`there is no ${what}`, { cause: error });
    });
  }

  /** Works on a turn: loads its state, adds its events, applies the actions. */
  async process(
    item: OrchestrationWorkItem,
    actions: readonly OrchestratorAction[] = [],
    more: Partial<OrchestratorAnswer> & { readonly engine?: EngineInfo } = {},
  ): Promise<OrchestrationWorkItem> {
    item.state ??= await this.partition.getOrchestrationRuntimeState(item);
    const { state } = item;
    const { engine, ...answer } = more;
    const nowMs = this.clock.now();
    state.addEvent(orchestratorStarted(nowMs, engine === undefined ? {} : { engine }));
    state.addEvents(item.newEvents);
    const context = { nowMs, newExecutionId: () => `child-${++this.#ids}`, engine };
    applyActions(state, { actions, customStatus: undefined, ...answer }, context);
    state.startPending = false;
    return item;
  }

  /** Takes the next turn and commits it with the actions. */
  async commit(
    actions: readonly OrchestratorAction[] = [],
    more: Partial<OrchestratorAnswer> & { readonly engine?: EngineInfo } = {},
  ): Promise<OrchestrationWorkItem> {
    const item = await this.process(await this.turn(), actions, more);
    await this.partition.completeOrchestrationWorkItem(item);
    return item;
  }

  /** Does what a worker does with a turn whose commit failed: hands it back, if it is still its own. */
  async giveUp(item: OrchestrationWorkItem): Promise<void> {
    await this.partition.abandonOrchestrationWorkItem(item).catch((error: unknown) => {
      if (!(error instanceof WorkItemLockLostError)) throw error;
    });
    await this.clock.advance(0);
  }

  /** Answers an activity. */
  async answer(item: ActivityWorkItem, result = "done"): Promise<void> {
    item.result = taskCompleted(item.newEvent.eventId, { result }, this.clock.now());
    await this.partition.completeActivityWorkItem(item);
  }
}

/** Whether a promise has settled by now. */
export async function isSettled(promise: Promise<unknown>, clock: VirtualClock): Promise<boolean> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  promise.then(note, note);
  await clock.rest();
  return settled;
}
