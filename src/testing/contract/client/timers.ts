import type { OrchestratorReference } from "../../../core/orchestration/context.ts";
import { defineOrchestrator } from "../../../core/orchestration/references.ts";
import type { AnyTaskReference } from "../../../core/orchestration/registry.ts";
import { ACTIVITY } from "../activities.ts";
import { assert, assertDefined, assertEqual } from "../assert.ts";
import { begin, type ClientSuite, end, outcome, output, run, twice } from "../case.ts";

/** Waits for so many milliseconds. */
export const timerOrchestrator: OrchestratorReference<number, string> = defineOrchestrator(
  "contract.timer",
  async (ctx, ms: number) => {
    await ctx.createTimer(ms);
    return "fired";
  },
);
const pastTimer = defineOrchestrator("contract.pastTimer", async (ctx) => {
  await ctx.createTimer(new Date(0));
  return "fired";
});
const threeTimers = defineOrchestrator("contract.threeTimers", async (ctx) => {
  const timers = [ctx.createTimer(30), ctx.createTimer(30), ctx.createTimer(30)];
  for (const one of timers) await one;
  return "fired";
});
const timersInOrder = defineOrchestrator("contract.timersInOrder", async (ctx) => {
  const order: number[] = [];
  const wait = async (ms: number): Promise<void> => {
    await ctx.createTimer(ms);
    order.push(ms);
  };
  await Promise.all([wait(60), wait(20), wait(40)]);
  return order;
});
const replaying = defineOrchestrator("contract.replaying", async (ctx) => {
  const seen = [ctx.isReplaying];
  await ctx.createTimer(0);
  seen.push(ctx.isReplaying);
  await ctx.createTimer(0);
  seen.push(ctx.isReplaying);
  return seen;
});
const firstOf = defineOrchestrator("contract.firstOf", async (ctx) => {
  const work = ctx.callActivity<string>(ACTIVITY.slow, { ms: 10, value: "work" });
  const limit = ctx.createTimer("10m");
  const winner = await ctx.whenAny([work, limit]);
  return winner === (work as unknown) ? "work" : "limit";
});
const clockwork = defineOrchestrator("contract.clockwork", async (ctx) => {
  const times = [ctx.currentTime.getTime()];
  await ctx.createTimer(10);
  times.push(ctx.currentTime.getTime());
  await ctx.callActivity(ACTIVITY.echo, "now");
  times.push(ctx.currentTime.getTime());
  return times;
});

/** The orchestrators of this file's tests. */
export const timerOrchestrators: readonly AnyTaskReference[] = [
  timerOrchestrator,
  pastTimer,
  threeTimers,
  timersInOrder,
  replaying,
  firstOf,
  clockwork,
];

/** Durable timers and the time that orchestrators see. */
export function timerTests(suite: ClientSuite): void {
  suite.runner.describe("timers", () => {
    twice(suite, "a timer of no time fires", async (hub) => {
      const done = await run(hub, timerOrchestrator, 0);
      assertEqual(output(hub, done), "fired", "output");
      return outcome(hub, done);
    });

    twice(suite, "a timer in the past means now", async (hub) => {
      const done = await run(hub, pastTimer);
      assertEqual(output(hub, done), "fired", "output");
      return outcome(hub, done);
    });

    twice(suite, "a timer does not fire early", async (hub) => {
      const done = await run(hub, timerOrchestrator, 40);
      const took = assertDefined(done.completedAt, "completedAt").getTime() - done.createdAt.getTime();
      assert(took >= 40, `a timerOrchestrator of 40 ms fired after ${took} ms`);
      return outcome(hub, done);
    });

    twice(suite, "timers that run at once do not add up", async (hub) => {
      const done = await run(hub, threeTimers);
      assertEqual(output(hub, done), "fired", "output");
      const took = assertDefined(done.completedAt, "completedAt").getTime() - done.createdAt.getTime();
      assert(took >= 30 && (suite.setup.time === "real" || took < 90), `three timers of 30 ms took ${took} ms`);
      return outcome(hub, done);
    });

    twice(suite, "timers fire in the order of their times", async (hub) => {
      const done = await run(hub, timersInOrder);
      assertEqual(output(hub, done), [20, 40, 60], "order");
      return outcome(hub, done);
    });

    twice(suite, "isReplaying is true for what ran in an earlier turn, and only then", async (hub, cache) => {
      const done = await run(hub, replaying);
      // A kept orchestrator is never run again: each line runs once, and is new then.
      assertEqual(output(hub, done), cache === "kept" ? [false, false, false] : [true, true, false], "isReplaying");
    });

    twice(suite, "work that wins against a timer ends the orchestration, whatever the timer's time", async (hub) => {
      const done = await run(hub, firstOf);
      assertEqual(output(hub, done), "work", "winner");
      assertEqual(done.waitingOn.timers, [], "timers of an ended instance");
      return outcome(hub, done);
    });

    twice(suite, "the time of an orchestrator never goes back, and a turn has one time", async (hub) => {
      const done = await run(hub, clockwork);
      const times = output(hub, done) as number[];
      assertEqual(
        times.toSorted((one, other) => one - other),
        times,
        "times",
      );
      assert(
        (times[1] ?? 0) - (times[0] ?? 0) >= 10,
        `a timerOrchestrator of 10 ms, by the orchestrator's time: ${times}`,
      );
      // Where time is real it differs from run to run.
      return times.length;
    });

    twice(suite, "a scheduled start does not begin early, and says when it is due", async (hub) => {
      const startAt = new Date((await run(hub, timerOrchestrator, 0)).lastUpdatedAt.getTime() + 400);
      const id = await begin(hub, timerOrchestrator, 0, { startAt });
      await hub.after(0);
      const pending = await hub.client.fetchOrchestrationMetadata(id);
      assertEqual(pending.runtimeStatus, "PENDING", "status before the start");
      assertEqual(pending.startedAt, undefined, "startedAt before the start");
      assertEqual(pending.scheduledStartAt, startAt, "scheduledStartAt");
      const done = await end(hub, id);
      const startedAt = assertDefined(done.startedAt, "startedAt");
      assert(startedAt.getTime() >= startAt.getTime(), "it started before its time");
      return outcome(hub, done);
    });

    twice(suite, "a scheduled start in the past means now", async (hub) => {
      const done = await run(hub, timerOrchestrator, 0, { startAt: new Date(1000) });
      assertEqual(output(hub, done), "fired", "output");
      return outcome(hub, done);
    });
  });
}
