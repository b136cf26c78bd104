import { type InProcessHub, newInProcessHub } from "../../core/hub/in-process-hub.ts";
import type { ActivityWorkItem } from "../../core/hub/work-item.ts";
import { TaskRegistry } from "../../core/orchestration/registry.ts";
import { Partition } from "../../core/partition/partition.ts";
import type { DeliveryOutcome, Index, Ownership, PartitionPorts, Router, Signals } from "../../core/partition/ports.ts";
import type { Envelope } from "../../core/protocol/gen/perdura/model/v1/store_pb.ts";
import { runActivity, type SimulatedActivityInput } from "./activities.ts";
import type { Disk } from "./disk.ts";
import { interpret } from "./interpreter.ts";
import type { Actor } from "./loop.ts";
import { SimulatedScheduler } from "./ports/scheduler.ts";
import { SimulatedStore } from "./ports/store.ts";
import { programName } from "./program.ts";
import { ACTIVITIES } from "./program-generator.ts";
import { silentButTraced } from "./traced-logger.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

/** The ports in which the two shapes of a world differ. */
export interface ShapePorts {
  readonly ownership: Ownership;
  readonly signals: Signals;
  readonly router: Router;
  readonly index?: Index;
}

/** One process: a tab, or an object's isolate. It runs the real engine over simulated ports, and it can freeze and die. */
export class Host implements Actor {
  readonly name: string;
  readonly disk: Disk;
  readonly world: World;
  state: "running" | "frozen" | "dead" = "running";
  /** By how much its clock differs from the world's, in ms. */
  skewMs = 0;
  readonly partition: Partition;
  readonly hub: InProcessHub;
  readonly store: SimulatedStore;
  readonly #registry = new TaskRegistry();
  readonly #missing: (() => void)[] = [];
  readonly #onDeath = new Set<() => void>();

  constructor(name: string, disk: Disk, world: World, shape: (host: Host) => ShapePorts) {
    this.name = name;
    this.disk = disk;
    this.world = world;
    this.store = new SimulatedStore(this);
    this.#register();
    const { plan, loop } = world;
    const logger = silentButTraced(world.trace, name);
    const ports: PartitionPorts = {
      store: this.store,
      scheduler: new SimulatedScheduler(this),
      settle: () => this.later("lets its orchestrators come to rest"),
      clock: { now: () => this.now() },
      ids: { uuid: () => world.ids.uuid() },
      ...shape(this),
    };
    const maxPayloadBytes = 1_000_000;
    const { maxLiveInstances, maxDeaths, cacheSize } = plan;
    this.partition = new DoublingPartition(ports, { logger, maxPayloadBytes, maxLiveInstances, maxDeaths }, this);
    this.hub = newInProcessHub(
      this.partition,
      { registry: this.#registry, logger, maxPayloadBytes, cacheSize },
      {
        settle: ports.settle,
        now: () => this.now(),
        newUuid: () => world.ids.uuid(),
        timers: { set: (ms, run) => loop.after(this, ms, "sees an activity's time run out", run) },
      },
    );
  }

  /** Its own time, epoch ms. */
  now(): number {
    return this.world.loop.nowMs + this.skewMs;
  }

  /** Sets the engine going. */
  boot(): void {
    this.hub.worker.start().catch((error: unknown) => {
      this.world.trace.add(`      ${this.name} could not start: ${String(error)}`);
      this.world.loop.post(undefined, `gives up on ${this.name}, which could not start`, () => this.world.crash(this));
    });
  }

  /** A moment later, by the scheduler's leave. Never, once the process is dead. */
  later(words: string): Promise<void> {
    return new Promise((resolve) => {
      if (this.state !== "dead") this.world.loop.post(this, words, resolve);
    });
  }

  /** Settles as the call does, or says that the process died first, so that nobody knows. */
  async call<T>(run: () => Promise<T>): Promise<{ readonly value: T } | { readonly error: unknown } | "unknown"> {
    let died = (): void => undefined;
    const death = new Promise<"unknown">((resolve) => {
      died = () => resolve("unknown");
    });
    this.#onDeath.add(died);
    try {
      return await Promise.race([
        death,
        run().then(
          (value) => ({ value }),
          (error: unknown) => ({ error }),
        ),
      ]);
    } finally {
      this.#onDeath.delete(died);
    }
  }

  /** Messages from another partition. */
  receive(envelopes: readonly Envelope[]): Promise<readonly DeliveryOutcome[]> {
    return this.partition.receive(envelopes);
  }

  /** Ends the process between two of its steps. What it had asked of the disk may still happen. */
  die(): void {
    this.state = "dead";
    this.store.abandon();
    this.world.loop.drop(this);
    for (const died of this.#onDeath) died();
  }

  /** Some orchestrators or activities are not deployed here. */
  get isMissingCode(): boolean {
    return this.#missing.length > 0;
  }

  /** Deploys what was missing. */
  completeCode(): void {
    this.world.trace.add(`      ${this.name} gets the code that it had not`);
    for (const add of this.#missing.splice(0)) add();
  }

  #register(): void {
    const { faults, plan } = this.world;
    plan.programs.forEach((program, index) => {
      const add = (): void => void this.#registry.addOrchestrator(programName(index), interpret(program));
      if (faults.happens("code is missing")) this.#missing.push(add);
      else add();
    });
    for (const name of ACTIVITIES) {
      const add = (): void =>
        void this.#registry.addActivity<SimulatedActivityInput, string>(name, (ctx, input) =>
          runActivity(this, ctx, input),
        );
      if (faults.happens("code is missing")) this.#missing.push(add);
      else add();
    }
  }
}

/** A partition whose activity workers may answer twice, and whose promise that a result is durable is checked. */
class DoublingPartition extends Partition {
  readonly #host: Host;

  constructor(ports: PartitionPorts, options: ConstructorParameters<typeof Partition>[1], host: Host) {
    super(ports, options);
    this.#host = host;
  }

  override async completeActivityWorkItem(item: ActivityWorkItem): Promise<void> {
    const { world, disk } = this.#host;
    if (world.faults.happens("activity answers twice")) {
      void super.completeActivityWorkItem(item).catch(() => undefined);
    }
    await super.completeActivityWorkItem(item);
    const { instanceId, generation, newEvent } = item;
    if (!disk.hasResult(instanceId, generation, newEvent.eventId) && !item.signal.aborted) {
      world.report(
        new Violation("what is acknowledged is durable", `the result of ${item.toString()} was taken and is nowhere`),
      );
    }
  }
}
