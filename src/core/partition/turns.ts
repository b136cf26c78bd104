import { clone, create } from "@bufbuild/protobuf";
import { InvalidArgumentError, WorkItemLockLostError } from "../errors.ts";
import { ResolvedResults } from "../history/dedup.ts";
import type { ParkedTurn } from "../history/orchestrator-answer.ts";
import { OrchestrationRuntimeState } from "../history/runtime-state.ts";
import { OrchestrationWorkItem } from "../hub/work-item.ts";
import { checkInstanceId } from "../limits.ts";
import {
  type ExecutionCompletedEvent,
  ExecutionCompletedEventSchema,
  OrchestrationStatus,
} from "../protocol/gen/perdura/model/v1/history_pb.ts";
import {
  type Envelope,
  EnvelopeSchema,
  type InstanceRecord,
  InstanceRecordSchema,
  ParkedSchema,
} from "../protocol/gen/perdura/model/v1/store_pb.ts";
import { marshalEnvelope } from "../protocol/marshal.ts";
import type { Activities, ResultTaker } from "./activities.ts";
import { neverThrowing, refusal } from "./admission.ts";
import type { Deliveries } from "./deliveries.ts";
import type { LiveInstance, OpenTurn } from "./live-instance.ts";
import { loadRetryMs, type PartitionContext, parkedRetryMs } from "./partition-context.ts";
import { isEnded, isMoved, pendingKeys, startEventOf } from "./record.ts";
import { hasMoreToJoin, remoteJoinUntil } from "./remote-join.ts";
import { StoredHistory } from "./stored-history.ts";
import { planTurn } from "./turn-plan.ts";
import { nextLookMs, selectTurn } from "./turn-selection.ts";
import { WorkQueue } from "./work-queue.ts";

/** At most this many hops are made to let parallel activities join one turn. */
const MAX_JOIN_HOPS = 64;

/** Hands out turns and commits them: one turn of an instance at a time, one atomic batch each. */
export class Turns implements ResultTaker {
  readonly queue: WorkQueue<string, OrchestrationWorkItem>;
  readonly #context: PartitionContext;
  readonly #activities: () => Activities;
  readonly #deliveries: () => Deliveries;
  /** Called when an instance's inbox asks for a rewind; resolves when that is committed. */
  readonly #rewind: (live: LiveInstance) => Promise<void>;
  #counter = 0;

  constructor(
    context: PartitionContext,
    parts: {
      readonly activities: () => Activities;
      readonly deliveries: () => Deliveries;
      readonly rewind: (live: LiveInstance) => Promise<void>;
    },
  ) {
    this.#context = context;
    this.#activities = parts.activities;
    this.#deliveries = parts.deliveries;
    this.#rewind = parts.rewind;
    this.queue = new WorkQueue((instanceId) => this.#make(instanceId));
    this.queue.onFailure = (instanceId, error) => {
      context.options.logger.error(`the next turn of '${instanceId}' cannot be made; tried again later`, error);
      context.lookAt(instanceId, context.now + 10_000);
    };
    this.queue.onOrphan = (_instanceId, item) => {
      void this.abandon(item).catch(() => undefined);
    };
  }

  /** How many workers wait for a turn. */
  get waiting(): number {
    return this.queue.waiting;
  }

  /** Offers the instance's next turn when it has one that can run now. */
  consider(live: LiveInstance): void {
    if (this.#isDue(live)) this.queue.offer(live.instanceId);
  }

  #isDue(live: LiveInstance): boolean {
    const { now, tenure } = this.#context;
    if (tenure === undefined || live.turn !== undefined || live.stale) return false;
    if (isMoved(live.record)) return false;
    if (live.notBefore !== undefined && live.notBefore > now) {
      this.#context.lookAt(live.instanceId, live.notBefore);
      return false;
    }
    if (live.joinUntil !== undefined && live.joinUntil > now && hasMoreToJoin(live)) {
      this.#context.lookAt(live.instanceId, live.joinUntil);
      return false;
    }
    const parkedUntil = parkedRetryMs(live.record);
    if (parkedUntil !== undefined && parkedUntil > now && !live.retryParked && !isReleased(live)) return false;
    if (live.inbox.some(({ envelope }) => envelope.event?.eventType.case === "executionRewound")) {
      void this.#rewind(live);
      return false;
    }
    if (selectTurn(live, now) !== undefined) return true;
    const next = nextLookMs(live.record, live.inbox);
    if (next !== undefined && next > now && !isEnded(live.record)) this.#context.rearm();
    return false;
  }

  /**
   * Considers the instance once its other activities that are just finishing have added their results, so that a fan-out
   * joins in few turns. With nothing else in flight, at once.
   */
  async considerJoined(live: LiveInstance): Promise<void> {
    const inFlight = (): number => live.tasks.size - live.staged.length;
    for (let hops = 0; hops < MAX_JOIN_HOPS && inFlight() > 0 && live.turn === undefined; hops++) {
      const before = live.staged.length;
      await this.#context.ports.settle();
      if (live.staged.length === before) break;
    }
    this.consider(live);
  }

  async #make(instanceId: string): Promise<OrchestrationWorkItem | undefined> {
    const live = await this.#load(instanceId);
    if (live === undefined || !this.#isDue(live)) return undefined;
    const selection = selectTurn(live, this.#context.now);
    if (selection === undefined) return undefined;
    live.retryParked = false;
    live.turnAsked = false;
    const lockedBy = `${this.#context.tenure?.epoch ?? 0}/turn/${++this.#counter}`;
    const controller = new AbortController();
    const { consumed, staged, events } = selection;
    live.turn = { lockedBy, controller, consumed, staged, retryCount: live.turnRetries };
    const { signal } = controller;
    return new OrchestrationWorkItem({ instanceId, lockedBy, signal, retryCount: live.turnRetries, newEvents: events });
  }

  async #load(instanceId: string): Promise<LiveInstance | undefined> {
    const { table, options } = this.#context;
    try {
      return await table.get(instanceId);
    } catch (error) {
      options.logger.error(`'${instanceId}' cannot be loaded for its turn; tried again later`, error);
      this.#context.lookAt(instanceId, this.#context.now + loadRetryMs(error));
      return undefined;
    }
  }

  /** The state that a handed-out turn is applied to. */
  stateOf(item: OrchestrationWorkItem): OrchestrationRuntimeState {
    const { live } = this.#open(item);
    const { record } = live;
    return new OrchestrationRuntimeState({
      instanceId: record.instanceId,
      generation: record.generation,
      startEvent: startEventOf(record),
      completed: completionOf(record),
      oldEvents: new StoredHistory(this.#context.ports.store, record),
      resolved: ResolvedResults.fromPending(record.nextEventId, pendingKeys(record)),
      customStatus: record.customStatus,
      isSuspended: record.suspended,
      createdTimeMs: record.createdAtMs,
      lastUpdatedTimeMs: record.lastUpdatedAtMs,
      lastTurnTimeMs: record.lastTurnAtMs,
      completedTimeMs: record.completedAtMs,
      wasParked: record.parked !== undefined,
      hasCascaded: record.cascaded,
      pinned: { runner: record.runner, dialect: record.dialect },
    });
  }

  /** Commits a turn. @throws {@link WorkItemLockLostError}, or the store's error. */
  async complete(item: OrchestrationWorkItem): Promise<void> {
    const { live, turn } = this.#open(item);
    const { state } = item;
    if (state === undefined)
      throw new InvalidArgumentError("the work item has no state: process it before completing it");
    await live.exclusive(async () => {
      this.#open(item);
      if (state.parked === undefined) await this.#commit(live, turn, state);
      else await this.#park(live, state.parked);
    });
  }

  /** Hands a turn back, to come again after a delay that grows. @throws {@link WorkItemLockLostError}. */
  async abandon(item: OrchestrationWorkItem): Promise<void> {
    const { live } = this.#open(item);
    live.turn = undefined;
    live.turnRetries++;
    const delay = item.abandonDelay;
    if (delay > 0) live.notBefore = this.#context.now + delay;
    await this.flush(live);
    this.consider(live);
  }

  #open(item: OrchestrationWorkItem): { readonly live: LiveInstance; readonly turn: OpenTurn } {
    const live = this.#context.table.peek(item.instanceId);
    const turn = live?.turn;
    if (live === undefined || turn === undefined || turn.lockedBy !== item.lockedBy || turn.controller.signal.aborted) {
      throw new WorkItemLockLostError(`the turn of '${item.instanceId}' was taken back`);
    }
    return { live, turn };
  }

  async #commit(live: LiveInstance, turn: OpenTurn, state: OrchestrationRuntimeState): Promise<void> {
    const context = this.#context;
    const { now } = context;
    const plan = planTurn(live.record, state, turn, now);
    const routes = this.#route(plan.record, plan.messages, now);
    const inboxAdds = [...plan.carried, ...routes.refused];
    const consumed = new Set(turn.consumed.map(({ seq }) => seq));
    const inbox = live.inbox.filter(({ seq }) => !consumed.has(seq));
    const row = context.row(plan.record, {
      inbox,
      inboxGrows: inboxAdds.length > 0,
      outboxLength: live.outbox.length + routes.remote.length,
    });
    const done = await context.commit(live, {
      row,
      history: plan.history,
      consume: [...consumed],
      inbox: inboxAdds.map((envelope) => ({ key: undefined, bytes: marshalEnvelope(envelope) })),
      schedulesWork: state.pendingTasks.length > 0,
      outboxAdd: routes.remote.map((envelope) => ({ seq: envelope.seq, bytes: marshalEnvelope(envelope) })),
      deliver: routes.local.map((envelope) => ({
        instanceId: envelope.targetInstanceId,
        decide: neverThrowing(envelope, now),
      })),
    });
    // Durable from here on: now the world may see it.
    const wasParked = live.record.parked !== undefined;
    live.record = plan.record;
    live.dequeue(turn.consumed);
    inboxAdds.forEach((envelope, index) => {
      const seq = done.inboxSeqs[index];
      if (seq !== undefined) live.enqueue({ seq, envelope });
    });
    for (const envelope of routes.remote) live.outbox.push({ seq: envelope.seq, envelope });
    this.#closeTurn(live);
    live.turnRetries = 0;
    live.notBefore = undefined;
    live.joinUntil = remoteJoinUntil(live, now);
    if (turn.staged.length > 0) {
      const taken = new Set(turn.staged);
      live.staged = live.staged.filter((result) => !taken.has(result));
      for (const { resolve } of turn.staged) resolve();
    }
    this.#activities().sync(live, plan.segment, state.pendingTasks);
    if (wasParked) this.#activities().dispatchAll(live);
    done.deliveries.forEach((appended, index) => {
      const envelope = routes.local[index];
      if (envelope !== undefined) this.#deliveries().noteAppended(appended, envelope);
    });
    context.ports.signals.changed(live.instanceId);
    this.consider(live);
    this.#deliveries().pump(live);
    context.rearm();
  }

  /** The turn could not run for want of code: it stays in the inbox, and the instance says so. */
  async #park(live: LiveInstance, reason: ParkedTurn): Promise<void> {
    const { now } = this.#context;
    const record = clone(InstanceRecordSchema, live.record);
    record.parked = create(ParkedSchema, {
      code: reason.code,
      message: reason.message,
      sinceMs: record.parked?.sinceMs ?? now,
      attempts: (record.parked?.attempts ?? 0) + 1,
    });
    await this.flush(live);
    await this.saveStalled(live, record);
    this.#closeTurn(live);
    // What was staged meanwhile has no turn to wait for either.
    await this.flush(live);
    // What arrived while the turn was open may be the very thing that un-parks it.
    this.consider(live);
  }

  /** Stores a record whose `parked` was set. */
  async saveStalled(live: LiveInstance, record: InstanceRecord): Promise<void> {
    const context = this.#context;
    record.status = OrchestrationStatus.STALLED;
    record.lastUpdatedAtMs = Math.max(record.lastUpdatedAtMs, context.now);
    record.indexVersion = Math.max(context.now, record.indexVersion + 1);
    const row = context.row(record, { inbox: live.inbox, outboxLength: live.outbox.length });
    await context.commit(live, { row });
    live.record = record;
    context.ports.signals.changed(live.instanceId);
    this.#deliveries().pump(live);
    context.rearm();
  }

  #closeTurn(live: LiveInstance): void {
    live.turn = undefined;
  }

  /** Makes staged results durable without a turn. */
  async flush(live: LiveInstance): Promise<void> {
    for (let result = live.staged.shift(); result !== undefined; result = live.staged.shift()) {
      try {
        await this.#activities().appendResult(live, result.taskId, result.generation, result.event);
        result.resolve();
      } catch (error) {
        result.reject(error);
      }
    }
  }

  /** Sorts a turn's messages by the way they go. A child whose id cannot be one is refused right here. */
  #route(
    record: InstanceRecord,
    messages: readonly Envelope[],
    nowMs: number,
  ): { readonly local: Envelope[]; readonly remote: Envelope[]; readonly refused: Envelope[] } {
    const routes = { local: [] as Envelope[], remote: [] as Envelope[], refused: [] as Envelope[] };
    for (const envelope of messages) {
      try {
        checkInstanceId(envelope.targetInstanceId);
      } catch (error) {
        const { event } = envelope;
        const start = event?.eventType.case === "executionStarted" ? event.eventType.value : undefined;
        this.#context.options.logger.warn(`'${record.instanceId}' sent a message that cannot be delivered`, error);
        if (start?.parentInstance === undefined) continue;
        routes.refused.push(
          create(EnvelopeSchema, {
            targetInstanceId: record.instanceId,
            generation: record.generation,
            event: refusal(start.parentInstance.taskScheduledId, (error as Error).message, nowMs),
            createdAtMs: nowMs,
          }),
        );
        continue;
      }
      (this.#context.ports.router.isLocal(envelope.targetInstanceId) ? routes.local : routes.remote).push(envelope);
    }
    return routes;
  }
}

/** A terminate needs no code, and a resume asks to try again: both reach a parked instance. */
function isReleased(live: LiveInstance): boolean {
  return live.inbox.some(({ envelope }) => {
    const kind = envelope.event?.eventType.case;
    return kind === "executionTerminated" || kind === "executionResumed" || kind === "executionRewound";
  });
}

function completionOf(record: InstanceRecord): ExecutionCompletedEvent | undefined {
  if (!isEnded(record)) return undefined;
  return create(ExecutionCompletedEventSchema, { orchestrationStatus: record.status });
}
