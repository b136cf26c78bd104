/** What is known of a task once it has ended. A {@link Task} is one; so is what `whenAny` answers. */
export interface CompletedTask<T> {
  /** Whether the task has ended, well or not. */
  readonly isComplete: boolean;
  /** Whether it ended with an error. */
  readonly isFailed: boolean;
  /** The result. Throws the task's error when it failed, and a plain `Error` while it has not ended. */
  readonly result: T;
  /** The error of a failed task, else `undefined`. */
  readonly error: unknown;
}

/**
 * Durable work that an orchestrator waits for: an activity, a sub-orchestration, a timer, an event, or several of them.
 *
 * `await task` in an async function, `yield* task` in a `function*` (typed), or `yield task` in either kind of generator. A
 * failed task that nobody waits for is never an unhandled rejection.
 */
export interface Task<T> extends CompletedTask<T>, PromiseLike<T> {
  /**
   * Ends the task with a {@link TaskCancelledError}, unless it has ended. A cancelled timer is dropped; a cancelled event wait
   * takes no event; a cancelled activity's attempt is told by its signal, and no retry follows; a cancelled
   * sub-orchestration goes on, unheard. Cancelling a combination cancels all its open parts.
   */
  cancel(): void;
  /** Makes `yield* task` answer the result with its type. */
  [Symbol.iterator](): Iterator<Task<unknown>, T, unknown>;
}

/** What a task tells the orchestrator that it belongs to. */
export interface TaskOwner {
  /** Somebody began to wait for an open durable task. */
  onSubscribed(): void;
  /** A durable task that was waited for ended, or is waited for no more. */
  onUnsubscribed(): void;
  /** Promise callbacks were set off: the code moves when microtasks run. */
  onCodeMoved(): void;
  /**
   * Whether user code may act now. False once the orchestration has ended: then the act has no effect.
   *
   * @throws {@link NonDeterminismError} outside the instance's turn.
   */
  enter(what: string): boolean;
}

/** How a {@link DurableTask} behaves. */
export interface DurableTaskOptions {
  /** Work that history resolves, as against a combination of tasks. Only such work counts as being waited for. */
  readonly durable: boolean;
  /** What cancelling does before the task ends. */
  readonly onCancel?: () => void;
  /** The error with which cancelling ends the task. */
  readonly cancelError?: () => unknown;
}

/** The one implementation of {@link Task}. Made by the engine; users see the interface. */
export class DurableTask<T> implements Task<T> {
  readonly owner: TaskOwner;
  readonly #options: DurableTaskOptions;
  #state: "open" | "done" | "failed" = "open";
  #value: T | undefined;
  #error: unknown;
  #listeners: Set<() => void> | undefined;
  #gate: { readonly promise: Promise<void>; readonly open: () => void } | undefined;
  #subscribed = false;
  #opaque = false;

  constructor(owner: TaskOwner, options: DurableTaskOptions) {
    this.owner = owner;
    this.#options = options;
  }

  get isComplete(): boolean {
    return this.#state !== "open";
  }

  get isFailed(): boolean {
    return this.#state === "failed";
  }

  get result(): T {
    if (this.#state === "done") return this.#value as T;
    if (this.#state === "failed") throw this.#error;
    throw new Error("the task has not ended: await it first");
  }

  get error(): unknown {
    return this.#error;
  }

  /** Ends the task with a value. Ignored when it has ended. */
  complete(value: T): void {
    if (this.#state !== "open") return;
    this.#value = value;
    this.#end("done");
  }

  /** Ends the task with an error. Ignored when it has ended. */
  fail(error: unknown): void {
    if (this.#state !== "open") return;
    this.#error = error;
    this.#end("failed");
  }

  cancel(): void {
    if (this.owner.enter("cancel()")) this.cancelFromEngine();
  }

  /** As {@link cancel}, for the engine's own use. */
  cancelFromEngine(): void {
    if (this.#state !== "open") return;
    this.#options.onCancel?.();
    if (this.#options.cancelError !== undefined) this.fail(this.#options.cancelError());
  }

  /** Calls the listener, synchronously, when the task ends; at once when it has. */
  listen(listener: () => void): void {
    if (this.#state !== "open") {
      listener();
      return;
    }
    this.#listeners ??= new Set();
    this.#listeners.add(listener);
    this.#updateSubscription();
  }

  /** Takes a listener back: nobody waits through it any more. */
  unlisten(listener: () => void): void {
    this.#listeners?.delete(listener);
    this.#updateSubscription();
  }

  /**
   * The promise side, as a getter so that a task can be handed over as a plain value: while `whenAny` gives its winner to a
   * promise's own resolving function, the winner shows no `then`, or the promise would follow it and answer its result.
   */
  // biome-ignore lint/suspicious/noThenProperty: a task is awaited, so it is a thenable on purpose.
  get then(): PromiseLike<T>["then"] {
    return (this.#opaque ? undefined : this.#subscribe) as PromiseLike<T>["then"];
  }

  #subscribe<R1 = T, R2 = never>(
    onFulfilled?: ((value: T) => R1 | PromiseLike<R1>) | null,
    onRejected?: ((reason: unknown) => R2 | PromiseLike<R2>) | null,
  ): Promise<R1 | R2> {
    return this.#gatePromise().then(() => {
      if (this.#state === "failed") {
        if (typeof onRejected !== "function") throw this.#error;
        return onRejected(this.#error);
      }
      const value = this.#value as T;
      if (typeof onFulfilled !== "function") return value as unknown as R1;
      if (!(value instanceof DurableTask) || !isNativeFunction(onFulfilled)) return onFulfilled(value);
      value.#opaque = true;
      try {
        return onFulfilled(value);
      } finally {
        value.#opaque = false;
      }
    });
  }

  [Symbol.iterator](): Iterator<Task<unknown>, T, unknown> {
    let yielded = false;
    return {
      next: (answer) => {
        // The driver answers the yield with the task's own result, or throws its error into the generator.
        if (yielded) return { done: true, value: answer as T };
        yielded = true;
        return { done: false, value: this };
      },
      throw: (error) => {
        throw error;
      },
    };
  }

  /** The gate only ever opens, and carries no value: a failed task is no rejected promise until somebody asks for one. */
  #gatePromise(): Promise<void> {
    if (this.#gate === undefined) {
      let open = (): void => {};
      const promise = new Promise<void>((resolve) => {
        open = resolve;
      });
      this.#gate = { promise, open };
      if (this.#state === "open") this.#updateSubscription();
      else open();
    }
    return this.#gate.promise;
  }

  #end(state: "done" | "failed"): void {
    this.#state = state;
    this.#updateSubscription();
    if (this.#gate !== undefined) {
      this.#gate.open();
      this.owner.onCodeMoved();
    }
    const listeners = this.#listeners;
    this.#listeners = undefined;
    if (listeners !== undefined) for (const listener of listeners) listener();
  }

  #updateSubscription(): void {
    if (!this.#options.durable) return;
    const open = this.#state === "open";
    const subscribed = open && (this.#gate !== undefined || (this.#listeners?.size ?? 0) > 0);
    if (subscribed === this.#subscribed) return;
    this.#subscribed = subscribed;
    if (subscribed) this.owner.onSubscribed();
    else this.owner.onUnsubscribed();
  }
}

/** Whether a function is the engine's own, such as the resolving functions that `await` passes to `then`. */
function isNativeFunction(fn: unknown): boolean {
  return /\{\s*\[native code\]\s*\}\s*$/.test(Function.prototype.toString.call(fn));
}
