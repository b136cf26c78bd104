import { InvalidArgumentError } from "../errors.ts";
import { type CompletedTask, DurableTask, type Task } from "./task.ts";

/** The results of a tuple of tasks, in its order. */
export type TaskResults<T extends readonly Task<unknown>[]> = {
  -readonly [K in keyof T]: T[K] extends Task<infer R> ? R : never;
};

/** The outcomes of a tuple of tasks, in its order, as `Promise.allSettled` gives them. */
export type TaskOutcomes<T extends readonly Task<unknown>[]> = {
  -readonly [K in keyof T]: T[K] extends Task<infer R> ? PromiseSettledResult<R> : never;
};

/**
 * Waits for all tasks, and answers their results in the order given. Fails with the error of the first that fails, as
 * `Promise.all` does: the others go on. An empty list completes at once, with an empty list.
 *
 * @throws {@link InvalidArgumentError} for what is not a task of this orchestration.
 *
 * @example
 * const [user, orders] = await whenAll([ctx.callActivity(loadUser, id), ctx.callActivity(loadOrders, id)]);
 */
export function whenAll<const T extends readonly Task<unknown>[]>(tasks: T): Task<TaskResults<T>> {
  const parts = durableParts(tasks, "whenAll");
  const all = combination<TaskResults<T>>(parts);
  let open = parts.length;
  const finish = (): void => all.complete(parts.map((part) => part.result) as TaskResults<T>);
  watch(parts, all, (part) => {
    if (part.isFailed) all.fail(part.error);
    else if (--open === 0) finish();
  });
  if (parts.length === 0) finish();
  return all;
}

/**
 * Waits for the first task to end, well or not, and answers that task: compare it with `===`, then await it for its result
 * or error. The others go on; cancel those that are not wanted any more, or a waiting event wait takes the next event.
 *
 * @throws {@link InvalidArgumentError} for an empty list, which could never end, and for what is not a task of this orchestration.
 *
 * @example
 * const timeout = ctx.createTimer("1h");
 * const winner = await whenAny([upload, timeout]);
 * if (winner === timeout) upload.cancel();
 */
export function whenAny<const T extends readonly Task<unknown>[]>(
  tasks: T,
): Task<CompletedTask<TaskResults<T>[number]>> {
  if (tasks.length === 0) throw new InvalidArgumentError("whenAny of no task never ends: pass at least one");
  const parts = durableParts(tasks, "whenAny");
  const any = combination<CompletedTask<TaskResults<T>[number]>>(parts);
  watch(parts, any, (part) => any.complete(part as CompletedTask<TaskResults<T>[number]>));
  return any;
}

/**
 * Waits for all tasks to end, well or not, and answers their outcomes in the order given. Never fails. An empty list
 * completes at once.
 *
 * @throws {@link InvalidArgumentError} for what is not a task of this orchestration.
 */
export function whenAllSettled<const T extends readonly Task<unknown>[]>(tasks: T): Task<TaskOutcomes<T>> {
  const parts = durableParts(tasks, "whenAllSettled");
  const all = combination<TaskOutcomes<T>>(parts);
  let open = parts.length;
  const finish = (): void =>
    all.complete(
      parts.map((part): PromiseSettledResult<unknown> => {
        return part.isFailed ? { status: "rejected", reason: part.error } : { status: "fulfilled", value: part.result };
      }) as TaskOutcomes<T>,
    );
  watch(parts, all, () => {
    if (--open === 0) finish();
  });
  if (parts.length === 0) finish();
  return all;
}

/** A combination ends by its parts; it has no owner of its own when it has none. */
function combination<T>(parts: readonly DurableTask<unknown>[]): DurableTask<T> {
  const owner = parts[0]?.owner ?? { onSubscribed() {}, onUnsubscribed() {}, onCodeMoved() {}, enter: () => true };
  return new DurableTask<T>(owner, {
    durable: false,
    onCancel: () => {
      for (const part of parts) part.cancelFromEngine();
    },
  });
}

/** Hears of each part's end until the combination has ended; then lets go of the rest. A part may occur twice. */
function watch<T>(
  parts: readonly DurableTask<unknown>[],
  whole: DurableTask<T>,
  onEnd: (part: DurableTask<unknown>) => void,
): void {
  const times = new Map<DurableTask<unknown>, number>();
  for (const part of parts) times.set(part, (times.get(part) ?? 0) + 1);
  const listeners = new Map<DurableTask<unknown>, () => void>();
  for (const [part, count] of times) {
    const listener = (): void => {
      for (let n = 0; n < count && !whole.isComplete; n++) onEnd(part);
      if (whole.isComplete) for (const [other, its] of listeners) other.unlisten(its);
    };
    listeners.set(part, listener);
    part.listen(listener);
    if (whole.isComplete) return;
  }
}

function durableParts(tasks: readonly Task<unknown>[], what: string): readonly DurableTask<unknown>[] {
  if (!Array.isArray(tasks)) throw new InvalidArgumentError(`${what} takes an array of tasks`);
  return tasks.map((task: unknown, index) => {
    if (task instanceof DurableTask) return task as DurableTask<unknown>;
    throw new InvalidArgumentError(
      `${what} takes durable tasks, but item ${index} is ${task instanceof Promise ? "a promise: use Promise.all in async code" : "none"}`,
    );
  });
}
