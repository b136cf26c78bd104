import type { Disk, DiskWatch } from "./disk.ts";
import { Faults } from "./faults.ts";
import type { Host } from "./host.ts";
import { Loop } from "./loop.ts";
import type { Plan } from "./plan.ts";
import { Random } from "./random.ts";
import type { Trace } from "./trace.ts";
import { Violation } from "./violation.ts";

/** How often, at each step, a process whose code is incomplete gets the rest of it. */
const CODE_ARRIVES = 0.01;

/** How a run is carried out; nothing of it changes what happens. */
export interface WorldOptions {
  /** Lets every microtask run, and what those set off. */
  readonly hop: () => Promise<void>;
  readonly trace: Trace;
}

/** One simulated universe: time, chance, faults, disks and processes. The two shapes say how the last two belong together. */
export abstract class World {
  readonly plan: Plan;
  readonly trace: Trace;
  readonly loop: Loop;
  readonly faults: Faults;
  readonly ids: Random;
  readonly hop: () => Promise<void>;
  /** The first promise that was broken. */
  violation: Violation | undefined;
  /** Called with each instance whose durable state has changed. */
  onChange: (instanceId: string) => void = () => undefined;

  constructor(plan: Plan, { hop, trace }: WorldOptions) {
    this.plan = plan;
    this.trace = trace;
    this.hop = hop;
    this.loop = new Loop(new Random(plan.seed, "schedule"), hop, trace, plan.policy);
    this.faults = new Faults(new Random(plan.seed, "faults"), plan.rates, plan.muted, trace);
    this.ids = new Random(plan.seed, "ids");
  }

  /** The processes that there are now. */
  abstract get hosts(): readonly Host[];
  abstract get disks(): readonly Disk[];
  /** The disk that an instance is on, if it has one. */
  abstract diskOf(instanceId: string): Disk | undefined;
  /** A process that takes calls for an instance; it is started where that is possible. */
  abstract hostFor(instanceId: string): Host | undefined;
  /** Ends a process; another takes its place, sooner or later. */
  abstract crash(host: Host): void;
  /** Sets the first processes going. */
  abstract open(): void;
  /** What only this shape can suffer. */
  protected abstract ownChaos(): void;
  /** Checks what only this shape promises, once all is at rest. */
  abstract checkEnd(): void;

  /** Notes a broken promise. */
  report(violation: unknown): void {
    this.violation ??=
      violation instanceof Violation
        ? violation
        : new Violation("the engine does not break the simulation", String((violation as Error)?.stack ?? violation));
  }

  /** Looks on at a disk. */
  protected watch(wasDelivered: DiskWatch["wasDelivered"]): DiskWatch {
    return {
      wasDelivered,
      maySendAgain: this.plan.clients.flat().some((command) => command.do === "rewind"),
      report: (violation) => this.report(violation),
      onChange: (instanceId) => this.onChange(instanceId),
    };
  }

  /** All durable instances. */
  *instances(): Iterable<string> {
    for (const disk of this.disks) for (const [instanceId] of disk.views) yield instanceId;
  }

  /** Whatever befalls the world between two steps. */
  chaos(): void {
    if (this.faults.isCalm) return;
    const { faults, loop } = this;
    if (faults.happens("process crashes")) this.#withOne("running", (host) => this.crash(host));
    if (faults.happens("process freezes")) {
      this.#withOne("running", (host) => {
        this.trace.add(`      ${host.name} freezes`);
        host.state = "frozen";
        loop.after(undefined, faults.random.int(10, 60_000), `thaws ${host.name}`, () => this.thaw(host));
      });
    }
    if (faults.happens("clock jumps")) {
      this.#withOne("running", (host) => {
        host.skewMs += faults.random.pick([-3_600_000, -5000, -1, 1, 5000, 3_600_000]);
        this.trace.add(`      the clock of ${host.name} is off by ${host.skewMs} ms`);
      });
    }
    if (faults.happens("record is corrupted")) {
      const ids = [...this.instances()];
      const instanceId = ids.length === 0 ? undefined : faults.random.pick(ids);
      if (instanceId !== undefined) this.diskOf(instanceId)?.damaged.add(instanceId);
      this.trace.add(`      '${instanceId}' is corrupted`);
    }
    for (const host of this.hosts) if (host.isMissingCode && faults.random.chance(CODE_ARRIVES)) host.completeCode();
    this.ownChaos();
  }

  /** Lets a frozen process go on. */
  thaw(host: Host): void {
    if (host.state === "frozen") host.state = "running";
  }

  #withOne(state: Host["state"], run: (host: Host) => void): void {
    const hosts = this.hosts.filter((host) => host.state === state);
    if (hosts.length > 0) run(this.faults.random.pick(hosts));
  }
}
