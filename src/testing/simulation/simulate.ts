import { Client } from "./client.ts";
import { EndGame } from "./ending.ts";
import type { Facts } from "./model.ts";
import { ObjectsWorld } from "./objects-world.ts";
import type { Command, Plan } from "./plan.ts";
import { Random } from "./random.ts";
import { ReplayCheck } from "./replay-check.ts";
import { TabsWorld } from "./tabs-world.ts";
import { Trace } from "./trace.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

/** How a run went. */
export interface RunResult {
  /** The promise that was broken, if one was. */
  readonly violation: Violation | undefined;
  readonly steps: number;
  /** Numbers of the faults that happened. */
  readonly faults: readonly number[];
  /** How each instance ended, in words, by id. */
  readonly ends: readonly string[];
  /** What happened, in words; empty unless asked for. */
  readonly trace: readonly string[];
}

/** How a plan is run. */
export interface RunOptions {
  /** Tell what happened, in words. Default false. */
  readonly trace?: boolean;
}

/** How many steps clients may take to do all their commands. */
const MAX_STEPS = 20_000;

/** How many operations may wait at once: more than all instances, clients and messages of a run can have on their way. */
const MAX_BACKLOG = 3000;

/** Runs a plan to its end, or to the first broken promise. The same plan always does the same. */
export async function simulate(plan: Plan, options: RunOptions = {}): Promise<RunResult> {
  const trace = new Trace(options.trace === true);
  const world: World =
    plan.shape === "tabs" ? new TabsWorld(plan, { hop, trace }) : new ObjectsWorld(plan, { hop, trace });
  const stopListening = reportStrays(world);
  let ends: readonly string[] = [];
  try {
    ends = await run(world);
  } catch (error) {
    world.report(error);
  } finally {
    for (const host of [...world.hosts]) host.die();
    await rest();
    stopListening();
  }
  const { violation, loop, faults } = world;
  if (violation !== undefined) trace.add(`!!!   ${violation.message}`);
  return { violation, steps: loop.steps, faults: faults.happened, ends, trace: trace.lines };
}

/**
 * Lets every microtask run, and what those set off: a tick comes when none is left. It does not go through the event loop, so that
 * nothing from outside gets in between, and costs a fraction of what a macrotask does.
 */
function hop(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/** Lets the event loop go round: only then does Node tell of promises that failed unheard. */
function rest(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function run(world: World): Promise<readonly string[]> {
  const { plan, loop } = world;
  const acknowledged = new Set<string>();
  const clients = plan.clients.map((commands, index) => new Client(`client ${index}`, world, commands, acknowledged));
  const replays = new Replays(world);
  world.open();
  for (const client of clients) client.go();
  await hop();
  for (let steps = 0; steps < plan.faultySteps || clients.some(({ isDone }) => !isDone); steps++) {
    if (!(await loop.step(loop.nowMs + 3_600_000)) && clients.every(({ isDone }) => isDone)) break;
    await replays.check();
    if (world.violation !== undefined) return [];
    if (loop.backlog > MAX_BACKLOG) throw new Violation("memory stays bounded", `${loop.backlog} operations wait`);
    if (steps < plan.faultySteps) world.chaos();
    else if (!world.faults.isCalm) calmDown(world);
    await hop();
    if (steps > MAX_STEPS)
      throw new Violation("every call is answered", "the clients never got through their commands");
  }
  const ends = await new EndGame(world, factsOf(plan, acknowledged)).play();
  await replays.checkAll();
  return ends;
}

/** Clients are still at work, but nothing new goes wrong: what was frozen thaws, what hung is restarted. */
function calmDown(world: World): void {
  world.faults.isCalm = true;
  for (const host of [...world.hosts]) {
    world.thaw(host);
    world.crash(host);
  }
}

/** Replays durable histories from scratch, some during the run, all at its end. */
class Replays {
  readonly #world: World;
  readonly #random: Random;
  readonly #check: ReplayCheck;
  #changed: string | undefined;

  constructor(world: World) {
    this.#world = world;
    this.#random = new Random(world.plan.seed, "replays");
    this.#check = new ReplayCheck(world.plan.programs, world.hop);
    world.onChange = (instanceId) => {
      this.#changed = instanceId;
    };
  }

  async check(): Promise<void> {
    const instanceId = this.#changed;
    this.#changed = undefined;
    if (instanceId === undefined || !this.#random.chance(0.05)) return;
    await this.#replay(instanceId, () => this.#random.chance(0.3));
  }

  async checkAll(): Promise<void> {
    if (this.#world.violation !== undefined) return;
    for (const instanceId of this.#world.instances()) await this.#replay(instanceId, () => true);
  }

  async #replay(instanceId: string, isChosen: (turn: number) => boolean): Promise<void> {
    const disk = this.#world.diskOf(instanceId);
    const view = disk?.view(instanceId);
    if (view === undefined || disk?.damaged.has(instanceId) === true) return;
    try {
      await this.#check.check(instanceId, view.events, isChosen);
    } catch (error) {
      this.#world.report(error);
    }
  }
}

/** Promises that fail unheard are faults of the engine too: on a real host they end the process. */
function reportStrays(world: World): () => void {
  const onStray = (reason: unknown): void =>
    world.report(new Violation("no promise fails unheard", String((reason as Error)?.stack ?? reason)));
  process.on("unhandledRejection", onStray);
  return () => process.off("unhandledRejection", onStray);
}

/** What the plan's commands may have done to each instance. */
function factsOf(plan: Plan, acknowledged: ReadonlySet<string>): Facts {
  const commands = plan.clients.flat();
  const touching = (...kinds: readonly Command["do"][]) => commands.filter((command) => kinds.includes(command.do));
  // A rerun shows what befell the run that it was cut from.
  const reaches = (command: Command, instanceId: string): boolean =>
    [
      ...("instance" in command ? [command.instance] : []),
      ...("newInstance" in command && command.newInstance !== undefined ? [command.newInstance] : []),
    ].some((target) => instanceId === target || instanceId.startsWith(`${target}:`));
  const named = new Set(
    plan.programs.flatMap(({ steps }) => JSON.stringify(steps).match(/(?<="instanceId":")[^"]+/gu) ?? []),
  );
  return {
    isDisturbed: (instanceId) =>
      touching("terminate", "purge", "restart", "rewind", "rerun").some(
        (command) => reaches(command, instanceId) || named.has(instanceId),
      ),
    isTerminated: (instanceId) =>
      touching("terminate").some((command) => reaches(command, instanceId) || named.has(instanceId)) ||
      Array.from(instanceId).includes(":"),
    isCut: (instanceId) =>
      commands.some(
        (command) =>
          ("newInstance" in command && command.newInstance === instanceId) ||
          (command.do === "restart" && command.instance === instanceId),
      ),
    wasAcknowledged: (payload) => acknowledged.has(payload),
  };
}
