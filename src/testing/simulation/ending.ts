import { PerduraError } from "../../core/errors.ts";
import { type OrchestrationMetadata, orchestrationMetadataIsComplete } from "../../core/hub/metadata.ts";
import type { Host } from "./host.ts";
import { type Facts, judge } from "./model.ts";
import type { Program, Word } from "./program.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

/** How often what waits is helped on before it counts as stuck. */
const MAX_ROUNDS = 300;

/** How far time goes between two rounds of help, in ms. */
const ROUND_MS = 3 * 60_000;

/** How far it goes before an instance counts as stuck, in ms: an hour is the longest wait of a parked one. */
const HORIZON_MS = 4 * 3_600_000;

/** How many steps one round may take. */
const MAX_STEPS = 30_000;

/** Nothing goes wrong any more: brings every instance to its end, as a patient user would, and judges what came out. */
export class EndGame {
  readonly #world: World;
  readonly #facts: Facts;
  readonly #terminated = new Set<string>();
  readonly #ends: string[] = [];
  /** How many events each instance was given. */
  readonly #nudges = new Map<string, number>();

  constructor(world: World, facts: Facts) {
    this.#world = world;
    this.#facts = {
      ...facts,
      // A termination as help reaches children as well.
      isTerminated: (id) => facts.isTerminated(id) || this.#terminated.size > 0,
      isDisturbed: (id) => facts.isDisturbed(id) || this.#isAbove(id, [...this.#terminated, ...this.#damaged()]),
    };
  }

  /** Returns how each instance ended, in words, by id. */
  async play(): Promise<readonly string[]> {
    const world = this.#world;
    world.trace.add("      from here on nothing goes wrong any more");
    world.faults.isCalm = true;
    for (const host of [...world.hosts]) {
      world.thaw(host);
      host.skewMs = 0;
      world.crash(host);
    }
    await world.hop();
    for (let round = 0; ; round++) {
      await this.#rest(ROUND_MS);
      if (world.violation !== undefined) return [];
      if (await this.#helpOn()) break;
      if (round > MAX_ROUNDS) {
        world.report(
          new Violation("every instance ends or says why not", `after ${round} rounds of help some still run`),
        );
        return [];
      }
    }
    this.#checkRest();
    world.checkEnd();
    for (const instanceId of [...world.instances()].sort()) await this.#judge(instanceId);
    return this.#ends;
  }

  *#damaged(): Iterable<string> {
    for (const { damaged } of this.#world.disks) yield* damaged;
  }

  #isAbove(instanceId: string, others: readonly string[]): boolean {
    return others.some((other) => other === instanceId || other.startsWith(`${instanceId}:`) || !other.includes(":"));
  }

  async #rest(ms: number): Promise<void> {
    const { loop } = this.#world;
    const untilMs = loop.nowMs + ms;
    for (let steps = 0; this.#world.violation === undefined; steps++) {
      if (!(await loop.step(untilMs))) return;
      if (steps > MAX_STEPS) {
        this.#world.report(new Violation("the world comes to rest", `it does not within ${MAX_STEPS} steps`));
        return;
      }
    }
  }

  /** Gives each waiting instance what it waits for. True when all have ended. */
  async #helpOn(): Promise<boolean> {
    let allEnded = true;
    const stuck: string[] = [];
    for (const instanceId of [...this.#world.instances()]) {
      const metadata = await this.#ask(instanceId, (host) => host.hub.client.fetchOrchestrationMetadata(instanceId));
      if (metadata === undefined || orchestrationMetadataIsComplete(metadata)) continue;
      allEnded = false;
      if (!(await this.#help(instanceId, metadata))) stuck.push(instanceId);
    }
    if (stuck.length > 0) await this.#makeSure(stuck);
    return allEnded;
  }

  /** Gives an instance what it waits for. False when there is nothing to give, though nothing moves. */
  async #help(instanceId: string, metadata: OrchestrationMetadata): Promise<boolean> {
    const { waitingOn, runtimeStatus } = metadata;
    if (runtimeStatus === "SUSPENDED" || waitingOn.parked !== undefined) {
      await this.#ask(instanceId, (host) => host.hub.client.resumeOrchestration(instanceId));
      return true;
    }
    const event = waitingOn.events[0];
    if (event !== undefined) {
      const nudges = this.#nudges.get(instanceId) ?? 0;
      this.#nudges.set(instanceId, nudges + 1);
      const payload = `${instanceId}/${event.name}/nudge/${nudges}`;
      await this.#ask(instanceId, (host) => host.hub.client.raiseEvent(instanceId, event.name, payload));
      return true;
    }
    const [child] = waitingOn.children;
    if (child === undefined) return false;
    const disk = this.#world.diskOf(child.instanceId);
    const record = disk?.view(child.instanceId)?.record;
    const isDamaged = disk?.damaged.has(child.instanceId) === true;
    const isLost = record === undefined || isDamaged || record.parent?.orchestrationInstance?.instanceId !== instanceId;
    // The child is helped in its own turn.
    if (!isLost) return record.completedAtMs === undefined;
    if (!isDamaged && ![instanceId, child.instanceId].some((id) => this.#facts.isDisturbed(id))) return false;
    this.#terminated.add(instanceId);
    await this.#ask(instanceId, (host) => host.hub.client.terminateOrchestration(instanceId));
    return true;
  }

  /** Lets hours pass, and looks whether what seemed stuck still is. */
  async #makeSure(suspects: readonly string[]): Promise<void> {
    await this.#rest(HORIZON_MS);
    for (const instanceId of suspects) {
      const metadata = await this.#ask(instanceId, (host) => host.hub.client.fetchOrchestrationMetadata(instanceId));
      if (metadata === undefined || orchestrationMetadataIsComplete(metadata)) continue;
      if (await this.#help(instanceId, metadata)) continue;
      const waits = JSON.stringify(metadata.waitingOn);
      this.#world.report(
        new Violation(
          "every instance ends or says why not",
          `'${instanceId}' is ${metadata.runtimeStatus}, nothing moves, and it waits for ${waits}`,
        ),
      );
    }
  }

  async #ask<T>(instanceId: string, run: (host: Host) => Promise<T>): Promise<T | undefined> {
    const world = this.#world;
    const host = world.hostFor(instanceId);
    if (host === undefined) return undefined;
    let answer: { readonly value: T } | { readonly error: unknown } | "unknown" | undefined;
    void host
      .call(() => run(host))
      .then((given) => {
        answer = given;
      });
    await world.hop();
    for (let steps = 0; answer === undefined && (await world.loop.step(world.loop.nowMs + HORIZON_MS)); steps++) {
      if (steps > MAX_STEPS) break;
    }
    if (answer === undefined) {
      world.report(new Violation("every call is answered", `a call for '${instanceId}' never was`));
      return undefined;
    }
    if (answer === "unknown") return undefined;
    if ("value" in answer) return answer.value;
    if (!(answer.error instanceof PerduraError)) {
      world.report(new Violation("every error is typed", String((answer.error as Error).stack)));
    } else if (
      world.diskOf(instanceId)?.damaged.has(instanceId) !== true &&
      !["instance_not_found", "instance_completed"].includes(answer.error.code)
    ) {
      world.report(new Violation("a healthy instance answers", `'${instanceId}': ${answer.error.message}`));
    }
    return undefined;
  }

  /** Everything has ended: nothing is left on its way. */
  #checkRest(): void {
    for (const disk of this.#world.disks) {
      for (const [instanceId, { record, inbox, outbox, row }] of disk.views) {
        if (disk.damaged.has(instanceId)) continue;
        const left =
          record.purgedAtMs !== undefined
            ? "is purged, and its tombstone stays"
            : inbox.size > 0
              ? `has ${[...inbox.values()].map(({ event }) => event?.eventType.case).join(", ")} in its inbox`
              : outbox.size > 0
                ? `has ${outbox.size} messages in its outbox`
                : row.unfinished || row.wakeAt !== undefined
                  ? `is still to be looked at (${row.unfinished ? "unfinished" : "wakeAt"}, index ${record.indexedVersion} of ${record.indexVersion})`
                  : undefined;
        if (left !== undefined)
          this.#world.report(new Violation("queues stay bounded", `'${instanceId}' has ended but ${left}`));
      }
    }
  }

  async #judge(instanceId: string): Promise<void> {
    const world = this.#world;
    const disk = world.diskOf(instanceId);
    const record = disk?.view(instanceId)?.record;
    if (record === undefined || disk?.damaged.has(instanceId) === true || record.parent !== undefined) return;
    const metadata = await this.#ask(instanceId, (host) => host.hub.client.fetchOrchestrationMetadata(instanceId));
    if (metadata === undefined || this.#terminated.has(instanceId)) return;
    const { programs } = world.plan;
    const program: Program | undefined = programs[Number(metadata.name.slice(1))];
    if (program === undefined) return;
    const { runtimeStatus: status, output, customStatus, failureDetails } = metadata;
    const words = status === "COMPLETED" && output !== undefined ? (JSON.parse(output) as Word[]) : undefined;
    const failure = failureDetails?.errorMessage;
    this.#ends.push(`${instanceId} ${status} ${output ?? failure ?? ""}`);
    const complaint = judge(programs, program, { instanceId, status, words, customStatus, failure }, this.#facts);
    if (complaint !== undefined)
      world.report(
        new Violation("the outcome is one of the model's", `'${instanceId}' (${metadata.name}): ${complaint}`),
      );
  }
}
