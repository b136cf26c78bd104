import { NonDeterminismError } from "../errors.ts";
import { DurableTask } from "./task.ts";

/** Where an orchestrator's end is told. */
export interface OrchestratorOutcome {
  /** It returned. */
  returned(value: unknown): void;
  /** It threw. */
  threw(error: unknown): void;
}

/**
 * Runs an orchestrator in whichever style it is written, up to its first wait; from then on its tasks drive it.
 *
 * - A plain function ends at once; an `async` one runs with the microtasks.
 * - A `function*` is driven synchronously: each `yield` of a task resumes with its result, or its error is thrown there.
 * - In an `async function*`, `yield task` itself awaits the task before it hands over the result, which is passed back.
 *
 * @returns whether the code runs with microtasks, so that only settling tells whether it has stopped.
 */
export function drive(call: () => unknown, outcome: OrchestratorOutcome): "sync" | "async" {
  let value: unknown;
  try {
    value = call();
  } catch (error) {
    outcome.threw(error);
    return "sync";
  }
  if (isGenerator(value)) {
    driveGenerator(value, outcome);
    return "sync";
  }
  const promise = isAsyncGenerator(value) ? driveAsyncGenerator(value) : value;
  if (isThenable(promise)) {
    promise.then(
      (result) => outcome.returned(result),
      (error) => outcome.threw(error),
    );
    return "async";
  }
  outcome.returned(value);
  return "sync";
}

function driveGenerator(generator: Iterator<unknown, unknown, unknown>, outcome: OrchestratorOutcome): void {
  const run = (first: () => IteratorResult<unknown, unknown>): void => {
    // Tasks that have ended already are answered in a loop, not by recursion: there may be thousands in a row.
    for (let move = first; ; ) {
      let step: IteratorResult<unknown, unknown>;
      try {
        step = move();
      } catch (error) {
        outcome.threw(error);
        return;
      }
      const { value } = step;
      if (!(value instanceof DurableTask)) {
        if (step.done === true && !isThenable(value)) {
          outcome.returned(value);
          return;
        }
        const error = notDurable(value, step.done === true);
        move = step.done === true ? () => raise(error) : () => throwInto(generator, error);
        continue;
      }
      const resume =
        step.done === true
          ? (): IteratorResult<unknown, unknown> => ({ done: true, value: value.result })
          : (): IteratorResult<unknown, unknown> =>
              value.isFailed ? throwInto(generator, value.error) : generator.next(value.result);
      if (!value.isComplete) {
        value.listen(() => run(resume));
        return;
      }
      move = resume;
    }
  };
  run(() => generator.next());
}

async function driveAsyncGenerator(generator: AsyncIterator<unknown, unknown, unknown>): Promise<unknown> {
  let answer: unknown;
  for (;;) {
    const { done, value } = await generator.next(answer);
    if (done === true) return value;
    answer = value;
  }
}

function throwInto(generator: Iterator<unknown, unknown, unknown>, error: unknown): IteratorResult<unknown, unknown> {
  return generator.throw === undefined ? raise(error) : generator.throw(error);
}

function raise(error: unknown): never {
  throw error;
}

function notDurable(value: unknown, returned: boolean): NonDeterminismError {
  const what = isThenable(value) ? "a promise" : value === null ? "null" : `a ${typeof value}`;
  return new NonDeterminismError(
    `the orchestrator ${returned ? "returned" : "yielded"} ${what}, which is not durable: yield the tasks that ctx makes, and move anything else into an activity`,
  );
}

function isGenerator(value: unknown): value is Iterator<unknown, unknown, unknown> {
  return isObject(value) && typeof value.next === "function" && Symbol.iterator in value && "throw" in value;
}

function isAsyncGenerator(value: unknown): value is AsyncIterator<unknown, unknown, unknown> {
  return isObject(value) && typeof value.next === "function" && Symbol.asyncIterator in value;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return isObject(value) && typeof value.then === "function";
}

function isObject(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === "object" && value !== null;
}
