import type { OrchestratorReference } from "../../../core/orchestration/context.ts";
import { defineOrchestrator } from "../../../core/orchestration/references.ts";
import type { AnyTaskReference } from "../../../core/orchestration/registry.ts";
import { TaskFailedError } from "../../../core/orchestration/task-failed-error.ts";
import { ACTIVITY } from "../activities.ts";
import { assert, assertContains, assertDefined, assertEqual } from "../assert.ts";
import { type ClientSuite, historyKinds, outcome, output, run, runs, twice } from "../case.ts";

/** Does nothing. */
export const emptyOrchestrator: OrchestratorReference<unknown, undefined> = defineOrchestrator(
  "contract.empty",
  async () => undefined,
);
/** Calls one activity. */
export const singleOrchestrator: OrchestratorReference<string, string> = defineOrchestrator(
  "contract.single",
  async (ctx, name: string) => ctx.callActivity<string>(ACTIVITY.hello, name),
);
/** Calls so many activities, one after the other. */
export const chainOrchestrator: OrchestratorReference<number, number> = defineOrchestrator(
  "contract.chain",
  async (ctx, length: number) => {
    let value = 0;
    for (let step = 0; step < length; step++) value = await ctx.callActivity<number>(ACTIVITY.plusOne, value);
    return value;
  },
);
const generatorChain = defineOrchestrator("contract.generatorChain", function* (ctx, length: number) {
  let value = 0;
  for (let step = 0; step < length; step++) value = yield* ctx.callActivity<number>(ACTIVITY.plusOne, value);
  return value;
});
const fanOut = defineOrchestrator("contract.fanOut", async (ctx, width: number) => {
  const tasks = Array.from({ length: width }, (_, index) => ctx.callActivity<number>(ACTIVITY.plusOne, index));
  return ctx.whenAll(tasks);
});
const slowFanOut = defineOrchestrator("contract.slowFanOut", async (ctx, width: number) => {
  const tasks = Array.from({ length: width }, (_, value) => ctx.callActivity<number>(ACTIVITY.slow, { ms: 40, value }));
  return ctx.whenAll(tasks);
});
/** Calls an activity that fails with the given message. */
export const failingOrchestrator: OrchestratorReference<string, unknown> = defineOrchestrator(
  "contract.failing",
  async (ctx, message: string) => ctx.callActivity(ACTIVITY.fail, message),
);
const retrying = defineOrchestrator("contract.retrying", (ctx, maxAttempts: number) =>
  ctx.callActivity(ACTIVITY.fail, "always", { retry: { maxAttempts, firstDelay: 10 } }),
);
const recovering = defineOrchestrator("contract.recovering", (ctx, attempt: number) =>
  ctx.callActivity<number>(ACTIVITY.failUntil, attempt, { retry: { maxAttempts: 5, firstDelay: 5, backoff: 2 } }),
);
const finalFailure = defineOrchestrator("contract.finalFailure", (ctx) =>
  ctx.callActivity(ACTIVITY.failFinally, "pointless", { retry: { maxAttempts: 5, firstDelay: 5 } }),
);
const catching = defineOrchestrator("contract.catching", async (ctx) => {
  try {
    return await ctx.callActivity(ACTIVITY.fail, "caught");
  } catch (error) {
    if (!(error instanceof TaskFailedError)) throw error;
    const { errorType, failure } = error;
    return { errorType, message: failure.errorMessage, inner: failure.innerFailure?.errorMessage };
  }
});
const slowAttempt = defineOrchestrator("contract.slowAttempt", async (ctx) => {
  try {
    return await ctx.callActivity(ACTIVITY.slow, { ms: 200, value: "too late" }, { timeout: 20 });
  } catch (error) {
    if (!(error instanceof TaskFailedError)) throw error;
    return error.errorType;
  }
});
const twoRetried = defineOrchestrator("contract.twoRetried", async (ctx) => {
  const retry = { maxAttempts: 3, firstDelay: 5 };
  const settled = ctx.whenAllSettled([
    ctx.callActivity(ACTIVITY.fail, "one", { retry }),
    ctx.callActivity(ACTIVITY.fail, "two", { retry }),
  ]);
  await settled;
  return "done";
});
const who = defineOrchestrator("contract.who", (ctx) => ctx.callActivity<{ taskExecutionId: string }>(ACTIVITY.who));

/** The orchestrators of this file's tests. */
export const activityOrchestrators: readonly AnyTaskReference[] = [
  emptyOrchestrator,
  singleOrchestrator,
  chainOrchestrator,
  generatorChain,
  fanOut,
  slowFanOut,
  failingOrchestrator,
  retrying,
  recovering,
  finalFailure,
  catching,
  slowAttempt,
  twoRetried,
  who,
];

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Activities: calls, chains, fan-outs, failures and retries. */
export function activityTests(suite: ClientSuite): void {
  suite.runner.describe("activities", () => {
    twice(suite, "an orchestration that does nothing completes", async (hub) => {
      const done = await run(hub, emptyOrchestrator);
      assertEqual(done.runtimeStatus, "COMPLETED", "status");
      assertEqual(done.output, undefined, "output");
      return outcome(hub, done);
    });

    twice(suite, "an activity's result is the orchestration's output, in any script", async (hub) => {
      const done = await run(hub, singleOrchestrator, "世界");
      assertEqual(output(hub, done), "Hello, 世界!", "output");
      assertEqual(done.input, JSON.stringify("世界"), "input");
      assertEqual(done.name, singleOrchestrator.name, "name");
      assert(done.lastUpdatedAt.getTime() >= done.createdAt.getTime(), "it was updated before it was created");
      return outcome(hub, done);
    });

    twice(suite, "ten activities one after the other see each other's results", async (hub) => {
      const done = await run(hub, chainOrchestrator, 10);
      assertEqual(output(hub, done), 10, "output");
      const scheduled = (await historyKinds(hub, done.instanceId)).filter((kind) => kind.startsWith("taskScheduled"));
      assertEqual(
        scheduled,
        Array.from({ length: 10 }, (_, id) => `taskScheduled#${id}`),
        "scheduled tasks",
      );
      assertEqual((await runs(hub, done.instanceId, "plusOne")).length, 10, "runs");
      return outcome(hub, done);
    });

    twice(suite, "a generator orchestrator gets the same results as an async one", async (hub) => {
      const done = await run(hub, generatorChain, 10);
      assertEqual(output(hub, done), 10, "output");
      return outcome(hub, done);
    });

    twice(suite, "a fan-out gets its results in the order of its calls", async (hub) => {
      const done = await run(hub, fanOut, 50);
      assertEqual(
        output(hub, done),
        Array.from({ length: 50 }, (_, index) => index + 1),
        "output",
      );
      assertEqual((await runs(hub, done.instanceId, "plusOne")).length, 50, "runs");
      return outcome(hub, done);
    });

    twice(suite, "activities of a fan-out run side by side", async (hub) => {
      const done = await run(hub, slowFanOut, 10);
      assertEqual(output(hub, done), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "output");
      const took = assertDefined(done.completedAt, "completedAt").getTime() - done.createdAt.getTime();
      assert(took < 400, `ten activities of 40 ms took ${took} ms: one after the other`);
      return outcome(hub, done);
    });

    twice(suite, "an activity's failure fails the orchestration, with type, message and cause", async (hub) => {
      const done = await run(hub, failingOrchestrator, "boom");
      assertEqual(done.runtimeStatus, "FAILED", "status");
      const failure = assertDefined(done.failureDetails, "failureDetails");
      assertContains(failure.errorMessage, "boom", "message");
      const texts = JSON.stringify(failure);
      assertContains(texts, "RangeError", "failure");
      assertContains(texts, "the cause of boom", "failure");
      return outcome(hub, done);
    });

    twice(suite, "an orchestrator catches a failure with its type, message and cause", async (hub) => {
      const done = await run(hub, catching);
      const expected = { errorType: "RangeError", message: "caught", inner: "the cause of caught" };
      assertEqual(output(hub, done), expected, "output");
      return outcome(hub, done);
    });

    twice(suite, "a failing activity is tried as often as its policy says, with timers between", async (hub) => {
      const done = await run(hub, retrying, 3);
      assertEqual(done.runtimeStatus, "FAILED", "status");
      assertEqual((await runs(hub, done.instanceId, "fail")).length, 3, "attempts");
      const took = assertDefined(done.completedAt, "completedAt").getTime() - done.createdAt.getTime();
      assert(took >= 20, `two delays of 10 ms took ${took} ms`);
      const ids = (await historyKinds(hub, done.instanceId)).filter((kind) => kind.includes("#"));
      assertEqual(
        ids,
        [
          "taskScheduled#0",
          "timerCreated#1",
          "taskScheduled#2",
          "timerCreated#3",
          "taskScheduled#4",
          "executionCompleted#5",
        ],
        "actions",
      );
      return outcome(hub, done);
    });

    twice(suite, "a retried activity that recovers completes the orchestration", async (hub) => {
      const done = await run(hub, recovering, 3);
      assertEqual(output(hub, done), 3, "the attempt that succeeded");
      assertEqual(
        await runs(hub, done.instanceId, "failUntil"),
        ["failUntil 1", "failUntil 2", "failUntil 3"],
        "attempts",
      );
      return outcome(hub, done);
    });

    twice(suite, "a failure that is marked non-retriable is not retried", async (hub) => {
      const done = await run(hub, finalFailure);
      assertEqual(done.runtimeStatus, "FAILED", "status");
      assertEqual(await runs(hub, done.instanceId, "failFinally"), ["failFinally 1"], "attempts");
      return outcome(hub, done);
    });

    twice(suite, "an attempt that exceeds its time limit fails as timed out", async (hub) => {
      const done = await run(hub, slowAttempt);
      assertEqual(output(hub, done), "TaskTimedOutError", "output");
      return outcome(hub, done);
    });

    twice(suite, "all attempts of a call have one task execution id, and two calls have two", async (hub) => {
      const one = await run(hub, retrying, 3);
      const ids = (await runs(hub, one.instanceId, "fail")).map((entry) => entry.split(" ")[2] ?? "");
      assertEqual(new Set(ids).size, 1, "ids of three attempts");
      assert(UUID.test(ids[0] ?? ""), `the task execution id is no UUID: ${ids[0]}`);
      const two = await run(hub, twoRetried);
      assertEqual(output(hub, two), "done", "output");
      const counts = new Map<string, number>();
      for (const entry of await runs(hub, two.instanceId, "fail")) {
        const id = entry.split(" ")[2] ?? "";
        counts.set(id, (counts.get(id) ?? 0) + 1);
      }
      assertEqual([...counts.values()], [3, 3], "attempts by task execution id");
      return outcome(hub, two);
    });

    twice(suite, "a call without retries has a UUID for a task execution id", async (hub) => {
      const done = await run(hub, who);
      const seen = output(hub, done) as { taskId: number; attempt: number; taskExecutionId: string };
      assert(UUID.test(seen.taskExecutionId), `the task execution id is no UUID: ${seen.taskExecutionId}`);
      assertEqual([seen.taskId, seen.attempt], [0, 1], "task id and attempt");
    });
  });
}
