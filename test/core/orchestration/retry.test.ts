import { describe, expect, it, vi } from "vitest";
import { InvalidArgumentError } from "../../../src/core/errors.ts";
import type { OrchestrationContext } from "../../../src/core/orchestration/context.ts";
import { checkRetryPolicy, computeNextDelay, type RetryPolicy } from "../../../src/core/orchestration/retry-policy.ts";
import { TaskFailedError } from "../../../src/core/orchestration/task-failed-error.ts";
import { childFailed, done, failed, fired, Instance, raised, T0, WAYS } from "./turns.ts";

describe("the next delay", () => {
  const first = 1_000_000;
  const policy = (more: Partial<RetryPolicy>) =>
    checkRetryPolicy({ maxAttempts: 10, firstDelay: "2s", backoff: 2, ...more });

  it.each([
    [0, 2000],
    [1, 4000],
    [2, 8000],
    [3, 10_000],
  ])("after %d retries it is %d ms: grown, then cut", (retries, ms) => {
    expect(computeNextDelay(policy({ maxDelay: "10s", timeout: "2m" }), retries, first, first + 60_000)).toBe(ms);
  });

  it("is none when the time is over, or would be at its end", () => {
    expect(computeNextDelay(policy({ timeout: "30s" }), 0, first, first + 60_000)).toBeUndefined();
    expect(computeNextDelay(policy({ timeout: "30s" }), 0, first, first + 30_000)).toBeUndefined();
    expect(computeNextDelay(policy({ timeout: "30s" }), 0, first, first + 28_000)).toBe(2000);
  });

  it("stays with a coefficient of 1", () => {
    expect(computeNextDelay(policy({ backoff: 1 }), 3, first, first)).toBe(2000);
    expect(computeNextDelay(checkRetryPolicy({ maxAttempts: 9, firstDelay: 2000 }), 3, first, first)).toBe(2000);
  });

  it("is always a whole number of milliseconds from 1, and never above the longest", () => {
    for (let n = 0; n < 2000; n++) {
      const backoff = 0.1 + (n % 40) / 10;
      const checked = policy({ firstDelay: 1 + (n % 97), backoff, ...(n % 2 === 0 ? { maxDelay: 50 } : {}) });
      const delay = computeNextDelay(checked, n % 30, first, first) ?? -1;
      expect(Number.isInteger(delay) && delay >= 1).toBe(true);
      if (n % 2 === 0) expect(delay).toBeLessThanOrEqual(50);
    }
  });
});

describe("a policy is checked", () => {
  it.each<[string, unknown]>([
    ["maxAttempts", 0],
    ["maxAttempts", -1],
    ["maxAttempts", 1.5],
    ["maxAttempts", Number.NaN],
    ["maxAttempts", Number.POSITIVE_INFINITY],
    ["maxAttempts", undefined],
    ["firstDelay", 0],
    ["firstDelay", -5],
    ["firstDelay", Number.NaN],
    ["firstDelay", "soon"],
    ["firstDelay", undefined],
    ["backoff", 0],
    ["backoff", Number.NaN],
    ["backoff", Number.POSITIVE_INFINITY],
    ["maxDelay", 0],
    ["maxDelay", Number.POSITIVE_INFINITY],
    ["timeout", 0],
    ["timeout", Number.NaN],
    ["handle", "always"],
  ])("%s must not be %j", (field, value) => {
    const policy = { maxAttempts: 3, firstDelay: "1s", [field]: value } as unknown as RetryPolicy;
    expect(() => checkRetryPolicy(policy)).toThrow(InvalidArgumentError);
    expect(() => checkRetryPolicy(policy)).toThrow(`retry.${field}`);
  });

  it("is not changed", () => {
    const policy = Object.freeze({ maxAttempts: 3, firstDelay: "1s" });
    expect(checkRetryPolicy(policy)).toMatchObject({ backoff: 1, firstDelayMs: 1000 });
  });
});

describe.each(WAYS)("retries of orchestrators $way", ({ cacheSize }) => {
  const retry: RetryPolicy = { maxAttempts: 3, firstDelay: "1s" };

  it("begin with the failure, not with the await: two failing calls are retried side by side", async () => {
    const run = new Instance(
      async (ctx) => {
        const [a, b] = [ctx.callActivity("a", 0, { retry }), ctx.callActivity("b", 0, { retry })];
        return [await a, await b];
      },
      { cacheSize },
    );
    await run.start();
    expect(await run.turn(failed(1))).toMatchObject([{ id: 2, is: "timer", name: "b-retry" }]);
    expect(await run.turn(failed(0))).toMatchObject([{ id: 3, is: "timer", name: "a-retry" }]);
    expect(await run.turn(fired(2))).toMatchObject([{ id: 4, is: "activity", name: "b" }]);
    expect(await run.turn(fired(3), done(4, "B"))).toMatchObject([{ id: 5, is: "activity", name: "a" }]);
    await run.turn(done(5, "A"));
    expect(run.output).toEqual(["A", "B"]);
  });

  it("stop at a non-retriable failure", async () => {
    const run = new Instance(async (ctx) => ctx.callActivity("a", 0, { retry }), { cacheSize });
    await run.start();
    await run.turn(failed(0, "never again", { isNonRetriable: true }));
    expect(run.failure.errorMessage).toContain("never again");
    expect(run.failure.isNonRetriable).toBe(true);
  });

  it("ask the handler, which sees the failure", async () => {
    const run = new Instance(
      async (ctx) =>
        ctx.callActivity("a", 0, {
          retry: { ...retry, handle: (failure) => failure.failure.errorMessage !== "fatal" },
        }),
      { cacheSize },
    );
    await run.start();
    expect(await run.turn(failed(0, "transient"))).toMatchObject([{ is: "timer" }]);
    await run.turn(fired(1));
    await run.turn(failed(2, "fatal"));
    expect(run.failure.errorMessage).toContain("fatal");
  });

  it("fail with what the handler throws", async () => {
    const handle = () => {
      throw new RangeError("handler broke");
    };
    const run = new Instance(async (ctx) => ctx.callActivity("a", 0, { retry: { ...retry, handle } }), { cacheSize });
    await run.start();
    await run.turn(failed(0));
    expect(run.failure).toMatchObject({ errorType: "RangeError", errorMessage: "handler broke" });
  });

  it("refuse an async handler, which would always say yes", async () => {
    const handle = (async () => false) as unknown as () => boolean;
    const run = new Instance(async (ctx) => ctx.callActivity("a", 0, { retry: { ...retry, handle } }), { cacheSize });
    await run.start();
    await run.turn(failed(0));
    expect(run.failure).toMatchObject({ errorType: "InvalidArgumentError" });
  });

  it("give up when the overall time is over", async () => {
    const run = new Instance(
      async (ctx) => ctx.callActivity("a", 0, { retry: { maxAttempts: 9, firstDelay: "1s", timeout: "2500ms" } }),
      { cacheSize },
    );
    await run.start();
    await run.turn(failed(0));
    await run.turn(fired(1));
    await run.turn(failed(2));
    expect(run.failure.errorMessage).toContain("boom");
  });

  it("of a sub-orchestration keep its id, and name the first child", async () => {
    const run = new Instance(
      async (ctx) => {
        try {
          await ctx.callSubOrchestrator("c", 1, { instanceId: "fixed", retry: { ...retry, maxAttempts: 2 } });
        } catch (error) {
          return error instanceof TaskFailedError ? [error.kind, error.taskId, error.message] : "?";
        }
        return "no";
      },
      { cacheSize },
    );
    expect(await run.start()).toMatchObject([{ id: 0, is: "child", instanceId: "fixed" }]);
    expect(await run.turn(childFailed(0))).toMatchObject([
      { id: 1, name: "c-retry", origin: "childWorkflowRetry", attempt: 2 },
    ]);
    const timer = run.answer.actions[0]?.orchestratorActionType;
    expect(timer?.case === "createTimer" && timer.value.origin.value).toMatchObject({ instanceId: "fixed" });
    expect(await run.turn(fired(1))).toMatchObject([{ id: 2, is: "child", instanceId: "fixed" }]);
    await run.turn(childFailed(2, "again"));
    expect(run.output).toEqual(["orchestrator", 2, "orchestrator 'c' failed: again"]);
  });

  it("without an id of their own, children are numbered by action", async () => {
    const run = new Instance(async (ctx) => ctx.callSubOrchestrator("c", 1, { retry }), { cacheSize });
    await run.start();
    await run.turn(childFailed(0));
    const timer = run.answer.actions[0]?.orchestratorActionType;
    expect(timer?.case === "createTimer" && timer.value.origin.value).toMatchObject({ instanceId: "inst:0000" });
    expect(await run.turn(fired(1))).toMatchObject([{ id: 2, instanceId: "" }]);
    const child = run.answer.actions[0]?.orchestratorActionType;
    expect(child?.case === "createSubOrchestration" && child.value.retryParentInstanceInfo?.instanceId).toBe(
      "inst:0000",
    );
  });

  it("end when the call is cancelled, during an attempt and during a delay", async () => {
    const orchestrator = async (ctx: OrchestrationContext) => {
      const call = ctx.callActivity("a", 0, { retry });
      await ctx.waitForExternalEvent("stop");
      call.cancel();
      return call.then(
        () => "done",
        (error: Error) => error.message,
      );
    };
    const first = new Instance(orchestrator, { cacheSize });
    await first.start();
    await first.turn(raised("stop"));
    expect([first.output, first.answer.cancelledTasks]).toEqual(["the task was canceled", [0]]);
    const second = new Instance(orchestrator, { cacheSize });
    await second.start();
    await second.turn(failed(0));
    await second.turn(raised("stop"));
    expect([second.output, second.answer.cancelledTimers]).toEqual(["the task was canceled", [1]]);
  });

  it("an attempt carries its time limit", async () => {
    const run = new Instance(async (ctx) => ctx.callActivity("a", 0, { retry, timeout: "30s" }), { cacheSize });
    expect(await run.start()).toMatchObject([{ timeoutMs: 30_000, attempt: 1 }]);
    await run.turn(failed(0));
    expect(await run.turn(fired(1))).toMatchObject([{ timeoutMs: 30_000, attempt: 2 }]);
  });

  it("bad options are thrown where they are passed, and use up no id", async () => {
    const run = new Instance(
      async (ctx) => {
        const errors: string[] = [];
        for (const call of [
          () => ctx.callActivity("a", 0, { retry: { maxAttempts: 0, firstDelay: 1 } }),
          () => ctx.callActivity("a", 0, { timeout: 0 }),
          () => ctx.callActivity("a", 1n),
          () => ctx.callActivity(""),
          () => ctx.callSubOrchestrator("c", 0, { instanceId: "" }),
          () => ctx.createTimer(Number.NaN),
          () => ctx.waitForExternalEvent(""),
          () => ctx.sendEvent("", "e"),
          () => ctx.sendEvent("i", ""),
          () => ctx.isPatched(""),
        ]) {
          try {
            void call();
          } catch (error) {
            errors.push((error as { code: string }).code);
          }
        }
        await ctx.callActivity("good");
        return errors;
      },
      { cacheSize },
    );
    expect(await run.start()).toMatchObject([{ id: 0, name: "good" }]);
    await run.turn(done(0));
    expect(run.output).toEqual(
      Array.from({ length: 10 }, (_, n) => (n === 2 ? "payload_not_serializable" : "invalid_argument")),
    );
  });

  it("a delay beyond the last nameable moment is cut to it", async () => {
    const run = new Instance(
      async (ctx) => ctx.callActivity("a", 0, { retry: { maxAttempts: 3, firstDelay: 1, backoff: 1e300 } }),
      { cacheSize },
    );
    await run.start();
    await run.turn(failed(0));
    await run.turn(fired(1));
    expect(await run.turn(failed(2))).toMatchObject([{ is: "timer", inMs: 253_402_300_799_999 - T0 }]);
  });
});

it("an unawaited failing call is no unhandled rejection", async () => {
  const unhandled = vi.fn();
  process.on("unhandledRejection", unhandled);
  const run = new Instance(async (ctx) => {
    void ctx.callActivity("lost");
    await ctx.createTimer("1h");
    return "fine";
  });
  await run.start();
  await run.turn(failed(0));
  await run.turn(fired(1));
  await new Promise((resolve) => setTimeout(resolve, 5));
  process.off("unhandledRejection", unhandled);
  expect(run.output).toBe("fine");
  expect(unhandled).not.toHaveBeenCalled();
});
