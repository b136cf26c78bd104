import { defineOrchestrator } from "../../../core/orchestration/references.ts";
import type { AnyTaskReference } from "../../../core/orchestration/registry.ts";
import { ACTIVITY } from "../activities.ts";
import { assert, assertDefined, assertEqual } from "../assert.ts";
import { begin, type ClientSuite, end, historyKinds, outcome, output, run, runs, twice, until } from "../case.ts";

const counting = defineOrchestrator(
  "contract.counting",
  async (ctx, { value, limit }: { value: number; limit: number }) => {
    await ctx.createTimer(0);
    if (value < limit) ctx.continueAsNew({ value: value + 1, limit });
    return value;
  },
);
const tightLoop = defineOrchestrator(
  "contract.tightLoop",
  async (ctx, { value, limit }: { value: number; limit: number }) => {
    if (value < limit) ctx.continueAsNew({ value: value + 1, limit });
    return value;
  },
);
const collecting = defineOrchestrator("contract.collecting", async (ctx, count: number) => {
  const isLast = await ctx.waitForExternalEvent<boolean>("item");
  if (isLast) return count;
  ctx.continueAsNew(count + 1, { keepEvents: true });
  return undefined;
});
const forgetful = defineOrchestrator("contract.forgetful", async (ctx, generation: number) => {
  if (generation === 0) {
    await ctx.waitForExternalEvent("next");
    ctx.continueAsNew(1);
    return undefined;
  }
  const result = await ctx.waitForExternalEvent("other", { timeout: 20 });
  return result.timedOut ? "forgotten" : result.value;
});
const fenced = defineOrchestrator("contract.fenced", async (ctx, generation: number) => {
  // Both generations call their activity as action 0: the old one's late result must not answer the new one's call.
  const task = ctx.callActivity<string>(ACTIVITY.slow, {
    ms: generation === 0 ? 300 : 600,
    value: `generation ${generation}`,
  });
  if (generation === 1) return task;
  await ctx.waitForExternalEvent("next");
  ctx.continueAsNew(1);
  return undefined;
});
const fencedTimer = defineOrchestrator("contract.fencedTimer", async (ctx, generation: number) => {
  const begun = ctx.currentTime.getTime();
  const timer = ctx.createTimer(generation === 0 ? 300 : 600);
  if (generation === 0) {
    await ctx.waitForExternalEvent("next");
    ctx.continueAsNew(1);
    return undefined;
  }
  await timer;
  return ctx.currentTime.getTime() - begun >= 600 ? "its own timer" : "the old timer";
});
const fencedChild = defineOrchestrator("contract.fencedChild", async (ctx, generation: number) => {
  const child = ctx.callSubOrchestrator<string>("contract.slowChild", {
    ms: generation === 0 ? 300 : 600,
    value: `generation ${generation}`,
  });
  if (generation === 1) return child;
  await ctx.waitForExternalEvent("next");
  ctx.continueAsNew(1);
  return undefined;
});
const slowChild = defineOrchestrator("contract.slowChild", (ctx, input: { ms: number; value: string }) =>
  ctx.callActivity<string>(ACTIVITY.slow, input),
);
const remembering = defineOrchestrator("contract.remembering", async (ctx, generation: number) => {
  if (generation === 0) {
    ctx.setCustomStatus("of the first generation");
    ctx.continueAsNew(1);
    return undefined;
  }
  await ctx.createTimer(0);
  return { name: ctx.name, version: ctx.version, tags: ctx.tags };
});

/** The orchestrators of this file's tests. */
export const continueAsNewOrchestrators: readonly AnyTaskReference[] = [
  counting,
  tightLoop,
  collecting,
  forgetful,
  fenced,
  fencedTimer,
  fencedChild,
  slowChild,
  remembering,
];

/** Continue-as-new: what survives it, and what must not. */
export function continueAsNewTests(suite: ClientSuite): void {
  suite.runner.describe("continue as new", () => {
    twice(suite, "an orchestration begins anew ten times, each time with an empty history", async (hub) => {
      const done = await run(hub, counting, { value: 0, limit: 10 });
      assertEqual(output(hub, done), 10, "output");
      assertEqual(done.generation, 10, "generation");
      const kinds = await historyKinds(hub, done.instanceId);
      assertEqual(kinds.filter((kind) => kind === "executionStarted").length, 1, "starts in the last history");
      assertEqual(
        kinds.filter((kind) => kind.startsWith("timerCreated")),
        ["timerCreated#0"],
        "timers in the last history",
      );
      return outcome(hub, done);
    });

    twice(suite, "a tight loop of more generations than one turn takes goes on in new turns", async (hub) => {
      const done = await run(hub, tightLoop, { value: 0, limit: 100 });
      assertEqual(output(hub, done), 100, "output");
      assertEqual(done.generation, 100, "generation");
      return outcome(hub, done);
    });

    twice(suite, "no event of a burst is lost when events are kept", async (hub) => {
      const id = await begin(hub, collecting, 0);
      for (let index = 0; index < 10; index++) await hub.client.raiseEvent(id, "item", false);
      await hub.client.raiseEvent(id, "item", true);
      const done = await end(hub, id);
      assertEqual(output(hub, done), 10, "output");
      return outcome(hub, done);
    });

    twice(suite, "no event of a burst beyond the limit of a turn is lost, nor its order", async (hub) => {
      const id = await begin(hub, collecting, 0);
      for (let index = 0; index < 60; index++) await hub.client.raiseEvent(id, "item", false);
      await hub.client.raiseEvent(id, "item", true);
      const done = await end(hub, id);
      assertEqual(output(hub, done), 60, "output");
      return outcome(hub, done);
    });

    twice(suite, "events that arrived and were not taken are dropped unless they are kept", async (hub) => {
      const id = await begin(hub, forgetful, 0);
      await hub.client.raiseEvent(id, "other", "unread");
      await until(hub, id, ({ runtimeStatus }) => runtimeStatus === "RUNNING", "running");
      await hub.after(5);
      await hub.client.raiseEvent(id, "next");
      const done = await end(hub, id);
      assertEqual(output(hub, done), "forgotten", "output");
      return outcome(hub, done);
    });

    twice(suite, "an activity's late result does not answer the next generation's call of the same id", async (hub) => {
      const id = await begin(hub, fenced, 0);
      await until(hub, id, ({ waitingOn }) => waitingOn.activities.length === 1, "the activity");
      await hub.client.raiseEvent(id, "next");
      const done = await end(hub, id);
      assertEqual(output(hub, done), "generation 1", "output");
      assertEqual((await runs(hub, id, "slow ends")).length, 2, "activities that ended");
      return outcome(hub, done);
    });

    twice(suite, "a timer of an old generation does not fire in the next one", async (hub) => {
      const id = await begin(hub, fencedTimer, 0);
      await until(hub, id, ({ waitingOn }) => waitingOn.timers.length === 1, "the timer");
      await hub.client.raiseEvent(id, "next");
      const done = await end(hub, id);
      assertEqual(output(hub, done), "its own timer", "output");
      return outcome(hub, done);
    });

    twice(suite, "a child's late result does not answer the next generation's call of the same id", async (hub) => {
      const id = await begin(hub, fencedChild, 0);
      await until(hub, id, ({ waitingOn }) => waitingOn.children.length === 1, "the child");
      await hub.client.raiseEvent(id, "next");
      const done = await end(hub, id);
      assertEqual(output(hub, done), "generation 1", "output");
      return outcome(hub, done);
    });

    twice(suite, "name, version and tags go on into the next generation; the first start time stays", async (hub) => {
      const options = { version: "2", tags: { colour: "blue" } };
      const done = await run(hub, remembering, 0, options);
      assertEqual(output(hub, done), { name: remembering.name, ...options }, "what the second generation sees");
      assertEqual([done.version, done.tags], ["2", { colour: "blue" }], "metadata");
      assertEqual(done.input, "1", "the input of the second generation");
      const startedAt = assertDefined(done.startedAt, "startedAt").getTime();
      assert(
        startedAt >= done.createdAt.getTime() && startedAt <= done.lastUpdatedAt.getTime(),
        "startedAt is out of range",
      );
      return outcome(hub, done);
    });
  });
}
