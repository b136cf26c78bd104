import type { ActivityContext } from "../../core/orchestration/activity-context.ts";
import type { HostLife } from "./crash.ts";

/** One run of an activity. */
export interface ActivityRun {
  readonly instanceId: string;
  readonly input: unknown;
  /** 1 for the first attempt of a call. */
  readonly attempt: number;
  readonly taskId: number;
  readonly taskExecutionId: string;
}

type ActivityCode = (ctx: ActivityContext, input: unknown) => unknown;

/** How a held run ends: with a value or an error of the test's, or with its own code. */
type Release = { readonly value: unknown } | { readonly error: unknown } | undefined;

interface HeldRun {
  readonly end: (release: Release) => void;
}

/**
 * An activity as a test sees it: a spy on its runs, and, where the test says so, a stand-in for its code. What is set holds
 * until it is set anew.
 */
export class ActivityDouble {
  readonly #name: string;
  readonly #runs: ActivityRun[] = [];
  readonly #failures = new Map<number, unknown>();
  readonly #onSet: () => void;
  #stub: ActivityCode | undefined;
  #isHeld = false;
  #held: HeldRun[] = [];
  #running = 0;

  /**
   * To be had from `TestHub.activity(name)`.
   *
   * @param onSet called when a test has said what the activity is to do.
   */
  constructor(name: string, onSet: () => void = () => undefined) {
    this.#name = name;
    this.#onSet = onSet;
  }

  /** Every run so far, in order: attempts that fail and runs that crash included. */
  get runs(): readonly ActivityRun[] {
    return [...this.#runs];
  }

  /** How many runs are held. */
  get held(): number {
    return this.#held.length;
  }

  /** How many runs of its code, or of a stub, have not come to an end. Held ones are not among them. */
  get running(): number {
    return this.#running;
  }

  /** Stands in for its code: a value, or a function of input and context. */
  returns(answer: unknown): this {
    this.#stub =
      typeof answer === "function"
        ? (ctx, input) => (answer as (input: unknown, ctx: ActivityContext) => unknown)(input, ctx)
        : () => answer;
    this.#onSet();
    return this;
  }

  /** Fails the given attempts of every call (1 is the first) with an error; other attempts run as before. */
  failsAt(attempts: number | readonly number[], error: unknown = new Error(`${this.#name} was made to fail`)): this {
    for (const attempt of typeof attempts === "number" ? [attempts] : attempts) this.#failures.set(attempt, error);
    this.#onSet();
    return this;
  }

  /** Holds runs until they are released. */
  holds(): this {
    this.#isHeld = true;
    this.#onSet();
    return this;
  }

  /** Lets all held runs go on with the code, and holds no more. */
  release(): void {
    this.#isHeld = false;
    for (const { end } of this.#held.splice(0)) end(undefined);
  }

  /** Ends the oldest held run with a value. @throws {@link Error} when none is held. */
  releaseWith(value: unknown): void {
    this.#oldest().end({ value });
  }

  /** Ends the oldest held run with an error. @throws {@link Error} when none is held. */
  failWith(error: unknown): void {
    this.#oldest().end({ error });
  }

  /** Back to its own code. */
  reset(): this {
    this.#stub = undefined;
    this.#failures.clear();
    this.release();
    return this;
  }

  #oldest(): HeldRun {
    const oldest = this.#held.shift();
    if (oldest === undefined) throw new Error(`no run of '${this.#name}' is held: call holds() before it is scheduled`);
    return oldest;
  }

  /** Runs the activity for the hub. */
  async run(ctx: ActivityContext, input: unknown, code: ActivityCode | undefined, life: HostLife): Promise<unknown> {
    await life.pass("before effect");
    const { instanceId, attempt, taskId, taskExecutionId } = ctx;
    this.#runs.push({ instanceId, input, attempt, taskId, taskExecutionId });
    const release = this.#isHeld ? await this.#hold(ctx, life) : undefined;
    const value = await this.#outcome(ctx, input, code, release);
    await life.pass("in mid-activity");
    return value;
  }

  #hold(ctx: ActivityContext, life: HostLife): Promise<Release> {
    return new Promise((resolve, reject) => {
      const entry = { end: resolve };
      const drop = (): void => {
        this.#held = this.#held.filter((other) => other !== entry);
      };
      this.#held.push(entry);
      ctx.signal.addEventListener("abort", () => {
        drop();
        reject(ctx.signal.reason);
      });
      // A run ends with its host: the one that begins anew is another.
      life.crashed.catch(drop);
    });
  }

  async #outcome(
    ctx: ActivityContext,
    input: unknown,
    code: ActivityCode | undefined,
    release: Release,
  ): Promise<unknown> {
    if (release !== undefined) {
      if ("error" in release) throw release.error;
      return release.value;
    }
    if (this.#failures.has(ctx.attempt)) throw this.#failures.get(ctx.attempt);
    const run = this.#stub ?? code;
    if (run === undefined) throw new Error(`'${this.#name}' has no code and no stub: call returns() on its double`);
    this.#running++;
    try {
      return await run(ctx, input);
    } finally {
      this.#running--;
    }
  }
}
