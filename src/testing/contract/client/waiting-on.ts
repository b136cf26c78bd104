import { describeWaiting, type OrchestrationMetadata } from "../../../core/hub/metadata.ts";
import { defineOrchestrator } from "../../../core/orchestration/references.ts";
import type { AnyTaskReference } from "../../../core/orchestration/registry.ts";
import { ACTIVITY } from "../activities.ts";
import { assert, assertContains, assertDefined, assertEqual } from "../assert.ts";
import { begin, type ClientSuite, end, eventually, newId, outcome, output, run, twice, until } from "../case.ts";
import type { ContractHub } from "../setup.ts";
import { emptyOrchestrator } from "./activities.ts";
import { exists, parentOfWaitingOrchestrator } from "./sub-orchestrations.ts";

const everything = defineOrchestrator("contract.everything", async (ctx) => {
  const tasks = [
    ctx.callActivity(ACTIVITY.slow, { ms: 500, value: 1 }),
    ctx.createTimer("10m", { name: "reminder" }),
    ctx.waitForExternalEvent("approval", { timeout: "1h" }),
    ctx.callSubOrchestrator("contract.waiting"),
  ];
  ctx.setCustomStatus({ step: "waiting" });
  await ctx.whenAny(tasks.slice(1));
  return "done";
});
const retryingLong = defineOrchestrator("contract.retryingLong", (ctx) =>
  ctx.callActivity(ACTIVITY.fail, "once", { retry: { maxAttempts: 3, firstDelay: "10m" } }),
);
const statuses = defineOrchestrator("contract.statuses", async (ctx) => {
  ctx.setCustomStatus("one");
  await ctx.waitForExternalEvent("next");
  await ctx.waitForExternalEvent("next");
  ctx.setCustomStatus("two");
  await ctx.waitForExternalEvent("next");
  ctx.setCustomStatus(undefined);
  return "done";
});
const patched = defineOrchestrator("contract.patched", async (ctx) => {
  const first = ctx.isPatched("a-change");
  await ctx.callActivity(ACTIVITY.echo, 1);
  return [first, ctx.isPatched("a-change"), ctx.isPatched("another")];
});
const wanting = defineOrchestrator("contract.wanting", (ctx, childId: string) =>
  ctx.callSubOrchestrator<string>("contract.late", "child", { instanceId: childId }),
);
const wantingActivity = defineOrchestrator("contract.wantingActivity", (ctx) =>
  ctx.callActivity<string>(ACTIVITY.late, "activity"),
);

/** The orchestrators of this file's tests. */
export const waitingOnOrchestrators: readonly AnyTaskReference[] = [
  everything,
  retryingLong,
  statuses,
  patched,
  wanting,
  wantingActivity,
];

/** The orchestrator that arrives later than its starts. */
export const lateOrchestrator: AnyTaskReference = defineOrchestrator("contract.late", (ctx, input: string) =>
  ctx.callActivity<string>(ACTIVITY.late, input),
);

/** Metadata, what an instance waits for, and names that nobody registers. */
export function waitingOnTests(suite: ClientSuite): void {
  suite.runner.describe("metadata", () => {
    twice(suite, "it is answered what an instance waits for: activities, timers, events and children", async (hub) => {
      const id = await begin(hub, everything);
      const seen = await until(hub, id, ({ waitingOn }) => waitingOn.activities.length === 1, "all its waits");
      const { activities, timers, events, children } = seen.waitingOn;
      assertEqual(
        activities.map(({ id: task, name, attempt }) => ({ task, name, attempt })),
        [{ task: 0, name: ACTIVITY.slow, attempt: 1 }],
        "activities",
      );
      const reminder = assertDefined(
        timers.find(({ name }) => name === "reminder"),
        "the timer",
      );
      assertEqual([reminder.id, reminder.purpose], [1, "timer"], "the timer");
      assert(
        timers.some(({ purpose }) => purpose === "event-timeout"),
        "the event's time limit is not among the timers",
      );
      assertEqual(
        events.map(({ name, count }) => ({ name, count })),
        [{ name: "approval", count: 1 }],
        "events",
      );
      assert(
        (events[0]?.deadline?.getTime() ?? 0) > reminder.fireAt.getTime(),
        "the event's deadline is before the timer",
      );
      assertEqual(
        children.map(({ instanceId, name }) => ({ instanceId, name })),
        [{ instanceId: `${id}:0003`, name: "contract.waiting" }],
        "children",
      );
      assertEqual(seen.customStatus, JSON.stringify({ step: "waiting" }), "custom status");
      const words = describeWaiting(seen);
      for (const word of ["approval", "reminder", ACTIVITY.slow, `${id}:0003`])
        assertContains(words, word, "the sentence");
      await hub.client.raiseEvent(id, "approval", "yes");
      assertEqual(output(hub, await end(hub, id)), "done", "output");
    });

    twice(suite, "it is answered when the next attempt of a failed activity begins", async (hub) => {
      const id = await begin(hub, retryingLong);
      const seen = await until(hub, id, ({ waitingOn }) => waitingOn.timers.length === 1, "the delay");
      const delay = assertDefined(seen.waitingOn.timers[0], "the delay");
      assertEqual(
        [delay.purpose, delay.nextAttempt, delay.name],
        ["activity-retry", 2, `${ACTIVITY.fail}-retry`],
        "the delay",
      );
      assert(delay.fireAt.getTime() >= seen.lastUpdatedAt.getTime() + 599_000, "it is due too early");
    });

    twice(suite, "the start time is absent before the first turn, and never before the creation", async (hub) => {
      const done = await run(hub, emptyOrchestrator);
      const startedAt = assertDefined(done.startedAt, "startedAt").getTime();
      assert(startedAt >= done.createdAt.getTime(), "it started before it was created");
      assert(startedAt <= assertDefined(done.completedAt, "completedAt").getTime(), "it ended before it started");
    });

    twice(suite, "a custom status stays until it is set again, and can be cleared", async (hub) => {
      const id = await begin(hub, statuses);
      await until(hub, id, ({ customStatus }) => customStatus === '"one"', "the first status");
      const listed = async () => (await hub.client.queryInstances({ instanceIdPrefix: id })).instances[0]?.customStatus;
      await eventually(hub, listed, (customStatus) => customStatus === '"one"', "the first status in the list");
      await hub.client.raiseEvent(id, "next");
      await hub.after(5);
      assertEqual(
        (await hub.client.fetchOrchestrationMetadata(id)).customStatus,
        '"one"',
        "after a turn that set none",
      );
      await hub.client.raiseEvent(id, "next");
      await until(hub, id, ({ customStatus }) => customStatus === '"two"', "the second status");
      await eventually(hub, listed, (customStatus) => customStatus === '"two"', "the second status in the list");
      await hub.client.raiseEvent(id, "next");
      const done = await end(hub, id);
      assertEqual(done.customStatus, undefined, "cleared");
      return outcome(hub, done);
    });

    twice(suite, "a child's metadata names its parent", async (hub) => {
      const childId = newId("child");
      const id = await begin(hub, parentOfWaitingOrchestrator, childId);
      await until(hub, id, ({ waitingOn }) => waitingOn.children.length === 1, "the child");
      await hub.client.raiseEvent(childId, "go", "on").catch(() => undefined);
      await hub.client.terminateOrchestration(id, { recursive: true });
      await end(hub, id);
      assertEqual((await hub.client.fetchOrchestrationMetadata(childId)).parentInstanceId, id, "parentInstanceId");
      assertEqual((await hub.client.fetchOrchestrationMetadata(id)).parentInstanceId, undefined, "of a top-level one");
    });

    twice(suite, "a patch applies to a new run, whatever the turn", async (hub) => {
      const done = await run(hub, patched);
      assertEqual(output(hub, done), [true, true, true], "isPatched");
      return outcome(hub, done);
    });
  });

  suite.runner.describe("names that nobody registers", () => {
    twice(
      suite,
      "an orchestrator without code parks its instance, saying so, and goes on when the code is there",
      async (hub) => {
        const childId = newId("late");
        const id = await begin(hub, wanting, childId);
        const stalled = await parked(hub, childId);
        assertEqual(
          [stalled.runtimeStatus, stalled.waitingOn.parked?.code],
          ["STALLED", "not_registered"],
          "the instance",
        );
        assertContains(stalled.waitingOn.parked?.message, "contract.late", "the reason");
        if (hub.addLateCode === undefined) {
          await hub.client.terminateOrchestration(childId);
          assertEqual((await end(hub, childId)).runtimeStatus, "TERMINATED", "what can be done without the code");
          return;
        }
        await hub.addLateCode();
        assertEqual(output(hub, await end(hub, id)), "late child", "output");
      },
    );

    twice(suite, "an activity without code parks, saying so, and goes on when the code is there", async (hub) => {
      const id = await begin(hub, wantingActivity);
      const seen = await until(
        hub,
        id,
        ({ waitingOn }) => waitingOn.activities[0]?.parkedReason !== undefined,
        "parked",
      );
      assertContains(seen.waitingOn.activities[0]?.parkedReason, ACTIVITY.late, "the reason");
      if (hub.addLateCode === undefined) return;
      await hub.addLateCode();
      assertEqual(output(hub, await end(hub, id)), "late activity", "output");
    });

    twice(suite, "a parked instance can be terminated", async (hub) => {
      const childId = newId("late");
      await begin(hub, wanting, childId);
      await parked(hub, childId);
      await hub.client.terminateOrchestration(childId, { output: "given up" });
      const done = await end(hub, childId);
      assertEqual([done.runtimeStatus, done.output], ["TERMINATED", '"given up"'], "the end");
    });

    if (suite.setup.canFailUnregistered === false) return;
    const failing = { unregistered: "fail" } as const;
    twice(
      suite,
      "where unknown names are to fail, orchestrator and activity do, as in the reference",
      async (hub) => {
        const child = await run(hub, wanting, newId("late"));
        assertEqual(child.runtimeStatus, "FAILED", "the parent of an unknown orchestrator");
        assertContains(child.failureDetails?.errorMessage, "is not registered", "message");
        const activity = await run(hub, wantingActivity);
        assertEqual(activity.runtimeStatus, "FAILED", "the caller of an unknown activity");
        assertContains(activity.failureDetails?.errorMessage, "was registered", "message");
      },
      failing,
    );
  });
}

/** Waits until an instance that may not exist yet is parked. */
async function parked(hub: ContractHub, instanceId: string): Promise<OrchestrationMetadata> {
  await eventually(hub, () => exists(hub.client.fetchOrchestrationMetadata(instanceId)), Boolean, "the instance");
  return until(hub, instanceId, ({ waitingOn }) => waitingOn.parked !== undefined, "parked");
}
