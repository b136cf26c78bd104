import { MemoryStore, memoryPorts } from "../../backends/memory/index.ts";
import { InvalidArgumentError } from "../../core/errors.ts";
import { type InProcessHub, newInProcessHub } from "../../core/hub/in-process-hub.ts";
import { type Logger, silentLogger } from "../../core/hub/logger.ts";
import { type OrchestrationMetadata, orchestrationMetadataIsComplete } from "../../core/hub/metadata.ts";
import type { ScheduleOptions, TaskHubClient } from "../../core/hub/task-hub-client.ts";
import { DEFAULT_MAX_PAYLOAD_BYTES } from "../../core/limits.ts";
import type { EventReference, NameLike, OrchestratorReference } from "../../core/orchestration/context.ts";
import { type Duration, toMilliseconds } from "../../core/orchestration/duration.ts";
import { nameOf } from "../../core/orchestration/references.ts";
import { TaskRegistry } from "../../core/orchestration/registry.ts";
import type { Settle } from "../../core/orchestration/settle.ts";
import { Partition } from "../../core/partition/partition.ts";
import { DEFAULT_MAX_DEATHS } from "../../core/partition/partition-context.ts";
import { Random } from "../simulation/random.ts";
import { VirtualClock } from "../virtual-clock.ts";
import { ActivityDouble } from "./activity-double.ts";
import { CRASH_POINTS, type CrashPoint, HostLife } from "./crash.ts";
import { MortalStore } from "./mortal-store.ts";
import { isParked, type TestWaiting, waitingOf } from "./waiting.ts";

/** After so many timers it is looked whether what a test waits for can still come. */
const TIMERS_BETWEEN_LOOKS = 1000;

/** How often that is looked at before a wait is given up. */
const MAX_LOOKS = 100;

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
  /**
   * One hop through the host's event loop, before which every microtask has run. Default a `MessageChannel` hop, which is right
   * in Node, Bun and browsers, and wrong in workerd and Deno: see {@link Settle}.
   */
  readonly hop?: Settle;
}

interface Host {
  readonly life: HostLife;
  readonly hub: InProcessHub;
  /** Takes up code and doubles that came since. */
  readonly sync: () => void;
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
  /** Activities of which the test has said what they do, whether they are in the registry or not. */
  readonly #set = new Set<string>();
  #host: Host | undefined;

  /** Use {@link createTestHub}. */
  constructor(options: TestHubOptions) {
    this.#options = options;
    const { hop, startAt } = options;
    this.clock = new VirtualClock({
      ...(startAt === undefined ? {} : { startMs: startAt.getTime() }),
      ...(hop === undefined ? {} : { hop }),
    });
    this.#random = new Random(options.seed ?? 1, "test hub");
    for (const [name, answer] of Object.entries(options.stubs ?? {})) this.activity(name).returns(answer);
  }

  /** A client of the running host. @throws {@link HostCrashedError} after a crash, {@link Error} after {@link close}. */
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

  /**
   * The double of an activity. It can be had before the activity is ever called, and of one that is not in the registry: it is
   * there from the moment that the test says what it does.
   */
  activity(activity: NameLike): ActivityDouble {
    const name = nameOf(activity, "an activity");
    let double = this.#doubles.get(name);
    if (double === undefined) {
      double = new ActivityDouble(name, () => {
        this.#set.add(name);
        this.#host?.sync();
      });
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
    return waitingOf(metadata);
  }

  /**
   * Makes the host crash when it next passes a point. One crash at a time: it takes the place of one that has not come yet.
   *
   * @param passes how often it may pass before. Default 0.
   * @throws {@link InvalidArgumentError} for a point that there is not.
   */
  crashAt(point: CrashPoint, passes = 0): void {
    if (!CRASH_POINTS.includes(point)) {
      throw new InvalidArgumentError(
        `there is no crash point '${point}': choose one of '${CRASH_POINTS.join("', '")}'`,
      );
    }
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

  /** Ends the hub. What is stored stays: {@link restart} opens it again. */
  async close(): Promise<void> {
    const host = this.#host;
    host?.leave();
    if (host?.life.isOver === false) await this.#settled(host.hub.close());
    this.#host = undefined;
  }

  #running(): Host {
    if (this.#host === undefined) throw new Error("the test hub is closed: restart() opens it again");
    this.#host.life.check();
    return this.#host;
  }

  /** Settles a call to the host under the clock, or rejects when the host crashes. */
  async #settled<T>(work: Promise<T>, instanceId?: string): Promise<T> {
    const { life } = this.#running();
    const either = Promise.race([work, life.crashed]);
    let isSettled = false;
    const note = (): void => {
      isSettled = true;
    };
    either.then(note, note);
    for (let looks = 1; ; looks++) {
      try {
        return await this.clock.runUntil(either, { maxTimers: TIMERS_BETWEEN_LOOKS });
      } catch (error) {
        if (isSettled) throw error;
        const mayStillCome = this.clock.timerCount > 0 && looks < MAX_LOOKS;
        const why = instanceId === undefined ? undefined : await this.#whyStuck(instanceId, mayStillCome);
        if (why !== undefined) throw new Error(`'${instanceId}' does not end by itself: ${why}`, { cause: error });
        if (!mayStillCome) throw error;
      }
    }
  }

  /** Why an instance does not end. `undefined`: it has, or time may bring it there. */
  async #whyStuck(instanceId: string, mayStillCome: boolean): Promise<string | undefined> {
    const metadata = await this.client.fetchOrchestrationMetadata(instanceId).catch(() => undefined);
    if (metadata === undefined || orchestrationMetadataIsComplete(metadata)) return undefined;
    for (const child of metadata.waitingOn.children) {
      const why = await this.#whyStuck(child.instanceId, true);
      if (why !== undefined) return `its sub-orchestration '${child.instanceId}' does not: ${why}`;
    }
    if (mayStillCome && !isParked(metadata.waitingOn)) return undefined;
    const { sentence, activities } = waitingOf(metadata);
    const running = activities.find(({ name }) => (this.#doubles.get(name)?.running ?? 0) > 0);
    if (running === undefined) return `it is ${sentence}`;
    const advice = "stub it, hold it, or let it sleep with hub.clock.sleep";
    return `it is ${sentence}; the code of '${running.name}' still runs, in real time: ${advice}`;
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
    const { watched, sync, leave } = this.#watch(life);
    const hub = newInProcessHub(
      partition,
      { registry: watched, logger, ...(cacheSize === undefined ? {} : { cacheSize }) },
      { settle: clock.settle, now: () => clock.now(), newUuid: ids.uuid, timers: clock },
    );
    return { life, hub, sync, leave };
  }

  /** The registry under test, with every activity behind its double. */
  #watch(life: HostLife): Pick<Host, "sync" | "leave"> & { readonly watched: TaskRegistry } {
    const { registry } = this.#options;
    const watched = new TaskRegistry();
    const sync = (): void => {
      for (const name of registry.names("orchestrator")) {
        const fn = registry.orchestrator(name);
        if (fn !== undefined && !watched.names("orchestrator").includes(name))
          watched.addOrchestrator(name, fn as never);
      }
      for (const name of new Set([...registry.names("activity"), ...this.#set])) {
        if (watched.names("activity").includes(name)) continue;
        watched.addActivity(name, (ctx, input: unknown) => {
          const code = registry.activity(ctx.name);
          return this.activity(ctx.name).run(ctx, input, code as never, life);
        });
      }
    };
    sync();
    return { watched, sync, leave: registry.onChange(sync) };
  }
}

/** Makes a {@link TestHub} and starts it. */
export async function createTestHub(options: TestHubOptions): Promise<TestHub> {
  const hub = new TestHub(options);
  await hub.restart();
  return hub;
}
