import { clone } from "@bufbuild/protobuf";
import {
  InvalidArgumentError,
  PayloadTooLargeError,
  PerduraError,
  type PerduraErrorCode,
  StorageError,
  TaskCancelledError,
  WorkItemLockLostError,
} from "../errors.ts";
import { ActivityWorkItem } from "../hub/work-item.ts";
import { checkEventPayload } from "../limits.ts";
import { taskFailed } from "../protocol/events.ts";
import { type HistoryEvent, Runner } from "../protocol/gen/perdura/model/v1/history_pb.ts";
import { InstanceRecordSchema } from "../protocol/gen/perdura/model/v1/store_pb.ts";
import { marshalEnvelope } from "../protocol/marshal.ts";
import { clientEnvelope } from "./admission.ts";
import type { LiveInstance, TaskDispatch } from "./live-instance.ts";
import { CRASH_LOOP, PARKED_RETRY_MS, type PartitionContext, parkedDelayMs } from "./partition-context.ts";
import { isMoved, readRecord } from "./record.ts";
import { readSegment } from "./stored-history.ts";
import { WorkQueue } from "./work-queue.ts";

interface TaskKey {
  readonly instanceId: string;
  readonly taskId: number;
}

/** What activities need of the turns that their results wake. */
export interface ResultTaker {
  /** How many workers wait for a turn. */
  readonly waiting: number;
  /** Offers the instance's next turn when it has one that can run now. */
  consider(live: LiveInstance): void;
  /** The same, once other results that are just coming in have joined. */
  considerJoined(live: LiveInstance): Promise<void>;
}

/** Hands out activity attempts and takes their results. */
export class Activities {
  readonly queue: WorkQueue<string, ActivityWorkItem>;
  readonly #context: PartitionContext;
  readonly #turns: ResultTaker;
  #counter = 0;
  #fetching = 0;

  constructor(context: PartitionContext, turns: ResultTaker) {
    this.#context = context;
    this.#turns = turns;
    this.queue = new WorkQueue((key) => this.#make(parseKey(key)));
    this.queue.onOrphan = (_key, item) => {
      void this.abandon(item, undefined).catch(() => undefined);
    };
  }

  /** Offers every activity of the instance that nobody runs. */
  dispatchAll(live: LiveInstance): void {
    for (const task of live.tasks.values()) {
      if (task.event === undefined && this.#fetching < MAX_FETCHES) this.#fetchAndOffer(live, task);
      else this.#offer(live, task);
    }
  }

  /** Offers an activity once its event is there, so that a cold start reads many side by side. */
  #fetchAndOffer(live: LiveInstance, task: TaskDispatch): void {
    if (task.lockedBy !== undefined || task.answered) return;
    this.#fetching++;
    void this.#fetch(live, task)
      // It is tried again when it is handed out, and said then.
      .catch(() => undefined)
      .finally(() => {
        this.#fetching--;
        if (live.tasks.get(task.id) === task) this.#offer(live, task);
      });
  }

  /** After a commit: forgets activities that are no longer pending, and offers the new ones. */
  sync(live: LiveInstance, segment: number, scheduled: readonly HistoryEvent[]): void {
    const pending = new Set(live.record.tasks.map(({ id }) => id));
    for (const task of [...live.tasks.values()]) {
      if (task.generation === live.record.generation && pending.has(task.id)) continue;
      live.tasks.delete(task.id);
      // What has answered is not running any more.
      if (!task.answered)
        task.controller?.abort(new TaskCancelledError("the instance no longer waits for this activity"));
    }
    for (const event of scheduled) {
      if (!pending.has(event.eventId) || live.tasks.has(event.eventId)) continue;
      live.addTask(event.eventId, segment, event);
      const task = live.tasks.get(event.eventId);
      if (task !== undefined) this.#offer(live, task);
    }
  }

  #offer(live: LiveInstance, task: TaskDispatch): void {
    if (task.lockedBy !== undefined || task.answered) return;
    if (live.record.parked?.code === CRASH_LOOP || isMoved(live.record)) return;
    this.queue.offer(keyOf(live.instanceId, task.id));
  }

  async #make({ instanceId, taskId }: TaskKey): Promise<ActivityWorkItem | undefined> {
    const live = this.#context.table.peek(instanceId);
    const task = live?.tasks.get(taskId);
    if (live === undefined || task === undefined || task.lockedBy !== undefined || task.answered) return undefined;
    const lockedBy = `${this.#context.tenure?.epoch ?? 0}/activity/${++this.#counter}`;
    const controller = new AbortController();
    task.lockedBy = lockedBy;
    task.controller = controller;
    const sequenceNumber = this.#counter;
    try {
      task.event ??= await this.#fetch(live, task);
    } catch (error) {
      this.#context.options.logger.error(`the activity ${taskId} of '${instanceId}' cannot be read`, error);
      task.lockedBy = undefined;
      this.#context.later(READ_RETRY_MS, () => this.#offer(live, task));
      return undefined;
    }
    return new ActivityWorkItem({
      instanceId,
      lockedBy,
      signal: controller.signal,
      retryCount: task.retryCount,
      newEvent: task.event,
      sequenceNumber,
      generation: task.generation,
    });
  }

  /** Reads the events of the segment that scheduled an activity, for all of its activities that wait for theirs. */
  async #fetch(live: LiveInstance, task: TaskDispatch): Promise<HistoryEvent> {
    const { instanceId } = live;
    for (const event of await readSegment(this.#context.ports.store, instanceId, task.segment)) {
      if (event.eventType.case !== "taskScheduled") continue;
      const scheduled = live.tasks.get(event.eventId);
      if (scheduled?.segment === task.segment && scheduled.generation === task.generation) scheduled.event ??= event;
    }
    if (task.event !== undefined) return task.event;
    throw new StorageError(`segment ${task.segment} of '${instanceId}' does not hold task ${task.id}`);
  }

  /**
   * Takes a result. A result that nothing waits for any more is acknowledged and dropped.
   *
   * @throws {@link InvalidArgumentError}, {@link WorkItemLockLostError}.
   */
  async complete(item: ActivityWorkItem): Promise<void> {
    const { result } = item;
    const kind = result?.eventType.case;
    if (result === undefined)
      throw new InvalidArgumentError(`can't complete work item '${item.toString()}' with nil result`);
    if (kind !== "taskCompleted" && kind !== "taskFailed") {
      throw new InvalidArgumentError(`can't complete work item '${item.toString()}' with a ${kind ?? "unknown"} event`);
    }
    const found = this.#held(item);
    if (found === undefined) return;
    const { live, task } = found;
    const event = this.#bounded(item, result);
    task.answered = true;
    if (!this.#canStage(live)) {
      await this.appendResult(live, task.id, task.generation, event);
      return;
    }
    await new Promise<void>((resolve, reject) => {
      live.staged.push({ taskId: task.id, generation: task.generation, event, resolve, reject });
      void this.#turns.considerJoined(live);
    });
  }

  /** Staging pays only when a turn of this process will take the result at once. */
  #canStage(live: LiveInstance): boolean {
    if (live.record.runner === Runner.REMOTE || live.record.parked !== undefined || live.stale) return false;
    if (live.notBefore !== undefined || this.#context.tenure === undefined) return false;
    return live.turn !== undefined || this.#turns.waiting > 0;
  }

  #bounded(item: ActivityWorkItem, result: HistoryEvent): HistoryEvent {
    try {
      checkEventPayload(result, this.#context.options.maxPayloadBytes);
      return result;
    } catch (error) {
      if (!(error instanceof PayloadTooLargeError)) throw error;
      const failureDetails = { errorType: error.name, errorMessage: error.message, isNonRetriable: true };
      return taskFailed(item.newEvent.eventId, { failureDetails }, this.#context.now);
    }
  }

  /** Makes a result durable in the inbox, apart from any turn. */
  async appendResult(live: LiveInstance, taskId: number, generation: number, event: HistoryEvent): Promise<void> {
    const envelope = clientEnvelope(live.instanceId, event, this.#context.now);
    envelope.generation = generation;
    const { incarnation } = live.record;
    const item = { key: `result:${generation}:task:${taskId}`, bytes: marshalEnvelope(envelope), visibleAt: undefined };
    const appended = await this.#context.append(live.instanceId, (row) => {
      const record = row === undefined ? undefined : readRecord(row);
      const isCurrent = record !== undefined && record.incarnation === incarnation && record.generation === generation;
      return isCurrent ? { item, answer: undefined } : { answer: undefined };
    });
    if (appended.seq !== undefined) live.enqueue({ seq: appended.seq, envelope });
    this.#turns.consider(live);
  }

  /** Hands an attempt back. @throws {@link WorkItemLockLostError}. */
  async abandon(item: ActivityWorkItem, reason: unknown): Promise<void> {
    const found = this.#held(item);
    if (found === undefined) return;
    const { live, task } = found;
    task.lockedBy = undefined;
    task.controller = undefined;
    // It may have had a result that could not be made durable.
    task.answered = false;
    if (reason instanceof PerduraError && WAITS.has(reason.code)) {
      await this.#park(live, task, reason);
      return;
    }
    task.retryCount++;
    const delay = item.abandonDelay;
    if (delay === 0) this.#offer(live, task);
    else this.#context.later(delay, () => this.#offer(live, task));
  }

  async #park(live: LiveInstance, task: TaskDispatch, reason: PerduraError): Promise<void> {
    const { message } = reason;
    let delay = PARKED_RETRY_MS;
    await live.exclusive(async () => {
      if (live.stale || live.tasks.get(task.id) !== task) return;
      const record = clone(InstanceRecordSchema, live.record);
      const pending = record.tasks.find(({ id }) => id === task.id);
      if (pending === undefined) return;
      pending.parkedAttempts = pending.parkedReason === message ? pending.parkedAttempts + 1 : 1;
      pending.parkedReason = message;
      // Code comes by deploys, and is looked for later and later; what else is waited for may come at any time.
      if (reason.code === "not_registered") delay = parkedDelayMs(pending.parkedAttempts);
      pending.parkedUntilMs = this.#context.now + delay;
      record.lastUpdatedAtMs = Math.max(record.lastUpdatedAtMs, this.#context.now);
      const row = this.#context.row(record, { inbox: live.inbox, outboxLength: live.outbox.length });
      await this.#context.commit(live, { row });
      live.record = record;
      this.#context.ports.signals.changed(live.instanceId);
      this.#context.rearm();
    });
    this.#context.later(delay, () => this.#offer(live, task));
  }

  /** The dispatch that the item holds. `undefined`: nothing waits for it any more. */
  #held(item: ActivityWorkItem): { readonly live: LiveInstance; readonly task: TaskDispatch } | undefined {
    const live = this.#context.table.peek(item.instanceId);
    const task = live?.tasks.get(item.newEvent.eventId);
    if (this.#context.tenure === undefined) throw new WorkItemLockLostError("the backend has stopped");
    if (live === undefined || task === undefined || task.generation !== item.generation) return undefined;
    if (task.lockedBy !== item.lockedBy) throw new WorkItemLockLostError(`${item.toString()} was handed out again`);
    return { live, task };
  }
}

/** Reasons for which an attempt is put off rather than begun again at once: something that is not here has to come. */
const WAITS: ReadonlySet<PerduraErrorCode> = new Set(["not_registered", "no_worker", "activity_gated"]);

/** How many events of activities are read side by side before they are asked for. */
const MAX_FETCHES = 64;

/** How long after its event could not be read an activity is offered again, in ms. */
const READ_RETRY_MS = 10_000;

function keyOf(instanceId: string, taskId: number): string {
  return `${taskId}/${instanceId}`;
}

function parseKey(key: string): TaskKey {
  const slash = key.indexOf("/");
  return { taskId: Number(key.slice(0, slash)), instanceId: key.slice(slash + 1) };
}
