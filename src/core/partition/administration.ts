import { clone, create, equals } from "@bufbuild/protobuf";
import {
  InstanceCompletedError,
  InstanceExistsError,
  InstanceNotCompletedError,
  InstanceNotFoundError,
  InvalidArgumentError,
  StorageError,
  WorkItemLockLostError,
} from "../errors.ts";
import { resultKeyOf } from "../history/dedup.ts";
import { childIdsOf, forkForRerun, forkForRewind, pendingOf } from "../history/fork.ts";
import type { PurgeOptions, RerunRequest } from "../hub/backend.ts";
import type { PurgeOneOptions } from "../hub/purge.ts";
import {
  executionRewound,
  executionStarted,
  orchestratorStarted,
  subOrchestrationCompleted,
  subOrchestrationFailed,
} from "../protocol/events.ts";
import {
  type HistoryEvent,
  OrchestrationStatus,
  type ParentInstanceInfo,
} from "../protocol/gen/perdura/model/v1/history_pb.ts";
import {
  type Envelope,
  EnvelopeSchema,
  type InstanceRecord,
  InstanceRecordSchema,
} from "../protocol/gen/perdura/model/v1/store_pb.ts";
import { marshalEnvelope, marshalSegment, unmarshalEnvelope } from "../protocol/marshal.ts";
import { statusName } from "../protocol/status.ts";
import { timestampToMs } from "../protocol/timestamp.ts";
import type { Activities } from "./activities.ts";
import { clientEnvelope, neverThrowing } from "./admission.ts";
import type { Deliveries } from "./deliveries.ts";
import { LiveInstance } from "./live-instance.ts";
import { payloadsOf } from "./metadata-of.ts";
import { newExecutionId } from "./new-execution-id.ts";
import type { OwnWrite, PartitionContext } from "./partition-context.ts";
import type { CommittedWrite } from "./ports.ts";
import { FORMAT_VERSION, isEnded, isPurged, newRecord, readRecord } from "./record.ts";
import { StoredHistory } from "./stored-history.ts";
import { applyEvent, envelopeOf, noteReceipts } from "./turn-plan.ts";

/** A run cut from another one's history, ready to be stored in any partition. */
export interface AdoptedRun {
  readonly instanceId: string;
  /** Whole turns, the ExecutionStarted event among them. */
  readonly history: readonly HistoryEvent[];
  readonly generation: number;
}

/** The rarer operations on whole instances: purge, rewind, rerun. */
export class Administration {
  readonly #context: PartitionContext;
  readonly #activities: Activities;
  readonly #deliveries: Deliveries;

  constructor(context: PartitionContext, activities: Activities, deliveries: Deliveries) {
    this.#context = context;
    this.#activities = activities;
    this.#deliveries = deliveries;
  }

  /** The record of an instance that can be seen. @throws {@link InstanceNotFoundError}. */
  async record(instanceId: string): Promise<InstanceRecord> {
    const loaded = await this.#context.ports.store.load(instanceId);
    const record = loaded === undefined ? undefined : readRecord(loaded.row);
    if (record === undefined || isPurged(record)) throw new InstanceNotFoundError(instanceId);
    return record;
  }

  /**
   * As {@link record}, from memory where this partition is the owner and has it there: who waits for an instance looks at
   * every change of it. @throws {@link InstanceNotFoundError}.
   */
  async brief(instanceId: string): Promise<InstanceRecord> {
    const { tenure, table } = this.#context;
    const live = tenure === undefined ? undefined : table.peek(instanceId);
    if (live === undefined || live.stale || isPurged(live.record)) return this.record(instanceId);
    return live.record;
  }

  /**
   * Reads the record and what belongs to it. A turn that commits between the two reads may take away what the record speaks
   * of; then both are read again.
   *
   * @throws {@link InstanceNotFoundError}, and what `read` throws.
   */
  async whole<T>(instanceId: string, read: (record: InstanceRecord) => Promise<T>): Promise<T> {
    for (;;) {
      const record = await this.record(instanceId);
      try {
        return await read(record);
      } catch (error) {
        const hasMovedOn = !equals(InstanceRecordSchema, record, await this.record(instanceId));
        if (!(error instanceof StorageError && hasMovedOn)) throw error;
      }
    }
  }

  /** The committed events of the current generation. @throws {@link InstanceNotFoundError}. */
  history(instanceId: string): Promise<readonly HistoryEvent[]> {
    return this.whole(instanceId, (record) => new StoredHistory(this.#context.ports.store, record).read());
  }

  /**
   * Ids of the sub-orchestrations of the current generation of an instance that may be purged.
   *
   * @throws {@link InstanceNotFoundError}, {@link InstanceNotCompletedError}.
   */
  async children(instanceId: string, options: Pick<PurgeOptions, "force">): Promise<readonly string[]> {
    const record = await this.record(instanceId);
    if (!isEnded(record) && options.force !== true) throw new InstanceNotCompletedError(instanceId);
    return childIdsOf(await new StoredHistory(this.#context.ports.store, record).read());
  }

  /** Deletes one instance. @throws {@link InstanceNotFoundError}, {@link InstanceNotCompletedError}. */
  async purgeOne(instanceId: string, options: PurgeOneOptions): Promise<void> {
    if (this.#context.tenure === undefined && this.#context.ports.index === undefined) {
      return this.#purgeAsGuest(instanceId, options);
    }
    const live = await this.#context.table.get(instanceId);
    if (live === undefined || isPurged(live.record)) throw new InstanceNotFoundError(instanceId);
    await live.exclusive(async () => {
      const { record: current } = live;
      if (live.stale || isPurged(current)) throw new InstanceNotFoundError(instanceId);
      if (!isEnded(current) && options.force !== true) throw new InstanceNotCompletedError(instanceId);
      const { now } = this.#context;
      const record = create(InstanceRecordSchema, {
        formatVersion: FORMAT_VERSION,
        instanceId,
        executionId: current.executionId,
        incarnation: current.incarnation,
        name: current.name,
        status: current.status,
        createdAtMs: current.createdAtMs,
        lastUpdatedAtMs: now,
        purgedAtMs: now,
        indexVersion: Math.max(now, current.indexVersion + 1),
        nextEnvelopeSeq: current.nextEnvelopeSeq,
        revision: current.revision,
        receipts: [...current.receipts],
        ...(current.parent === undefined ? {} : { parent: current.parent }),
      });
      const { local, remote } = this.#routes(
        isEnded(current) || options.tellParent === false ? [] : purgeNotice(record, now),
      );
      const outboxLength = live.outbox.length + remote.length;
      const mail = this.#mail(local, remote);
      const needsTombstone = outboxLength > 0 || this.#context.ports.index !== undefined;
      const row = needsTombstone ? { row: this.#context.row(record, { inbox: [], outboxLength }) } : {};
      const done = await this.#context.commit(live, { wipe: true, ...row, ...mail });
      done.deliveries.forEach((appended, index) => {
        const envelope = local[index];
        if (envelope !== undefined) this.#deliveries.noteAppended(appended, envelope);
      });
      this.#context.table.forget(instanceId, new WorkItemLockLostError(`'${instanceId}' was purged`));
      this.#context.ports.signals.changed(instanceId);
    });
    this.#deliveries.look(instanceId);
  }

  /** Purges without being the owner, which is told: its turns of the instance can no longer commit. */
  async #purgeAsGuest(instanceId: string, options: PurgeOneOptions): Promise<void> {
    const appended = await this.#context.append(instanceId, (row) => {
      const record = row === undefined ? undefined : readRecord(row);
      if (record === undefined || isPurged(record)) throw new InstanceNotFoundError(instanceId);
      if (!isEnded(record) && options.force !== true) throw new InstanceNotCompletedError(instanceId);
      const isSilent = isEnded(record) || options.tellParent === false;
      const [notice] = isSilent ? [] : purgeNotice(record, this.#context.now);
      if (notice === undefined) return { remove: true, answer: undefined };
      const key = `purged:${instanceId}`;
      const reply = { instanceId: notice.targetInstanceId, key, bytes: marshalEnvelope(notice) };
      return { remove: true, reply, answer: undefined };
    });
    this.#deliveries.noteAppended(appended, create(EnvelopeSchema, {}));
  }

  /** Accepts a rewind: it is carried out by the owner, as the instance's next step. */
  async requestRewind(instanceId: string, reason: string | undefined): Promise<void> {
    const { now } = this.#context;
    const envelope = clientEnvelope(instanceId, executionRewound({ reason }, now), now);
    const appended = await this.#context.append(instanceId, (row) => {
      const record = row === undefined ? undefined : readRecord(row);
      if (record === undefined || isPurged(record)) throw new InstanceNotFoundError(instanceId);
      if (!isEnded(record)) throw new InstanceNotCompletedError(instanceId);
      if (record.status !== OrchestrationStatus.FAILED) {
        throw new InstanceCompletedError(instanceId, statusName(record.status));
      }
      return { item: { key: "rewind", bytes: marshalEnvelope(envelope), visibleAt: undefined }, answer: undefined };
    });
    this.#deliveries.noteAppended(appended, envelope);
  }

  /** Carries out a rewind that is in the inbox. */
  async rewind(live: LiveInstance): Promise<void> {
    await live.exclusive(async () => {
      const requests = live.inbox.filter(({ envelope }) => envelope.event?.eventType.case === "executionRewound");
      if (requests.length === 0 || live.stale || live.turn !== undefined) return;
      const consume = requests.map(({ seq }) => seq);
      const rest = live.inbox.filter(({ seq }) => !consume.includes(seq));
      const { instanceId } = live;
      if (live.record.status !== OrchestrationStatus.FAILED) {
        const record = clone(InstanceRecordSchema, live.record);
        noteReceipts(record, requests, this.#context.now);
        // A parent that undoes its own failure hears once more of a child that has come to its end since.
        const isAsked = requests.some(({ envelope }) => envelope.again);
        const messages = isAsked ? await this.#resultOnceMore(record) : [];
        await this.#send(live, record, messages, { consume, inbox: rest });
        live.dequeue(requests);
        return;
      }
      // Turn time does not go back, though the clock may have.
      const now = Math.max(this.#context.now, live.record.lastTurnAtMs);
      const events = await new StoredHistory(this.#context.ports.store, live.record).read();
      const fork = forkForRewind(events);
      const record = beginAgain(live.record, now);
      record.lastTurnAtMs = now;
      noteReceipts(record, requests, now);
      const first = requests[0]?.envelope.event;
      const marker = fork.history.length === 0 || first === undefined ? [] : [orchestratorStarted(now), first];
      const history = [...fork.history, ...marker];
      for (const event of history) applyEvent(record, event, 0);
      // What is run again, and what gets its result once more, is pending; the rest was cancelled.
      const results = fork.inbound.flatMap((event) => resultKeyOf(event) ?? []);
      const again = new Set([...fork.tasks.map(({ eventId }) => eventId), ...results.map(({ id }) => id)]);
      record.tasks = record.tasks.filter(({ id }) => again.has(id));
      settleRecord(record, history);
      const messages = this.#rewindChildren(record, events, fork.failedChildren, now);
      const inbound = fork.inbound.map((event) =>
        create(EnvelopeSchema, { targetInstanceId: instanceId, event, createdAtMs: now, carried: true }),
      );
      await this.#store(live, record, history, { consume, messages, inbound });
      live.dequeue(requests);
      this.#activities.sync(live, 0, fork.tasks);
    });
    this.#context.consider(live);
  }

  /** Failed sub-orchestrations begin again as well: see `Envelope.again`. When they end, they tell the parent as ever. */
  #rewindChildren(
    record: InstanceRecord,
    events: readonly HistoryEvent[],
    failed: readonly number[],
    now: number,
  ): Envelope[] {
    return events
      .filter(({ eventId }) => failed.includes(eventId))
      .flatMap((created) => this.#restartChild(record, created, now))
      .map((envelope) => {
        envelope.again = true;
        return envelope;
      });
  }

  /** The message with which a completed child told its parent. */
  async #resultOnceMore(record: InstanceRecord): Promise<Envelope[]> {
    const { parent, status } = record;
    const targetInstanceId = parent?.orchestrationInstance?.instanceId;
    if (parent === undefined || targetInstanceId === undefined || status !== OrchestrationStatus.COMPLETED) return [];
    const { now } = this.#context;
    const events = await new StoredHistory(this.#context.ports.store, record).read();
    const { output: result } = payloadsOf(events);
    const event = subOrchestrationCompleted(parent.taskScheduledId, { result }, now);
    const executionId = parent.orchestrationInstance?.executionId;
    const message = { targetInstanceId, event, generation: parent.generation };
    return [envelopeOf(record, executionId === undefined ? message : { ...message, executionId }, now)];
  }

  /** Commits a record that changed apart from any turn, with messages of the instance. */
  async #send(
    live: LiveInstance,
    record: InstanceRecord,
    messages: readonly Envelope[],
    parts: { readonly consume: readonly number[]; readonly inbox: LiveInstance["inbox"] },
  ): Promise<void> {
    const { local, remote } = this.#routes(messages);
    const outboxLength = live.outbox.length + remote.length;
    const row = this.#context.row(record, { inbox: parts.inbox, outboxLength });
    const done = await this.#context.commit(live, { consume: parts.consume, row, ...this.#mail(local, remote) });
    live.record = record;
    this.#posted(live, local, remote, done);
  }

  #routes(messages: readonly Envelope[]): { readonly local: Envelope[]; readonly remote: Envelope[] } {
    const { router } = this.#context.ports;
    return {
      local: messages.filter(({ targetInstanceId }) => router.isLocal(targetInstanceId)),
      remote: messages.filter(({ targetInstanceId }) => !router.isLocal(targetInstanceId)),
    };
  }

  /** The part of a commit that sends messages. */
  #mail(local: readonly Envelope[], remote: readonly Envelope[]): Pick<OwnWrite, "outboxAdd" | "deliver"> {
    const { now } = this.#context;
    return {
      outboxAdd: remote.map((envelope) => ({ seq: envelope.seq, bytes: marshalEnvelope(envelope) })),
      deliver: local.map((envelope) => ({
        instanceId: envelope.targetInstanceId,
        decide: neverThrowing(envelope, now),
      })),
    };
  }

  /** After such a commit: sets the messages going. */
  #posted(live: LiveInstance, local: readonly Envelope[], remote: readonly Envelope[], done: CommittedWrite): void {
    for (const envelope of remote) live.outbox.push({ seq: envelope.seq, envelope });
    done.deliveries.forEach((appended, index) => {
      const envelope = local[index];
      if (envelope !== undefined) this.#deliveries.noteAppended(appended, envelope);
    });
    this.#context.ports.signals.changed(live.instanceId);
    this.#deliveries.pump(live);
    this.#context.rearm();
  }

  /** Cuts a new run from an ended one. @throws see {@link forkForRerun}. */
  async cut(request: RerunRequest, newInstanceId: string): Promise<AdoptedRun> {
    const { sourceInstanceId } = request;
    if (sourceInstanceId === newInstanceId) {
      throw new InvalidArgumentError("rerun workflow instance ID must be different from the original instance ID");
    }
    const record = await this.record(sourceInstanceId);
    if (!isEnded(record)) throw new InstanceNotCompletedError(sourceInstanceId);
    if (record.parent !== undefined)
      throw new InvalidArgumentError(`'${sourceInstanceId}': cannot rerun from child-workflows`);
    const events = await new StoredHistory(this.#context.ports.store, record).read();
    const { history } = forkForRerun(events, request, newInstanceId, record.generation);
    return { instanceId: newInstanceId, history, generation: record.generation };
  }

  /** Stores a run that was cut from another, and sets it going. @throws {@link InstanceExistsError}. */
  async adopt(run: AdoptedRun): Promise<void> {
    const { instanceId, history } = run;
    const { now } = this.#context;
    const start = history.find(({ eventType }) => eventType.case === "executionStarted")?.eventType;
    if (start?.case !== "executionStarted") throw new InvalidArgumentError("an adopted run begins with a start");
    const executionId = newExecutionId(this.#context.ports.ids);
    const { name, version, tags } = start.value;
    const own = executionStarted({ name, version, tags, instanceId, executionId }, now);
    if (own.eventType.case !== "executionStarted") return;
    const stored = await this.#context.ports.store.load(instanceId);
    const previous = stored === undefined ? undefined : readRecord(stored.row);
    if (previous !== undefined && !isPurged(previous)) throw new InstanceExistsError(instanceId);
    const record = newRecord(own.eventType.value, now, previous);
    record.generation = run.generation;
    for (const event of history) applyEvent(record, event, 0);
    // Replay sees the ids of the run that it was cut from; messages and fences see its own.
    record.executionId = executionId;
    record.status = OrchestrationStatus.RUNNING;
    record.startedAtMs = now;
    // The clock here may be behind that of the run that it was cut from; turn time does not go back all the same.
    record.lastTurnAtMs = lastTurnOf(history);
    delete record.completedAtMs;
    settleRecord(record, history);
    const messages = pendingOf(history).children.flatMap((created) => this.#restartChild(record, created, now));
    const row = this.#context.row(record, { inbox: [], outboxLength: 0 });
    const draft = new LiveInstance({ row, inbox: [], outbox: [] });
    try {
      await this.#store(draft, record, history, { consume: [], messages, inbound: [], isNew: true });
    } catch (error) {
      throw error instanceof WorkItemLockLostError ? new InstanceExistsError(instanceId, { cause: error }) : error;
    }
    this.#context.table.forget(instanceId, new WorkItemLockLostError(`'${instanceId}' was created anew`));
    if (this.#context.tenure === undefined) this.#context.ports.signals.appended(instanceId, true);
    this.#deliveries.look(instanceId);
  }

  #restartChild(record: InstanceRecord, created: HistoryEvent, now: number): Envelope[] {
    if (created.eventType.case !== "subOrchestrationInstanceCreated") return [];
    const { instanceId, name, version, input, tags } = created.eventType.value;
    const parent: Pick<ParentInstanceInfo, "taskScheduledId" | "name" | "generation"> = {
      taskScheduledId: created.eventId,
      name: record.name,
      generation: record.generation,
    };
    const orchestrationInstance = { instanceId: record.instanceId, executionId: record.executionId };
    const executionId = newExecutionId(this.#context.ports.ids);
    const event = executionStarted(
      { name, version, input, tags, instanceId, executionId, parent: { ...parent, orchestrationInstance } },
      now,
    );
    return [envelopeOf(record, { targetInstanceId: instanceId, event }, now)];
  }

  async #store(
    live: LiveInstance,
    record: InstanceRecord,
    history: readonly HistoryEvent[],
    parts: {
      readonly consume: readonly number[];
      readonly messages: readonly Envelope[];
      readonly inbound: readonly Envelope[];
      /** The instance must not exist yet. */
      readonly isNew?: boolean;
    },
  ): Promise<void> {
    const { local, remote } = this.#routes(parts.messages);
    record.segmentCount = history.length === 0 ? 0 : 1;
    record.historyLength = history.length;
    const append = history.length === 0 ? undefined : { segment: 0, bytes: marshalSegment(history) };
    record.historyBytes = append?.bytes.length ?? 0;
    const row = this.#context.row(record, {
      inbox: live.inbox.filter(({ seq }) => !parts.consume.includes(seq)),
      inboxGrows: parts.inbound.length > 0,
      outboxLength: live.outbox.length + remote.length,
    });
    const inbox = parts.inbound.map((envelope) => ({ key: undefined, bytes: marshalEnvelope(envelope) }));
    const write: OwnWrite = {
      ...(parts.isNew === true ? { wipe: true } : {}),
      row,
      history: append === undefined ? { truncate: true } : { truncate: true, append },
      consume: parts.consume,
      inbox,
      ...this.#mail(local, remote),
    };
    const { instanceId } = live;
    const done = await (parts.isNew === true
      ? this.#context.create({ instanceId, incarnation: "", ...write })
      : this.#context.commit(live, write));
    live.record = record;
    inbox.forEach(({ bytes }, index) => {
      const seq = done.inboxSeqs[index];
      if (seq !== undefined) live.enqueue({ seq, envelope: unmarshalEnvelope(bytes) });
    });
    this.#posted(live, local, remote, done);
  }
}

/** The record of a rewound instance, before its history is applied to it. */
function beginAgain(failed: InstanceRecord, nowMs: number): InstanceRecord {
  const record = clone(InstanceRecordSchema, failed);
  record.nextEventId = 0;
  record.tasks = [];
  record.timers = [];
  record.children = [];
  record.eventWaits = [];
  record.status = OrchestrationStatus.RUNNING;
  delete record.completedAtMs;
  delete record.parked;
  record.cascaded = false;
  record.deaths = 0;
  record.lastUpdatedAtMs = nowMs;
  record.indexVersion = Math.max(nowMs, failed.indexVersion + 1);
  return record;
}

/** What tells a parent that its child was purged before its end. Nobody, when it has no parent. */
function purgeNotice(record: InstanceRecord, nowMs: number): Envelope[] {
  const { parent, instanceId } = record;
  const targetInstanceId = parent?.orchestrationInstance?.instanceId;
  if (parent === undefined || targetInstanceId === undefined) return [];
  const failureDetails = {
    errorType: "OrchestrationPurgedError",
    errorMessage: `sub-orchestration '${instanceId}' was purged before its end`,
    isNonRetriable: true,
  };
  const event = subOrchestrationFailed(parent.taskScheduledId, { failureDetails }, nowMs);
  const executionId = parent.orchestrationInstance?.executionId;
  const message = { targetInstanceId, event, generation: parent.generation };
  return [envelopeOf(record, executionId === undefined ? message : { ...message, executionId }, nowMs)];
}

/** The latest turn time in a history, epoch ms. */
function lastTurnOf(history: readonly HistoryEvent[]): number {
  let last = 0;
  for (const { eventType, timestamp } of history) {
    if (eventType.case !== "orchestratorStarted" || timestamp === undefined) continue;
    last = Math.max(last, timestampToMs(timestamp));
  }
  return last;
}

/** What events cannot say one by one: whether the instance is suspended at the end of them. */
function settleRecord(record: InstanceRecord, history: readonly HistoryEvent[]): void {
  const last = history.findLast(
    ({ eventType }) => eventType.case === "executionSuspended" || eventType.case === "executionResumed",
  );
  record.suspended = last?.eventType.case === "executionSuspended";
  if (record.suspended) record.status = OrchestrationStatus.SUSPENDED;
}
