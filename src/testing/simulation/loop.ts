import type { Random } from "./random.ts";
import type { Trace } from "./trace.ts";

/** Whose code an operation runs: a process, or the world where there is none. */
export interface Actor {
  readonly name: string;
  readonly state: "running" | "frozen" | "dead";
}

interface Operation {
  readonly actor: Actor | undefined;
  readonly words: string;
  readonly run: () => void;
  readonly order: number;
}

interface TimedOperation extends Operation {
  readonly atMs: number;
}

/** How the next operation is chosen. */
export interface LoopPolicy {
  /** How often the oldest one goes first; otherwise any of the ready ones does. */
  readonly inOrder: number;
  /** How often time passes although something is ready. */
  readonly drift: number;
}

/**
 * Virtual time and the scheduler. Whatever is not a microtask goes through here as an operation; one runs at a time, and all
 * that it sets off runs until nothing moves before the next is chosen. So the order of everything is the seed's doing.
 */
export class Loop {
  /** World time, in ms. */
  nowMs: number = Date.UTC(2026, 0, 1);
  steps = 0;
  readonly #random: Random;
  readonly #hop: () => Promise<void>;
  readonly #trace: Trace;
  readonly #policy: LoopPolicy;
  #ready: Operation[] = [];
  #timed: TimedOperation[] = [];
  #order = 0;

  /** @param hop lets every microtask run, and what those set off. */
  constructor(random: Random, hop: () => Promise<void>, trace: Trace, policy: LoopPolicy) {
    this.#random = random;
    this.#hop = hop;
    this.#trace = trace;
    this.#policy = policy;
  }

  /** How many operations wait. */
  get backlog(): number {
    return this.#ready.length + this.#timed.length;
  }

  /** Adds an operation that can run now. */
  post(actor: Actor | undefined, words: string, run: () => void): void {
    this.#ready.push({ actor, words, run, order: this.#order++ });
  }

  /** Adds an operation that can run in `ms`; the returned function takes it back. */
  after(actor: Actor | undefined, ms: number, words: string, run: () => void): () => void {
    let isCancelled = false;
    const operation = { actor, words, run: () => (isCancelled ? undefined : run()), order: this.#order++ };
    this.#timed.push({ ...operation, atMs: this.nowMs + Math.max(0, ms) });
    return () => {
      isCancelled = true;
      this.#timed = this.#timed.filter(({ order }) => order !== operation.order);
    };
  }

  /** Forgets the operations of an actor that has died. */
  drop(actor: Actor): void {
    this.#ready = this.#ready.filter((operation) => operation.actor !== actor);
    this.#timed = this.#timed.filter((operation) => operation.actor !== actor);
  }

  /** Runs one operation and all that it sets off. False: nothing is left to do before `untilMs`. */
  async step(untilMs: number): Promise<boolean> {
    if (this.#random.chance(this.#policy.drift)) this.#pass(this.nowMs + this.#random.int(1, 2000));
    let at = this.#choose();
    while (at === undefined) {
      const next = this.#nextMs();
      if (next === undefined || next > untilMs) return false;
      this.#pass(next);
      at = this.#choose();
    }
    const [operation] = this.#ready.splice(at, 1);
    if (operation === undefined) return false;
    this.steps++;
    this.#trace.add(() => `${this.#clock()} ${operation.actor?.name ?? "world"} ${operation.words}`);
    operation.run();
    await this.#hop();
    return true;
  }

  #clock(): string {
    return `+${((this.nowMs - Date.UTC(2026, 0, 1)) / 1000).toFixed(3)}s`;
  }

  #choose(): number | undefined {
    const { inOrder } = this.#policy;
    const can: number[] = [];
    for (let index = 0; index < this.#ready.length; index++) {
      if (this.#ready[index]?.actor?.state !== "frozen") can.push(index);
    }
    if (can.length === 0) return undefined;
    return this.#random.chance(inOrder) ? can[0] : this.#random.pick(can);
  }

  #nextMs(): number | undefined {
    let next: number | undefined;
    for (const { atMs, actor } of this.#timed) {
      if (actor?.state !== "frozen" && (next === undefined || atMs < next)) next = atMs;
    }
    return next;
  }

  #pass(toMs: number): void {
    this.nowMs = Math.max(this.nowMs, toMs);
    const due = this.#timed.filter(({ atMs, actor }) => atMs <= this.nowMs && actor?.state !== "frozen");
    if (due.length === 0) return;
    this.#timed = this.#timed.filter((operation) => !due.includes(operation));
    due.sort((one, other) => one.atMs - other.atMs || one.order - other.order);
    this.#ready.push(...due);
  }
}
