/**
 * Where a host can be made to crash:
 * - `before commit`: a turn has run, nothing of it is stored;
 * - `after commit`: it is stored, and nobody was told;
 * - `before effect`: an activity was scheduled, and its code has not begun;
 * - `in mid-activity`: an activity's code has run, and its result is not stored.
 */
export type CrashPoint = (typeof CRASH_POINTS)[number];

/** All of them. */
export const CRASH_POINTS = ["before commit", "after commit", "before effect", "in mid-activity"] as const;

/** The host has crashed at a point that the test chose. What it had stored is there: `restart()` goes on from it. */
export class HostCrashedError extends Error {
  constructor(point: CrashPoint) {
    super(`the host has crashed (${point}): call restart() to go on from what is stored`);
    this.name = "HostCrashedError";
  }
}

/** A host's life. Once it is over, everything that its parts wait for waits for ever, as in a process that is gone. */
export class HostLife {
  #armed: { readonly point: CrashPoint; passes: number } | undefined;
  #error: HostCrashedError | undefined;
  /** Rejects with {@link HostCrashedError} when the host crashes. */
  readonly crashed: Promise<never>;
  #crash: (error: HostCrashedError) => void = () => undefined;

  constructor() {
    this.crashed = new Promise<never>((_resolve, reject) => {
      this.#crash = reject;
    });
    this.crashed.catch(() => undefined);
  }

  /** Whether it is over. */
  get isOver(): boolean {
    return this.#error !== undefined;
  }

  /** @throws {@link HostCrashedError} when it is over. */
  check(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** Ends it at the next passage of the point, after letting some go by. */
  arm(point: CrashPoint, passes: number): void {
    this.#armed = { point, passes };
  }

  /** The host passes a point: resolves when it lives on, and never when this is its end. */
  pass(point: CrashPoint): Promise<void> {
    if (this.isOver) return forever();
    if (this.#armed?.point !== point) return Promise.resolve();
    if (this.#armed.passes-- > 0) return Promise.resolve();
    this.#error = new HostCrashedError(point);
    this.#crash(this.#error);
    return forever();
  }

  /** The value, or nothing ever when the host is gone by then. */
  async live<T>(work: Promise<T>): Promise<T> {
    if (this.isOver) return forever();
    const value = await work;
    return this.isOver ? forever() : value;
  }
}

function forever<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}
