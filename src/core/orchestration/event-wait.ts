import type { EventResult, EventWaiter } from "./external-events.ts";
import type { OrchestrationScope } from "./orchestration-scope.ts";
import { DurableTask } from "./task.ts";

/**
 * Waits for an external event.
 *
 * A kept event is taken at once, without a timer and without an action id; so does a wait whose time limit is now give up at
 * once. Only a wait with a limit sets a timer, which is dropped when the event wins.
 *
 * @param deadlineMs epoch ms of the time limit; `undefined` waits without one.
 * @param toResult makes the task's result of the converted payload.
 */
export function waitForEvent<R>(
  scope: OrchestrationScope,
  name: string,
  deadlineMs: number | undefined,
  toResult: (value: unknown) => R,
): DurableTask<R> {
  const task: DurableTask<R> = new DurableTask<R>(scope, {
    durable: true,
    onCancel: () => leave(),
    cancelError: () => scope.cancelError(),
  });
  const deliver = (input: string | undefined): void => {
    try {
      task.complete(toResult(scope.payloads.fromText(input, `the payload of event '${name}'`)));
    } catch (error) {
      task.fail(error);
    }
  };
  const kept = scope.events.take(name);
  if (kept !== undefined) {
    deliver(kept.input);
    return task;
  }
  const timedOut = (): void => task.complete({ timedOut: true } satisfies EventResult<unknown> as R);
  if (deadlineMs !== undefined && deadlineMs <= scope.nowMs) {
    timedOut();
    return task;
  }

  let timerId: number | undefined;
  const waiter: EventWaiter = {
    name,
    deadlineMs,
    deliver: (input) => {
      if (timerId !== undefined) scope.cancelTimer(timerId);
      deliver(input);
    },
  };
  const leave = (): void => {
    scope.events.drop(waiter);
    if (timerId !== undefined) scope.cancelTimer(timerId);
  };
  scope.events.wait(waiter);
  if (deadlineMs !== undefined) {
    timerId = scope.setTimer({
      fireAtMs: deadlineMs,
      name,
      origin: () => ({ case: "externalEvent", value: { name } }),
      onFired: () => {
        timerId = undefined;
        scope.events.drop(waiter);
        timedOut();
      },
    });
  }
  return task;
}
