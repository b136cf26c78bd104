import { MemoryStore, memoryPorts } from "../../backends/memory/index.ts";
import { type InProcessHub, newInProcessHub } from "../../core/hub/in-process-hub.ts";
import { type Logger, silentLogger } from "../../core/hub/logger.ts";
import { describeWaiting, type OrchestrationMetadata, type WaitingOn } from "../../core/hub/metadata.ts";
import type { ScheduleOptions, TaskHubClient } from "../../core/hub/task-hub-client.ts";
import { DEFAULT_MAX_PAYLOAD_BYTES } from "../../core/limits.ts";
import type { EventReference, NameLike, OrchestratorReference } from "../../core/orchestration/context.ts";
import { type Duration, toMilliseconds } from "../../core/orchestration/duration.ts";
import { nameOf } from "../../core/orchestration/references.ts";
import { TaskRegistry } from "../../core/orchestration/registry.ts";
import { Partition } from "../../core/partition/partition.ts";
import { DEFAULT_MAX_DEATHS } from "../../core/partition/partition-context.ts";
import { Random } from "../simulation/random.ts";
import { VirtualClock } from "../virtual-clock.ts";
import { ActivityDouble } from "./activity-double.ts";
import { type CrashPoint, HostLife } from "./crash.ts";
import { MortalStore } from "./mortal-store.ts";

/** How a {@link TestHub} is made. */
export interface TestHubOptions {
  /** The code under test. */
  readonly registry: TaskRegistry;
  /** Seed of all ids. Default 1: the same test has the same ids every time. */
  readonly seed?: number;
  /** Stand-ins for activities by name: values, or functions of input and context. */
  readonly stubs?: Readonly<Record<string, unknown>>;
  /** Where time begins. Default 2026-01-01T00:00:00Z. */
  readonly startAt?: Date;
  /** 0 replays every turn, which finds code that is not deterministic. Default: orchestrators stay in memory. */
  readonly cacheSize?: number;
  /** Default: silent. */
  readonly logger?: Logger;
}

/** What an instance waits for, as data and as a sentence. */
export interface TestWaiting extends WaitingOn {
  readonly sentence: string;
}

interface Host {
  readonly life: HostLife;
  readonly hub: InProcessHub;
  /** Ends its interest in the registry under test. */
  readonly leave: () => void;
}

/**
 * The real engine over memory, under a clock that only the test moves. Activities can be watched, stubbed, failed and held;
 * the host can be made to crash at a chosen point and be started again over what it had stored.
 *
 * @example
 * const hub = await createTestHub({ registry, stubs: { charge: { id: "receipt-1" } } });
 * const id = await hub.start(checkout, order);
 * await hub.advance("3d");
 * await hub.raise(id, "approval", { by: "me" });
 * expect(await hub.result(id)).toBe("done");
 */
export class TestHub {
  readonly clock: VirtualClock;
  readonly #options: TestHubOptions;
  readonly #store = new MemoryStore();
  readonly #random: Random;
  readonly #doubles = new Map<string, ActivityDouble>();
  #host: Host | undefined;

  /** Use {@link createTestHub}. */
  constructor(options: TestHubOptions) {
    this.#options = options;
    this.clock = new VirtualClock(options.startAt === undefined ? {} : { startMs: options.startAt.getTime() });
    this.#random = new Random(options.seed ?? 1, "test hub");
    for (const [name, answer] of Object.entries(options.stubs ?? {})) this.activity(name).returns(answer);
  }

  /** A client of the running host. @throws {@link HostCrashedError} after a crash. */
  get client(): TaskHubClient {
    return this.#running().hub.client;
  }

  /** Whether the host has crashed and was not started again. */
  get hasCrashed(): boolean {
    return this.#host?.life.isOver === true;
  }

  /** The time, as the hub sees it. */
  get now(): Date {
    return new Date(this.clock.now());
  }

  /** The double of an activity. It can be had before the activity is ever called. */
  activity(activity: NameLike): ActivityDouble {
    const name = nameOf(activity, "an activity");
    let double = this.#doubles.get(name);
    if (double === undefined) {
      double = new ActivityDouble(name);
      this.#doubles.set(name, double);
    }
    return double;
  }

  /** Schedules an orchestration and lets it run as far as it gets without time passing. Returns its id. */
  async start<I>(
    orchestrator: OrchestratorReference<I, unknown> | NameLike,
    input?: I,
    options?: ScheduleOptions,
  ): Promise<string> {
    const id = await this.#settled(this.client.scheduleNewOrchestration(orchestrator, input, options));
    await this.clock.rest();
    return id;
  }

  /** Raises an event and lets it take effect. */
  async raise<T>(instanceId: string, event: EventReference<T> | string, payload?: T): Promise<void> {
    await this.#settled(this.client.raiseEvent(instanceId, event, payload));
    await this.clock.rest();
  }

  /** Moves time on: what falls due fires in order, at once. */
  async advance(time: Duration): Promise<void> {
    await this.clock.advance(toMilliseconds(time, "the time to advance"));
  }

  /**
   * The output of an orchestration; time passes as far as it takes.
   *
   * @throws {@link TaskFailedError} when it failed, {@link Error} when nothing is left that could end it, and
   *   {@link HostCrashedError}.
   */
  async result<O = unknown>(instanceId: string): Promise<O> {
    const done = await this.#settled(this.client.waitForOrchestrationCompletion(instanceId), instanceId);
    return this.client.outputOf<O>(done);
  }

  /** What is known of an instance. */
  metadata(instanceId: string): Promise<OrchestrationMetadata> {
    return this.#settled(this.client.fetchOrchestrationMetadata(instanceId));
  }

  /** What an instance waits for now. */
  async waitingOn(instanceId: string): Promise<TestWaiting> {
    await this.clock.rest();
    const metadata = await this.metadata(instanceId);
    return { ...metadata.waitingOn, sentence: describeWaiting(metadata) };
  }

  /**
   * Makes the host crash when it next passes a point.
   *
   * @param passes how often it may pass before. Default 0.
   */
  crashAt(point: CrashPoint, passes = 0): void {
    this.#running().life.arm(point, passes);
  }

  /** Starts a new host over what is stored, whether the one before has crashed or still runs. */
  async restart(): Promise<void> {
    const former = this.#host;
    // A host that still runs is left as a crash would leave it.
    if (former !== undefined && !former.life.isOver) {
      former.life.arm("before commit", 0);
      void former.life.pass("before commit");
    }
    former?.leave();
    this.#host = this.#newHost();
    await this.#settled(this.#host.hub.worker.start());
    await this.clock.rest();
  }

  /** Ends the hub. */
  async close(): Promise<void> {
    this.#host?.leave();
    if (this.#host?.life.isOver === false) await this.#settled(this.#host.hub.close());
  }

  #running(): Host {
    if (this.#host === undefined) throw new Error("the test hub is not started: use createTestHub()");
    this.#host.life.check();
    return this.#host;
  }

  /** Settles a call to the host under the clock, or rejects when the host crashes. */
  async #settled<T>(work: Promise<T>, instanceId?: string): Promise<T> {
    const { life } = this.#running();
    const either = Promise.race([work, life.crashed]);
    try {
      return await this.clock.runUntil(either);
    } catch (error) {
      if (instanceId === undefined || life.isOver || this.clock.timerCount > 0) throw error;
      const metadata = await this.client.fetchOrchestrationMetadata(instanceId).catch(() => undefined);
      if (metadata === undefined || !describeWaiting(metadata).startsWith("waiting")) throw error;
      throw new Error(`'${instanceId}' does not end by itself: it is ${describeWaiting(metadata)}`, { cause: error });
    }
  }

  #newHost(): Host {
    const life = new HostLife();
    const { clock } = this;
    const ids = { uuid: (): string => this.#random.uuid() };
    const environment = { store: this.#store, clock, timers: clock, ids, settle: clock.settle };
    const logger = this.#options.logger ?? silentLogger();
    const ports = memoryPorts(environment);
    const partition = new Partition(
      { ...ports, store: new MortalStore(this.#store, life) },
      { logger, maxPayloadBytes: DEFAULT_MAX_PAYLOAD_BYTES, maxLiveInstances: 1000, maxDeaths: DEFAULT_MAX_DEATHS },
    );
    const { cacheSize } = this.#options;
    const { watched, leave } = this.#watch(life);
    const hub = newInProcessHub(
      partition,
      { registry: watched, logger, ...(cacheSize === undefined ? {} : { cacheSize }) },
      { settle: clock.settle, now: () => clock.now(), newUuid: ids.uuid, timers: clock },
    );
    return { life, hub, leave };
  }

  /** The registry under test, with every activity behind its double. */
  #watch(life: HostLife): { readonly watched: TaskRegistry; readonly leave: () => void } {
    const { registry } = this.#options;
    const watched = new TaskRegistry();
    const sync = (): void => {
      for (const name of registry.names("orchestrator")) {
        const fn = registry.orchestrator(name);
        if (fn !== undefined && !watched.names("orchestrator").includes(name))
          watched.addOrchestrator(name, fn as never);
      }
      const stubbed = Object.keys(this.#options.stubs ?? {});
      for (const name of new Set([...registry.names("activity"), ...stubbed])) {
        if (watched.names("activity").includes(name)) continue;
        watched.addActivity(name, (ctx, input: unknown) => {
          const code = registry.activity(ctx.name);
          return this.activity(ctx.name).run(ctx, input, code as never, life);
        });
      }
    };
    sync();
    return { watched, leave: registry.onChange(sync) };
  }
}

/** Makes a {@link TestHub} and starts it. */
export async function createTestHub(options: TestHubOptions): Promise<TestHub> {
  const hub = new TestHub(options);
  await hub.restart();
  return hub;
}
