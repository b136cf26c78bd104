import { clone, create } from "@bufbuild/protobuf";
import {
  AbortedError,
  BackendAlreadyStartedError,
  InvalidArgumentError,
  NotInitializedError,
  TaskHubExistsError,
  TaskHubNotFoundError,
  WorkItemLockLostError,
} from "../errors.ts";
import type { OrchestrationRuntimeState } from "../history/runtime-state.ts";
import type {
  AddEventOptions,
  Backend,
  CreateInstanceOptions,
  PurgeOptions,
  RerunRequest,
  RestartOptions,
  WaitOptions,
} from "../hub/backend.ts";
import type { OrchestrationMetadata } from "../hub/metadata.ts";
import { type PurgeOneOptions, purgeRecursively } from "../hub/purge.ts";
import type { InstanceIdPage, InstancePage, InstanceQuery } from "../hub/query.ts";
import { restartInstance } from "../hub/restart.ts";
import type { ActivityWorkItem, OrchestrationWorkItem } from "../hub/work-item.ts";
import { checkEventPayload, checkIdempotencyKey, checkInstanceId, checkName } from "../limits.ts";
import type {
  ActivityRequest,
  ActivityResponse,
  HistoryEvent,
  OrchestratorRequest,
  OrchestratorResponse,
} from "../protocol/gen/perdura/model/v1/history_pb.ts";
import {
  type Envelope,
  type InstanceRecord,
  InstanceRecordSchema,
  ParkedSchema,
} from "../protocol/gen/perdura/model/v1/store_pb.ts";
import { unmarshalEnvelope } from "../protocol/marshal.ts";
import { Activities } from "./activities.ts";
import { Administration, type AdoptedRun } from "./administration.ts";
import { admitEvent, admitStart, clientEnvelope } from "./admission.ts";
import { Deliveries } from "./deliveries.ts";
import type { LiveInstance } from "./live-instance.ts";
import { type InstancePayloads, metadataOf, payloadsOf } from "./metadata-of.ts";
import { type Page, placeOfRow, readPage, rowQueryOf } from "./paging.ts";
import {
  CRASH_LOOP,
  loadRetryMs,
  mayHaveKilled,
  PartitionContext,
  type PartitionOptions,
} from "./partition-context.ts";
import type { DeliveryOutcome, InstanceRow, PartitionPorts } from "./ports.ts";
import { isEnded, isPurged, readRecord } from "./record.ts";
import { LocalRendezvous } from "./rendezvous.ts";
import { readSegment } from "./stored-history.ts";
import { type ExportOptions, type InstanceFile, Transfer } from "./transfer.ts";
import { Turns } from "./turns.ts";

/** How long after ownership could not be taken again it is tried once more, in ms. */
const REGAIN_MS = 1000;

/** How often the store is searched for unfinished work where news of it may get lost, in ms. */
const SEARCH_MS = 30_000;

/** How many instances are loaded at once on a cold start. */
const MAX_COLD_LOOKS = 64;

/** Some segments of a history. */
export interface HistorySegments {
  readonly segments: readonly Uint8Array[];
  /** The generation that they belong to. */
  readonly executionId: string;
  /** The segment to go on with, when there are more. */
  readonly next?: number;
}

/** The one implementation of {@link Backend}, over the small ports of a host. */
export class Partition implements Backend {
  readonly #context: PartitionContext;
  readonly #turns: Turns;
  readonly #activities: Activities;
  readonly #deliveries: Deliveries;
  readonly #administration: Administration;
  readonly #transfer: Transfer;
  readonly #rendezvous = new LocalRendezvous();
  #state: "stopped" | "starting" | "running" = "stopped";
  /** Counts starts and stops: what a start waited for may come after the stop that overtook it. */
  #stint = 0;
  #unsubscribe: (() => void)[] = [];
  #isReady = false;
  /** Ownership was lost and could not be taken again. */
  #mustRegain = false;

  constructor(ports: PartitionPorts, options: PartitionOptions) {
    const context = new PartitionContext(ports, options);
    this.#context = context;
    this.#turns = new Turns(context, {
      activities: () => this.#activities,
      deliveries: () => this.#deliveries,
      rewind: (live) =>
        this.#administration.rewind(live).catch((error: unknown) => {
          options.logger.error(`the rewind of '${live.instanceId}' failed; tried again later`, error);
          context.later(10_000, () => this.#turns.consider(live));
        }),
    });
    this.#activities = new Activities(context, this.#turns);
    this.#deliveries = new Deliveries(context);
    this.#administration = new Administration(context, this.#activities, this.#deliveries);
    this.#transfer = new Transfer(context, this.#deliveries);
    context.consider = (live) => this.#turns.consider(live);
    context.resume = (live) => {
      this.#activities.dispatchAll(live);
      this.#turns.consider(live);
      this.#deliveries.pump(live);
      this.#rearm();
    };
    context.rescue = (live) => this.#turns.flush(live);
    context.resync = (instanceId) => this.#deliveries.resync(instanceId);
    context.rearm = () => this.#rearm();
  }

  async createTaskHub(): Promise<void> {
    const created = await this.#context.ports.store.createHub();
    this.#isReady = true;
    if (!created) throw new TaskHubExistsError();
  }

  async deleteTaskHub(): Promise<void> {
    await this.stop();
    const deleted = await this.#context.ports.store.deleteHub();
    this.#isReady = false;
    if (!deleted) throw new TaskHubNotFoundError();
  }

  async start(): Promise<void> {
    if (this.#state !== "stopped") throw new BackendAlreadyStartedError();
    this.#state = "starting";
    const stint = ++this.#stint;
    try {
      await this.#ready();
      await this.#own(stint);
    } catch (error) {
      if (this.#stint === stint) this.#state = "stopped";
      throw error;
    }
    const { signals, scheduler } = this.#context.ports;
    this.#unsubscribe = [
      signals.onAppended((instanceId, replaced) => {
        if (replaced) {
          this.#context.table.forget(instanceId, new WorkItemLockLostError(`'${instanceId}' was created anew`));
        }
        this.#deliveries.refresh(instanceId);
      }),
      scheduler.onWake(() => this.#wake(false)),
    ];
    this.#state = "running";
    await this.#wake(true);
  }

  /** Becomes the owner, and again each time that ownership is lost. */
  async #own(stint: number): Promise<void> {
    const tenure = await this.#context.ports.ownership.acquire();
    if (this.#stint !== stint) {
      await tenure.release();
      throw new AbortedError("the backend was stopped before it owned its partition");
    }
    this.#context.tenure = tenure;
    tenure.lost.addEventListener(
      "abort",
      () => {
        if (this.#context.tenure !== tenure) return;
        this.#context.options.logger.warn("ownership of the partition was lost");
        this.#letGo(new WorkItemLockLostError("the partition has another owner"));
        if (this.#state === "running") void this.#regain();
      },
      { once: true },
    );
  }

  /** Becomes the owner again after a loss; where that fails, once more a little later. */
  async #regain(): Promise<void> {
    const { options, ports } = this.#context;
    this.#mustRegain = false;
    const stint = this.#stint;
    try {
      await this.#own(stint);
    } catch (error) {
      if (this.#stint !== stint) return;
      options.logger.error("ownership could not be taken again; tried once more later", error);
      this.#mustRegain = true;
      ports.scheduler.arm(this.#context.now + REGAIN_MS);
      return;
    }
    await this.#wake(true);
  }

  #letGo(reason: Error): void {
    this.#context.tenure = undefined;
    this.#context.table.forgetAll(reason);
    this.#context.forgetDeadlines();
    this.#context.ports.scheduler.arm(undefined);
  }

  async stop(): Promise<void> {
    if (this.#state === "stopped") return;
    this.#state = "stopped";
    this.#stint++;
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    const { tenure } = this.#context;
    this.#letGo(new AbortedError("the backend has stopped"));
    this.#turns.queue.clear();
    this.#activities.queue.clear();
    this.#rendezvous.cancelAll();
    await tenure?.release();
  }

  /** Looks at everything that is due; on a cold start, also at everything that was left unfinished. */
  async #wake(isColdStart: boolean): Promise<void> {
    const context = this.#context;
    if (context.tenure === undefined) {
      if (this.#mustRegain && this.#state === "running") await this.#regain();
      return;
    }
    context.runLater();
    const { now } = context;
    this.#lookedUntil = now;
    const isSearch = context.ports.signals.mayLose === true && !isColdStart && now >= this.#nextSearch(now);
    if (isSearch || isColdStart) this.#searchedAt = now;
    const soon = [...context.soon].filter(([, atMs]) => atMs <= now).map(([instanceId]) => instanceId);
    for (const instanceId of soon) context.soon.delete(instanceId);
    try {
      const due = await context.ports.store.due(now, isColdStart || isSearch);
      const ids = [...new Set([...soon, ...due])];
      if (isColdStart) await this.#coldLooks(ids);
      else if (isSearch) for (const instanceId of ids) this.#deliveries.resync(instanceId);
      else for (const instanceId of ids) this.#deliveries.look(instanceId);
    } catch (error) {
      for (const instanceId of soon) context.lookAt(instanceId, now);
      context.options.logger.error("the store cannot say what is due; asked again later", error);
      context.later(1000, () => void this.#wake(isColdStart));
    }
    this.#rearm();
  }

  /** Several at once, so that what they read and note shares transactions; few enough that the first ones run soon. */
  async #coldLooks(instanceIds: readonly string[]): Promise<void> {
    const left = instanceIds[Symbol.iterator]();
    const look = async (): Promise<void> => {
      for (const instanceId of left) await this.#coldLook(instanceId);
    };
    await Promise.all(Array.from({ length: MAX_COLD_LOOKS }, look));
  }

  /**
   * The first look at an instance whose last owner left work of it behind. If that happens again and again without a turn
   * in between, the work itself may be what kills the host: then the instance is parked, and the others go on.
   */
  async #coldLook(instanceId: string): Promise<void> {
    const context = this.#context;
    try {
      const live = await context.table.get(instanceId);
      if (live === undefined) return;
      const { record } = live;
      // What comes for an ended instance needs no code, and so kills nobody.
      const wasHere = mayHaveKilled(record, live.inbox, context.now, context.options.runsHere);
      const mayKill = wasHere && !isEnded(record) && !isPurged(record);
      if (mayKill && record.parked === undefined) await this.#countDeath(live);
      context.resume(live);
    } catch (error) {
      context.options.logger.error(`'${instanceId}' cannot be loaded; the others go on`, error);
      context.lookAt(instanceId, context.now + loadRetryMs(error));
    }
  }

  async #countDeath(live: LiveInstance): Promise<void> {
    const context = this.#context;
    await live.exclusive(async () => {
      const record = clone(InstanceRecordSchema, live.record);
      record.deaths++;
      if (record.deaths > context.options.maxDeaths) {
        record.parked = create(ParkedSchema, {
          code: CRASH_LOOP,
          message:
            `its host ended ${record.deaths} times in a row with work of it in flight: ` +
            "mend the orchestrator or activity, then resume the instance",
          sinceMs: context.now,
          attempts: 1,
        });
        await this.#turns.saveStalled(live, record);
        return;
      }
      const row = context.row(record, { inbox: live.inbox, outboxLength: live.outbox.length });
      await context.commit(live, { row });
      live.record = record;
    });
  }

  /** When the store was last searched for unfinished work, epoch ms. */
  #searchedAt = 0;

  /** When it is to be searched again. After a clock that jumped back, not later than if it were searched now. */
  #nextSearch(now: number): number {
    return Math.min(this.#searchedAt, now) + SEARCH_MS;
  }

  #armed = false;
  /** Counts the questions for the next deadline: only the latest one's answer is of use. */
  #asked = 0;
  /** Epoch ms up to which deadlines have been looked at. */
  #lookedUntil = 0;

  /** Arms the scheduler for the earliest deadline, once for all that changes in the same breath. */
  #rearm(): void {
    if (this.#armed || this.#context.tenure === undefined) return;
    this.#armed = true;
    queueMicrotask(() => {
      this.#armed = false;
      void this.#arm().catch((error: unknown) => {
        this.#context.options.logger.error("the next deadline is not known; asked again later", error);
        this.#context.ports.scheduler.arm(this.#context.now + 1000);
      });
    });
  }

  async #arm(): Promise<void> {
    const { tenure, ports } = this.#context;
    if (tenure === undefined) return;
    // A deadline that has passed since the last look is still to be looked at; one that was looked at is being worked on.
    // After a clock that jumped back, the last look may lie ahead: then nothing behind now may be left out.
    const asked = ++this.#asked;
    const stored = await ports.store.nextDeadline(Math.min(this.#lookedUntil, this.#context.now));
    if (this.#context.tenure !== tenure || asked !== this.#asked) return;
    const search = ports.signals.mayLose === true ? this.#nextSearch(this.#context.now) : undefined;
    const moments = [stored, this.#context.nextInMemory, search].filter((moment) => moment !== undefined);
    ports.scheduler.arm(moments.length === 0 ? undefined : Math.min(...moments));
  }

  async createOrchestrationInstance(start: HistoryEvent, options: CreateInstanceOptions = {}): Promise<void> {
    await this.#ready();
    const { eventType } = start;
    if (eventType.case !== "executionStarted") {
      throw new InvalidArgumentError("HistoryEvent must be an ExecutionStartedEvent");
    }
    if (start.timestamp === undefined) throw new InvalidArgumentError("HistoryEvent must have a non-nil timestamp");
    const instanceId = eventType.value.orchestrationInstance?.instanceId ?? "";
    checkInstanceId(instanceId);
    checkName("orchestrator name", eventType.value.name);
    checkIdempotencyKey(options.idempotencyKey);
    if ((eventType.value.orchestrationInstance?.executionId ?? "") === "") {
      throw new InvalidArgumentError("the start names no execution id: give it a new random one");
    }
    checkEventPayload(start, this.#context.options.maxPayloadBytes);
    const { now } = this.#context;
    const appended = await this.#context.append(instanceId, admitStart(start, options, now));
    if (!appended.created) return;
    this.#deliveries.noteAppended(appended, clientEnvelope(instanceId, start, now));
  }

  async addNewOrchestrationEvent(
    instanceId: string,
    event: HistoryEvent,
    options: AddEventOptions = {},
  ): Promise<void> {
    await this.#ready();
    checkInstanceId(instanceId);
    checkIdempotencyKey(options.idempotencyKey);
    const { case: kind, value } = event.eventType;
    if (kind === "eventRaised") checkName("event name", value.name);
    checkEventPayload(event, this.#context.options.maxPayloadBytes);
    const { now } = this.#context;
    const { idempotencyKey } = options;
    const appended = await this.#context.append(instanceId, admitEvent(instanceId, event, now, idempotencyKey));
    this.#deliveries.noteAppended(appended, clientEnvelope(instanceId, event, now, idempotencyKey));
  }

  /** Takes messages from another partition: see {@link Deliveries.receive}. */
  async receive(envelopes: readonly Envelope[]): Promise<readonly DeliveryOutcome[]> {
    await this.#ready();
    return this.#deliveries.receive(envelopes);
  }

  async nextOrchestrationWorkItem(signal?: AbortSignal): Promise<OrchestrationWorkItem> {
    await this.#ready();
    return this.#turns.queue.take(signal);
  }

  async getOrchestrationRuntimeState(item: OrchestrationWorkItem): Promise<OrchestrationRuntimeState> {
    await this.#ready();
    return this.#turns.stateOf(item);
  }

  async completeOrchestrationWorkItem(item: OrchestrationWorkItem): Promise<void> {
    await this.#ready();
    await this.#turns.complete(item);
  }

  async abandonOrchestrationWorkItem(item: OrchestrationWorkItem): Promise<void> {
    await this.#ready();
    await this.#turns.abandon(item);
  }

  async nextActivityWorkItem(signal?: AbortSignal): Promise<ActivityWorkItem> {
    await this.#ready();
    return this.#activities.queue.take(signal);
  }

  async completeActivityWorkItem(item: ActivityWorkItem): Promise<void> {
    await this.#ready();
    await this.#activities.complete(item);
  }

  async abandonActivityWorkItem(item: ActivityWorkItem, reason?: unknown): Promise<void> {
    await this.#ready();
    await this.#activities.abandon(item, reason);
  }

  async wakeInstance(instanceId: string): Promise<void> {
    const live = await this.#context.table.get(instanceId);
    if (live === undefined || this.#context.tenure === undefined) return;
    live.turnAsked = true;
    this.#turns.consider(live);
  }

  async retryParked(): Promise<void> {
    if (this.#context.tenure === undefined) return;
    for (const live of this.#context.table) this.#activities.dispatchAll(live);
    const stalled = rowQueryOf({ runtimeStatus: ["STALLED"], pageSize: 1000 });
    for (let query = stalled; ; ) {
      const rows = await this.#context.ports.store.page(query);
      for (const { instanceId } of rows) {
        const live = await this.#context.table.get(instanceId);
        if (live === undefined || live.record.parked?.code === CRASH_LOOP) continue;
        live.retryParked = true;
        this.#turns.consider(live);
      }
      const last = rows.at(-1);
      if (rows.length < query.limit || last === undefined) return;
      query = { ...query, after: { createdAtMs: last.summary.createdAtMs, instanceId: last.instanceId } };
    }
  }

  async getOrchestrationMetadata(
    instanceId: string,
    options: { readonly fetchPayloads?: boolean } = {},
  ): Promise<OrchestrationMetadata> {
    await this.#ready();
    if (options.fetchPayloads === false) return metadataOf(await this.#administration.brief(instanceId));
    return this.#administration.whole(instanceId, async (record) => metadataOf(record, await this.#payloads(record)));
  }

  /** The input is in the first segment, the output of an ended instance in the last. */
  async #payloads(record: InstanceRecord): Promise<InstancePayloads> {
    const { store } = this.#context.ports;
    if (record.historyLength === 0) {
      const loaded = await store.load(record.instanceId);
      const events = (loaded?.inbox ?? []).map(({ bytes }) => unmarshalEnvelope(bytes).event);
      return payloadsOf(events.filter((event) => event !== undefined));
    }
    const first = await readSegment(store, record.instanceId, 0);
    const lastAt = record.segmentCount - 1;
    const last = isEnded(record) && lastAt > 0 ? await readSegment(store, record.instanceId, lastAt) : [];
    return payloadsOf([...first, ...last]);
  }

  async watchOrchestrationRuntimeStatus(
    instanceId: string,
    condition: (metadata: OrchestrationMetadata) => boolean,
    options: WaitOptions = {},
  ): Promise<OrchestrationMetadata> {
    await this.#ready();
    const { signal } = options;
    const { signals } = this.#context.ports;
    let changed = (): void => undefined;
    const unsubscribe = signals.onChanged((id) => {
      if (id === undefined || id === instanceId) changed();
    });
    const onAbort = (): void => changed();
    signal?.addEventListener("abort", onAbort);
    try {
      for (;;) {
        // Subscribed before the look, so that no change falls between the two.
        const change = new Promise<void>((resolve) => {
          changed = resolve;
        });
        if (signal?.aborted) throw new AbortedError("the wait was aborted; the instance goes on");
        const record = await this.#committed(instanceId);
        const mayHold = options.until !== "completed" || isEnded(record);
        if (mayHold && condition(metadataOf(record))) {
          const full = await this.getOrchestrationMetadata(instanceId);
          if (condition(full)) return full;
        }
        await change;
      }
    } finally {
      unsubscribe();
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** The committed record, from memory where this partition owns it: a watcher asks at every change. */
  async #committed(instanceId: string): Promise<InstanceRecord> {
    const live = this.#context.tenure === undefined ? undefined : this.#context.table.peek(instanceId);
    if (live === undefined || live.stale || isPurged(live.record)) return this.#administration.record(instanceId);
    return live.record;
  }

  async purgeOrchestrationState(instanceId: string, options: PurgeOptions = {}): Promise<number> {
    await this.#ready();
    return purgeRecursively(this, instanceId, options);
  }

  /** Purges this instance only. @throws {@link InstanceNotFoundError}, {@link InstanceNotCompletedError}. */
  async purgeOne(instanceId: string, options: PurgeOneOptions = {}): Promise<void> {
    await this.#ready();
    await this.#administration.purgeOne(instanceId, options);
  }

  /** Ids of the sub-orchestrations of an instance that may be purged. @throws as {@link purgeOne}. */
  async childrenOf(instanceId: string, options: Pick<PurgeOptions, "force"> = {}): Promise<readonly string[]> {
    await this.#ready();
    return this.#administration.children(instanceId, options);
  }

  async getInstanceHistory(instanceId: string): Promise<readonly HistoryEvent[]> {
    await this.#ready();
    return this.#administration.history(instanceId);
  }

  /**
   * Stored history segments of an instance, as they are, for hosts that pass them on: from a segment on, about `maxBytes` of
   * them, one at least. @throws {@link InstanceNotFoundError}.
   */
  async historySegments(instanceId: string, from: number, maxBytes: number): Promise<HistorySegments> {
    await this.#ready();
    const record = await this.#administration.record(instanceId);
    const segments: Uint8Array[] = [];
    let next = from;
    for (let bytes = 0; next < record.segmentCount && bytes < maxBytes; next++) {
      for (const segment of await this.#context.ports.store.readSegments(instanceId, next, next + 1)) {
        segments.push(segment);
        bytes += segment.length;
      }
    }
    const { executionId } = record;
    return next < record.segmentCount ? { segments, executionId, next } : { segments, executionId };
  }

  async queryInstances(query: InstanceQuery = {}): Promise<InstancePage> {
    await this.#ready();
    const { rows, token } = await this.#page(query);
    const instances: OrchestrationMetadata[] = [];
    for (const row of rows) {
      const record = readRecord(row);
      instances.push(metadataOf(record, query.fetchPayloads === true ? await this.#payloads(record) : undefined));
    }
    return token === undefined ? { instances } : { instances, continuationToken: token };
  }

  async listInstanceIds(query: InstanceQuery = {}): Promise<InstanceIdPage> {
    await this.#ready();
    const { rows, token } = await this.#page(query);
    const instanceIds = rows.map(({ instanceId }) => instanceId);
    return token === undefined ? { instanceIds } : { instanceIds, continuationToken: token };
  }

  #page(query: InstanceQuery): Promise<Page<InstanceRow>> {
    return readPage(rowQueryOf(query), (rows) => this.#context.ports.store.page(rows), placeOfRow);
  }

  /** A whole instance as one file. @throws {@link InstanceNotFoundError}, {@link UnsupportedError}: see {@link Transfer}. */
  async exportInstance(instanceId: string, options: ExportOptions = {}): Promise<InstanceFile> {
    await this.#ready();
    return this.#transfer.export(instanceId, options);
  }

  /** Stores an exported instance, and lets it go on. Returns its id. @throws {@link InstanceExistsError}. */
  async importInstance(file: InstanceFile): Promise<string> {
    await this.#ready();
    return this.#transfer.import(file);
  }

  async restart(instanceId: string, options: RestartOptions = {}): Promise<string> {
    await this.#ready();
    const { clock, ids } = this.#context.ports;
    return restartInstance(this, instanceId, options, { nowMs: clock.now(), ids });
  }

  async rewind(instanceId: string, reason?: string): Promise<void> {
    await this.#ready();
    await this.#administration.requestRewind(instanceId, reason);
    if (this.#context.tenure === undefined) return;
    // Accepted it is; where it can be carried out at once, a wait that follows is not to see the failure once more.
    const live = await this.#context.table.get(instanceId);
    if (live !== undefined) await this.#administration.rewind(live).catch(() => undefined);
  }

  async rerunWorkflowFromEvent(request: RerunRequest): Promise<string> {
    await this.#ready();
    const newInstanceId = request.newInstanceId ?? this.#context.ports.ids.uuid();
    await this.adopt(await this.cut(request, newInstanceId));
    return newInstanceId;
  }

  /** Cuts a new run from an ended one; {@link adopt} stores it, here or in another partition. */
  async cut(request: RerunRequest, newInstanceId: string): Promise<AdoptedRun> {
    await this.#ready();
    if (request.sourceInstanceId === "") {
      throw new InvalidArgumentError("rerun workflow source instance ID is required");
    }
    checkInstanceId(newInstanceId);
    if (request.newChildInstanceId !== undefined) checkInstanceId(request.newChildInstanceId);
    return this.#administration.cut(request, newInstanceId);
  }

  /** Stores a run that was cut from another one. @throws {@link InstanceExistsError}. */
  async adopt(run: AdoptedRun): Promise<void> {
    await this.#ready();
    await this.#administration.adopt(run);
  }

  completeOrchestratorTask(response: OrchestratorResponse): Promise<void> {
    return this.#rendezvous.completeOrchestratorTask(response);
  }

  cancelOrchestratorTask(instanceId: string): Promise<void> {
    return this.#rendezvous.cancelOrchestratorTask(instanceId);
  }

  waitForOrchestratorCompletion(request: OrchestratorRequest, options?: WaitOptions): Promise<OrchestratorResponse> {
    return this.#rendezvous.waitForOrchestratorCompletion(request, options);
  }

  completeActivityTask(response: ActivityResponse): Promise<void> {
    return this.#rendezvous.completeActivityTask(response);
  }

  cancelActivityTask(instanceId: string, taskId: number): Promise<void> {
    return this.#rendezvous.cancelActivityTask(instanceId, taskId);
  }

  waitForActivityCompletion(request: ActivityRequest, options?: WaitOptions): Promise<ActivityResponse> {
    return this.#rendezvous.waitForActivityCompletion(request, options);
  }

  async #ready(): Promise<void> {
    if (this.#isReady) return;
    if (!(await this.#context.ports.store.hubExists())) throw new NotInitializedError();
    this.#isReady = true;
  }
}
