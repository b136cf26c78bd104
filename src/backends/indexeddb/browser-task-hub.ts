import { AbortedError, InvalidArgumentError, StorageLostError } from "../../core/errors.ts";
import { type InProcessHub, newInProcessHub } from "../../core/hub/in-process-hub.ts";
import { defaultLogger, type Logger } from "../../core/hub/logger.ts";
import { newTaskHubClient, type TaskHubClient } from "../../core/hub/task-hub-client.ts";
import type { TaskHubWorker } from "../../core/hub/task-hub-worker.ts";
import { DEFAULT_MAX_PAYLOAD_BYTES } from "../../core/limits.ts";
import { toMilliseconds } from "../../core/orchestration/duration.ts";
import type { TaskRegistry } from "../../core/orchestration/registry.ts";
import { randomIds, systemClock, systemTimers } from "../../core/partition/host.ts";
import { DEFAULT_MAX_DEATHS } from "../../core/partition/partition-context.ts";
import type { Clock } from "../../core/partition/ports.ts";
import type { ExportOptions, InstanceFile } from "../../core/partition/transfer.ts";
import { IndexedDbBlobs } from "./blobs.ts";
import { Connection } from "./connection.ts";
import { DrainingPartition } from "./draining-partition.ts";
import { Durability } from "./durability.ts";
import { gateKeeperOf, type HostEnvironment, hostEnvironment, type WakeReason } from "./environment.ts";
import { type HostCapabilities, hostCapabilities } from "./host-capabilities.ts";
import { HubEvents } from "./hub-events.ts";
import type { HubSurroundings, OpenTaskHubOptions } from "./hub-options.ts";
import type { HubStatus } from "./hub-status.ts";
import { countsOf, type InstanceCounts, unendedOf } from "./instance-counts.ts";
import { LeaseOwnership } from "./lease.ts";
import { type Marker, newMarker } from "./marker.ts";
import { type Election, type ElectionOptions, WebLockOwnership } from "./ownership.ts";
import { lookAtStorage } from "./persistence.ts";
import { QuotaGuardedStore } from "./quota-guard.ts";
import { type RetentionOptions, sweepEnded } from "./retention.ts";
import { LocalRouter } from "./router.ts";
import { RunnerWatch } from "./runner-watch.ts";
import { WakeScheduler } from "./scheduler.ts";
import { databaseName } from "./schema.ts";
import { browserSettle } from "./settle.ts";
import { ChannelSignals, type RunnerInfo } from "./signals.ts";

/** Time between two looks around, in ms. A longer gap means that the host slept. */
const TICK_MS = 5000;
/** What a hidden page's timers are held back to, in ms. */
const HIDDEN_TICK_MS = 60_000;
/** Looks around between two looks at the database for news that got lost. */
const TICKS_PER_POLL = 6;
/** Time between two sweeps of ended instances, in ms. */
export const SWEEP_MS: number = 10 * 60_000;

/** A hub over IndexedDB, as this context takes part in it. */
export class BrowserTaskHub {
  readonly client: TaskHubClient;
  readonly backend: DrainingPartition;
  /** Files that orchestrations work on. */
  readonly blobs: IndexedDbBlobs;
  /** What goes on with storage, tabs and sleep. */
  readonly events: HubEvents;
  readonly #hub: InProcessHub;
  readonly #connection: Connection;
  readonly #store: QuotaGuardedStore;
  readonly #signals: ChannelSignals;
  readonly #scheduler: WakeScheduler;
  readonly #election: Election;
  readonly #watch: RunnerWatch;
  readonly #environment: HostEnvironment;
  readonly #clock: Clock;
  readonly #options: OpenTaskHubOptions;
  readonly #logger: Logger;
  readonly #contextId: string = randomIds.uuid();
  readonly #stops: (() => void)[] = [];
  #role: "waiting" | "asleep" | "closed" = "waiting";
  #epoch: number | undefined;
  #suspensions = 0;
  #lastError: { readonly at: Date; readonly error: Error } | undefined;
  #lastTickMs = Date.now();
  #wasHidden = false;
  #storage: Awaited<ReturnType<typeof lookAtStorage>> = { persisted: undefined, estimate: undefined };
  readonly #host: HostCapabilities = hostCapabilities();
  readonly #marker: Marker;
  #ticks = 0;
  #sweptMs = 0;
  #starting: Promise<void> | undefined;
  #resting: Promise<void> = Promise.resolve();
  #handingOver = false;

  /** Makes the hub; {@link open} opens it. @throws {@link InvalidArgumentError} for a name that is none. */
  constructor(options: OpenTaskHubOptions, surroundings: HubSurroundings = {}) {
    checkHubName(options.name);
    const name = databaseName(options.name);
    const clock = surroundings.clock ?? systemClock;
    const ids = surroundings.ids ?? randomIds;
    const timers = surroundings.timers ?? systemTimers;
    const settle = surroundings.settle ?? browserSettle();
    this.#options = options;
    this.#clock = clock;
    this.#logger = options.logger ?? defaultLogger("warn");
    this.#environment = surroundings.environment ?? hostEnvironment();
    this.events = new HubEvents(this.#logger, options.onEvent);
    this.#connection = new Connection({
      name,
      events: this.events,
      openTimeoutMs: toMilliseconds(options.openTimeout ?? "10s", "openTimeout"),
      ...(surroundings.migrations === undefined ? {} : { migrations: surroundings.migrations }),
    });
    this.#marker = newMarker(name);
    this.#store = new QuotaGuardedStore(this.#connection, new Durability(options.durability), this.events);
    this.blobs = new IndexedDbBlobs(
      this.#connection,
      () => clock.now(),
      (write) => this.#store.makingRoom(write),
    );
    this.#signals = new ChannelSignals(name);
    this.#scheduler = new WakeScheduler(clock, timers);
    this.#election = this.#newElection(name, surroundings.locks);
    const { compose } = surroundings;
    this.backend = new DrainingPartition(
      {
        store: this.#store,
        ownership: this.#election,
        signals: this.#signals,
        scheduler: this.#scheduler,
        router: new LocalRouter(),
        settle,
        clock,
        ids,
      },
      {
        logger: this.#logger,
        maxPayloadBytes: options.maxPayloadBytes ?? DEFAULT_MAX_PAYLOAD_BYTES,
        maxLiveInstances: options.maxLiveInstances ?? 1000,
        maxDeaths: options.maxDeaths ?? DEFAULT_MAX_DEATHS,
        // What is sent to workers elsewhere cannot be what ends this context.
        ...(compose === undefined ? {} : { runsHere: (kind, name) => options.registry.has(kind, name) }),
      },
    );
    this.#hub = newInProcessHub(this.backend, options, {
      settle,
      now: () => clock.now(),
      newUuid: () => ids.uuid(),
      gates: gateKeeperOf(this.#environment),
      ...(surroundings.timers === undefined ? {} : { timers: surroundings.timers }),
      ...(compose === undefined ? {} : { compose: (local) => compose(local, this.backend) }),
    });
    // A context that only asks need not know the code that runs elsewhere.
    this.client = this.#wantsToRun
      ? this.#hub.client
      : newTaskHubClient(this.backend, {
          now: () => clock.now(),
          newUuid: () => ids.uuid(),
          ...(options.converter === undefined ? {} : { converter: options.converter }),
          ...(options.codec === undefined ? {} : { codec: options.codec }),
        });
    this.#watch = new RunnerWatch({
      connection: this.#connection,
      signals: this.#signals,
      environment: this.#environment,
      events: this.events,
      logger: this.#logger,
      self: () => this.#self(),
      isRunner: () => this.#epoch !== undefined,
      wantsToRun: this.#wantsToRun,
      silentMs: toMilliseconds(options.silence ?? "15s", "silence"),
      stealEveryMs: toMilliseconds(options.stealEvery ?? "1m", "stealEvery"),
      steal: () => this.#election.steal(),
      handOver: (to) => void this.#handOver(to),
    });
    this.#connect();
  }

  /** The workers of this context. They are started by {@link open} and stopped by {@link close}. */
  get worker(): TaskHubWorker {
    return this.#hub.worker;
  }

  /** The code of this context. */
  get registry(): TaskRegistry {
    return this.#options.registry;
  }

  /** How the hub is now. */
  get status(): HubStatus {
    const waiting = this.#wantsToRun ? "follower" : "client";
    return {
      role: this.#role !== "waiting" ? this.#role : this.#epoch !== undefined ? "runner" : waiting,
      durable: true,
      ...this.#storage,
      host: this.#host,
      runner: this.#watch.runner,
      epoch: this.#epoch,
      reopened: this.#connection.reopened,
      suspensions: this.#suspensions,
      full: this.#store.isFull,
      lastError: this.#lastError,
    };
  }

  /** Opens the database and takes part in the election. @throws {@link StorageError}, by kind. */
  async open(): Promise<void> {
    await this.#connection.open();
    const known = await this.#marker.read();
    const { databaseId } = this.#connection;
    const isLost = known !== undefined && known.databaseId !== databaseId;
    if (isLost) {
      const error = new StorageLostError(
        this.#connection.name,
        "a former visit left it here, and now it is new or another",
        known.unfinished === undefined ? {} : { unfinished: known.unfinished },
      );
      this.#fail(error);
      this.events.emit({ type: "lost", error });
    }
    await this.#store.createHub();
    if (databaseId !== undefined && (known === undefined || isLost)) {
      await this.#marker.write({ databaseId });
    }
    // Closed meanwhile, by its caller or for an upgrade: the connection says why.
    if (this.#role === "closed") return this.#connection.open();
    this.#signals.open();
    this.#begin();
    this.#watch.greet();
    void this.#lookAtStorage();
  }

  /** Looks at what is due. Called by itself whenever the host wakes; call it for reasons of your own. */
  wake(reason: WakeReason): void {
    if (this.#role !== "waiting") return;
    this.#logger.debug(`hub: wakes (${reason})`);
    void this.#lookAround();
    void this.#lookAtStorage();
    this.#watch.greet();
    void this.#hub.backend.retryParked().catch((error: unknown) => this.#fail(error));
  }

  /** See {@link Partition.exportInstance}. */
  exportInstance(instanceId: string, options?: ExportOptions): Promise<InstanceFile> {
    return this.backend.exportInstance(instanceId, options);
  }

  /** See {@link Partition.importInstance}. */
  importInstance(file: InstanceFile): Promise<string> {
    return this.backend.importInstance(file);
  }

  /** How many instances are in each state: a badge's worth of knowledge, without reading any of them. */
  async countInstances(): Promise<InstanceCounts> {
    return countsOf(await this.#store.countByStatus());
  }

  /** Whether something is left that could go on now. */
  hasWork(): Promise<boolean> {
    return this.#store.hasWork();
  }

  /** Gives up the right to run, if this context has it, and closes the database. What is in work goes on elsewhere, or later. */
  async close(): Promise<void> {
    if (this.#role === "closed") return;
    this.#role = "closed";
    for (const stop of this.#stops.splice(0)) stop();
    this.#watch.close();
    this.#election.cancel();
    await this.#hub.close();
    // A start that was about to succeed is undone when it has.
    void this.#starting?.then(() => this.backend.stop());
    this.#signals.close();
    this.#connection.close();
  }

  get #wantsToRun(): boolean {
    return this.#options.run !== false;
  }

  #newElection(name: string, locks: LockManager | null | undefined): Election {
    const options: ElectionOptions = {
      logger: this.#logger,
      nextEpoch: () => this.#store.nextEpoch(),
      onChange: (epoch) => {
        this.#epoch = epoch;
        this.events.emit({ type: "role", role: epoch === undefined ? "follower" : "runner" });
        if (epoch === undefined) return;
        this.#watch.announce();
        void this.#leaveNote();
      },
    };
    const manager = locks === undefined ? (navigator.locks as LockManager | undefined) : locks;
    if (manager === undefined || manager === null)
      return new LeaseOwnership(this.#connection, this.#contextId, options);
    return new WebLockOwnership(name, manager, options);
  }

  /** What the parts tell each other, and what the host tells them. */
  #connect(): void {
    this.#store.onFenced = (epoch) => this.#election.fenced(epoch);
    // Not by the partition: its own commits wait for the one that found no room.
    this.#store.makeRoom = () =>
      sweepEnded(this.backend, this.#retention, this.#clock.now(), (ids) => this.#purge(ids));
    this.#connection.onLost(() => {
      if (this.#epoch !== undefined) this.#election.fenced(this.#epoch);
      void this.#store.createHub().catch((error: unknown) => this.#fail(error));
      // Or the same loss would be reported once more at the next visit.
      const { databaseId } = this.#connection;
      if (databaseId !== undefined) void this.#marker.write({ databaseId });
      this.#signals.anyChanged();
    });
    this.#connection.onClosed(() => void this.close());
    this.#connection.onHealed(() => void this.#tellWaiting());
    this.#signals.onMessage((message) => {
      if (message.type === "appended") this.#store.forgetDeadlines();
    });
    const timer = setInterval(() => void this.#tick(), TICK_MS);
    this.#stops.push(
      () => clearInterval(timer),
      this.#environment.onWake((reason) => this.wake(reason)),
      this.#environment.onSleep(
        () => void this.#sleep(),
        () => this.#resume(),
      ),
    );
  }

  /** Starts the workers, which first wait for the right to run. */
  #begin(): void {
    if (!this.#wantsToRun || this.#starting !== undefined) return;
    this.#starting = this.#hub.worker
      .start()
      .catch((error: unknown) => {
        if (this.#role === "waiting" && !(error instanceof AbortedError)) this.#fail(error);
      })
      .finally(() => {
        this.#starting = undefined;
      });
  }

  /** Gives up the right to run and stands again for election, behind all others who wait. */
  async #handOver(to: string): Promise<void> {
    if (this.#handingOver) return;
    this.#handingOver = true;
    try {
      await this.backend.drain(toMilliseconds(this.#options.drain ?? "3s", "drain"));
      await this.#rest();
      this.events.emit({ type: "handed-over", to });
      await new Promise((resolve) => setTimeout(resolve, 100));
      if (this.#role === "waiting") this.#begin();
    } finally {
      this.#handingOver = false;
    }
  }

  /** Stops running; a wait for the right ends too. */
  async #rest(): Promise<void> {
    this.#election.cancel();
    await this.backend.stop();
    await this.#starting;
    // A start that was about to succeed has.
    await this.backend.stop();
    this.#election.reset();
  }

  async #sleep(): Promise<void> {
    if (this.#role !== "waiting") return;
    this.#role = "asleep";
    // Before the first await: a page in the cache runs nothing more.
    this.#resting = this.#rest();
    this.#signals.close();
    this.#connection.suspend();
    await this.#resting;
  }

  #resume(): void {
    if (this.#role !== "asleep") return;
    this.#role = "waiting";
    this.#suspensions++;
    this.#signals.open();
    // The page may have been put to sleep before it had come to rest.
    void this.#resting.then(() => {
      if (this.#role === "waiting") this.#begin();
    });
    this.#watch.greet();
    this.#signals.anyChanged();
  }

  async #tick(): Promise<void> {
    if (this.#role !== "waiting") return;
    const gap = Date.now() - this.#lastTickMs;
    this.#lastTickMs = Date.now();
    const isHidden = this.#environment.visible() === false;
    // The gap behind a page that was just shown is one of a hidden page.
    const isAsleep = gap > 2 * (isHidden || this.#wasHidden ? HIDDEN_TICK_MS : TICK_MS);
    this.#wasHidden = isHidden;
    if (isAsleep) {
      this.#suspensions++;
      this.events.emit({ type: "resumed", asleepMs: gap });
      this.wake("asleep");
    } else if (++this.#ticks % TICKS_PER_POLL === 0) {
      await Promise.all([this.#lookAround(), this.#lookAtStorage()]);
    }
    await this.#watch.tick(!isAsleep);
    // What a gate waits for may come about without any sign of it.
    if (this.#epoch !== undefined && this.#hub.gates.isAnyClosed) await this.backend.retryParked();
    if (this.#epoch !== undefined && Date.now() - this.#sweptMs > SWEEP_MS) {
      this.#sweptMs = Date.now();
      await this.sweep().catch((error: unknown) => this.#fail(error));
    }
  }

  /** Reads what the browser says of the storage. */
  async #lookAtStorage(): Promise<void> {
    this.#storage = await lookAtStorage();
    await this.#leaveNote();
  }

  /** The runner leaves a note of what is in the storage, for the case that it gets lost. */
  async #leaveNote(): Promise<void> {
    if (this.#epoch === undefined) return;
    try {
      const unfinished = unendedOf(await this.countInstances());
      // After the count: what was counted is what is open now.
      const { databaseId } = this.#connection;
      if (databaseId !== undefined) await this.#marker.write({ databaseId, unfinished });
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Reads what news may have failed to tell. */
  async #lookAround(): Promise<void> {
    try {
      if (this.#epoch !== undefined) {
        for (const instanceId of await this.#store.waiting()) this.#signals.look(instanceId);
        this.#scheduler.wake();
      } else if (this.#signals.isWatched) this.#signals.anyChanged();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Tells the runner, here or elsewhere, of all that waits. */
  async #tellWaiting(): Promise<void> {
    try {
      for (const instanceId of await this.#store.waiting()) this.#signals.appended(instanceId, false);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Purges ended instances past their retention, and blobs that nobody asked for in a day. Returns how many instances. */
  async sweep(): Promise<number> {
    await this.blobs.sweep();
    return sweepEnded(this.backend, this.#retention, this.#clock.now());
  }

  get #retention(): RetentionOptions {
    return this.#options.retention ?? {};
  }

  async #purge(instanceIds: readonly string[]): Promise<number> {
    const purged = await this.#store.removeEnded(instanceIds);
    for (const instanceId of purged) this.#signals.appended(instanceId, true);
    return purged.length;
  }

  #fail(error: unknown): void {
    if (this.#role === "closed") return;
    this.#lastError = { at: new Date(), error: error instanceof Error ? error : new Error(String(error)) };
    this.#logger.error("hub", error);
  }

  #self(): RunnerInfo {
    return runnerInfoOf(this.#options, {
      contextId: this.#contextId,
      epoch: this.#epoch ?? -1,
      host: this.#host.kind,
    });
  }
}

/** What a context with these options says of itself. */
export function runnerInfoOf(
  { registry, buildId = "", buildOrder = performance.timeOrigin }: OpenTaskHubOptions,
  self: Required<Pick<RunnerInfo, "contextId" | "epoch" | "host">>,
): RunnerInfo {
  return {
    ...self,
    buildId,
    buildOrder,
    orchestrators: registry.names("orchestrator"),
    activities: registry.names("activity"),
  };
}

/** @throws {@link InvalidArgumentError} for a name that would not be one everywhere. */
export function checkHubName(name: string): void {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
    throw new InvalidArgumentError(`'${name}' cannot name a hub: use 1 to 64 letters, digits, '_' and '-'`);
  }
}
