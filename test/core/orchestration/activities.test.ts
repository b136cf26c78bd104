import { describe, expect, it, vi } from "vitest";
import { AbortedError, NotRegisteredError } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/hub/logger.ts";
import type { ActivityContext } from "../../../src/core/orchestration/activity-context.ts";
import { hostTimers } from "../../../src/core/orchestration/activity-runner.ts";
import type { ActivityFunction } from "../../../src/core/orchestration/context.ts";
import {
  InProcessExecutor,
  type InProcessExecutorOptions,
} from "../../../src/core/orchestration/in-process-executor.ts";
import { TaskRegistry } from "../../../src/core/orchestration/registry.ts";
import { NonRetriableError } from "../../../src/core/orchestration/task-failed-error.ts";
import { type TaskScheduledFields, taskScheduled } from "../../../src/core/protocol/events.ts";
import type { HistoryEvent } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { done, T0 } from "./turns.ts";

function executorOf(
  fn?: ActivityFunction<never, unknown>,
  options: Partial<InProcessExecutorOptions> = {},
): InProcessExecutor {
  const registry = new TaskRegistry();
  if (fn !== undefined) registry.addActivity("act", fn);
  return new InProcessExecutor({ registry, logger: silentLogger(), now: () => T0, ...options });
}

const scheduled = (fields: Partial<TaskScheduledFields> = {}, id = 3): HistoryEvent =>
  taskScheduled(id, { name: "act", taskExecutionId: "t-1", ...fields }, T0);

async function run(
  fn: ActivityFunction<never, unknown>,
  fields: Partial<TaskScheduledFields> = {},
  options: Partial<InProcessExecutorOptions> = {},
) {
  const event = await executorOf(fn, options).executeActivity({ instanceId: "i", event: scheduled(fields) });
  return event.eventType;
}

/** Timers that fire when told to. */
function manualTimers() {
  const set = new Map<() => void, number>();
  return {
    timers: {
      set: (ms: number, fn: () => void) => {
        set.set(fn, ms);
        return () => void set.delete(fn);
      },
    },
    fire: () => {
      for (const fn of [...set.keys()]) fn();
    },
    set,
  };
}

describe("an activity", () => {
  it("knows its attempt", async () => {
    const seen: unknown[] = [];
    const result = await run(
      (ctx: ActivityContext, input) => {
        seen.push(
          ctx.instanceId,
          ctx.name,
          ctx.taskId,
          ctx.taskExecutionId,
          ctx.attempt,
          ctx.tags,
          ctx.signal.aborted,
          input,
        );
        return "ok";
      },
      { input: '{"a":1}', attempt: 2, tags: { k: "v" } },
    );
    expect(seen).toEqual(["i", "act", 3, "t-1", 2, { k: "v" }, false, { a: 1 }]);
    expect(result).toMatchObject({
      case: "taskCompleted",
      value: { taskScheduledId: 3, result: '"ok"', taskExecutionId: "t-1" },
    });
  });

  it.each([
    [0, "0"],
    ["", '""'],
    [false, "false"],
    [null, "null"],
    [undefined, undefined],
  ])("that returns %j says so exactly", async (value, text) => {
    expect((await run(async () => value)).value).toMatchObject(
      text === undefined ? { taskScheduledId: 3 } : { result: text },
    );
  });

  it("with the id 0 works", async () => {
    const event = await executorOf(() => 1).executeActivity({ instanceId: "i", event: scheduled({}, 0) });
    expect(event.eventType).toMatchObject({ case: "taskCompleted", value: { taskScheduledId: 0 } });
  });

  it("that throws, whatever it throws, is a failure, not a rejection", async () => {
    for (const [thrown, type, message] of [
      [new RangeError("r"), "RangeError", "r"],
      ["text", "string", "text"],
      [undefined, "undefined", "undefined"],
      [null, "null", "null"],
    ] as const) {
      for (const fn of [
        () => {
          throw thrown;
        },
        async () => {
          throw thrown;
        },
      ]) {
        expect(await run(fn)).toMatchObject({
          case: "taskFailed",
          value: {
            taskScheduledId: 3,
            taskExecutionId: "t-1",
            failureDetails: { errorType: type, errorMessage: message, isNonRetriable: false },
          },
        });
      }
    }
  });

  it("says what must not be retried", async () => {
    expect(
      await run(() => {
        throw new NonRetriableError("no");
      }),
    ).toMatchObject({ value: { failureDetails: { isNonRetriable: true } } });
  });

  it("with a result that is too large or no data fails for good", async () => {
    expect(await run(() => "x".repeat(50), {}, { maxPayloadBytes: 20 })).toMatchObject({
      case: "taskFailed",
      value: { failureDetails: { errorType: "PayloadTooLargeError", isNonRetriable: true } },
    });
    expect(await run(() => 1n)).toMatchObject({
      value: { failureDetails: { errorType: "PayloadNotSerializableError", isNonRetriable: true } },
    });
  });

  it("with an input that cannot be read fails for good", async () => {
    expect(await run(() => 1, { input: "{" })).toMatchObject({
      value: { failureDetails: { errorType: "PayloadNotSerializableError", isNonRetriable: true } },
    });
  });

  it("that takes too long fails at once, and its signal aborts with the reason", async () => {
    const clock = manualTimers();
    let reason: unknown;
    const executor = executorOf(
      (ctx: ActivityContext) => {
        ctx.signal.addEventListener("abort", () => {
          reason = ctx.signal.reason;
        });
        return new Promise(() => {});
      },
      { timers: clock.timers },
    );
    const answer = executor.executeActivity({ instanceId: "i", event: scheduled({ timeoutMs: 2500 }) });
    await Promise.resolve();
    await Promise.resolve();
    expect([...clock.set.values()]).toEqual([2500]);
    clock.fire();
    expect((await answer).eventType).toMatchObject({
      case: "taskFailed",
      value: {
        failureDetails: {
          errorType: "TaskTimedOutError",
          errorMessage: "activity 'act' did not finish within 2500 ms",
          isNonRetriable: false,
        },
      },
    });
    expect(reason).toMatchObject({ code: "task_timed_out" });
    expect(clock.set.size).toBe(0);
  });

  it("that fails after its time was over is no unhandled rejection", async () => {
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    await run(
      async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        throw new Error("late");
      },
      { timeoutMs: 1 },
    );
    await new Promise((resolve) => setTimeout(resolve, 15));
    process.off("unhandledRejection", unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  it("that is aborted from outside counts as not made: the call rejects at once", async () => {
    const controller = new AbortController();
    let aborted = false;
    const executor = executorOf((ctx: ActivityContext) => {
      ctx.signal.addEventListener("abort", () => {
        aborted = true;
      });
      return new Promise(() => {});
    });
    const answer = executor.executeActivity({ instanceId: "i", event: scheduled(), signal: controller.signal });
    await new Promise((resolve) => setTimeout(resolve, 1));
    controller.abort(new Error("stop"));
    await expect(answer).rejects.toThrow(AbortedError);
    expect(aborted).toBe(true);
    await expect(
      executor.executeActivity({ instanceId: "i", event: scheduled(), signal: controller.signal }),
    ).rejects.toThrow(AbortedError);
  });

  it("is aborted by a shutdown, after which calls reject", async () => {
    const executor = executorOf(() => new Promise(() => {}));
    const answer = executor.executeActivity({ instanceId: "i", event: scheduled() });
    const rejected = expect(answer).rejects.toThrow(AbortedError);
    await executor.shutdown();
    await rejected;
    await expect(executor.executeActivity({ instanceId: "i", event: scheduled() })).rejects.toThrow("shut down");
  });

  it("that nobody registered is parked, or fails as in the reference", async () => {
    await expect(executorOf().executeActivity({ instanceId: "i", event: scheduled() })).rejects.toThrow(
      NotRegisteredError,
    );
    const event = await executorOf(undefined, { unregistered: "fail" }).executeActivity({
      instanceId: "i",
      event: scheduled(),
    });
    expect(event.eventType).toMatchObject({
      case: "taskFailed",
      value: {
        failureDetails: {
          errorType: "TaskActivityNotRegistered",
          errorMessage: "no task activity named 'act' was registered",
        },
      },
    });
  });

  it("may be run by the wildcard", async () => {
    const registry = new TaskRegistry().addActivity("*", (ctx) => `any ${ctx.name}`);
    const event = await new InProcessExecutor({ registry }).executeActivity({ instanceId: "i", event: scheduled() });
    expect(event.eventType.value).toMatchObject({ result: '"any act"' });
  });

  it("is begun by a TaskScheduled event only", async () => {
    await expect(executorOf(() => 1).executeActivity({ instanceId: "i", event: done(1) })).rejects.toMatchObject({
      code: "invalid_argument",
    });
  });
});

it("the host's timers take times beyond what setTimeout can", () => {
  vi.useFakeTimers();
  const fn = vi.fn();
  const cancel = hostTimers.set(30 * 86_400_000, fn);
  vi.advanceTimersByTime(29 * 86_400_000);
  expect(fn).not.toHaveBeenCalled();
  vi.advanceTimersByTime(86_400_000);
  expect(fn).toHaveBeenCalledTimes(1);
  cancel();
  const other = vi.fn();
  hostTimers.set(30 * 86_400_000, other)();
  vi.advanceTimersByTime(40 * 86_400_000);
  expect(other).not.toHaveBeenCalled();
  vi.useRealTimers();
});
