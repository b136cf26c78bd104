import { defineOrchestrator } from "../../../core/orchestration/references.ts";
import type { AnyTaskReference } from "../../../core/orchestration/registry.ts";
import { ACTIVITY } from "../activities.ts";
import { assert, assertEqual } from "../assert.ts";
import { begin, type ClientSuite, end, historyKinds, outcome, output, runs, twice, until } from "../case.ts";
import { waitingOrchestrator } from "./external-events.ts";

const interrupted = defineOrchestrator("contract.interrupted", async (ctx) => {
  const activity = await ctx.callActivity<string>(ACTIVITY.slow, { ms: 300, value: "activity" });
  await ctx.createTimer(300);
  const child = await ctx.callSubOrchestrator(waitingOrchestrator);
  const event = await ctx.waitForExternalEvent("go");
  return [activity, child, event];
});

/** The orchestrators of this file's tests. */
export const reopeningOrchestrators: readonly AnyTaskReference[] = [interrupted];

/** What a stop in the middle of a run leaves behind goes on at the next start. */
export function reopeningTests(suite: ClientSuite): void {
  suite.runner.describe("stop and start", () => {
    twice(
      suite,
      "a run that is stopped at every kind of pending work goes on, and each effect is in history once",
      async (hub) => {
        if (hub.reopen === undefined) return undefined;
        const id = await begin(hub, interrupted);
        await until(hub, id, ({ waitingOn }) => waitingOn.activities.length === 1, "the activity");
        await hub.reopen();
        await until(hub, id, ({ waitingOn }) => waitingOn.timers.length === 1, "the timer");
        await hub.reopen();
        await until(hub, id, ({ waitingOn }) => waitingOn.children.length === 1, "the child");
        await hub.reopen();
        await hub.client.raiseEvent(`${id}:0002`, "go", "child");
        await until(hub, id, ({ waitingOn }) => waitingOn.events.length === 1, "the event wait");
        await hub.reopen();
        await hub.client.raiseEvent(id, "go", "event");
        const done = await end(hub, id);
        assertEqual(output(hub, done), ["activity", "child", "event"], "output");
        assert((await runs(hub, id, "slow begins")).length >= 1, "the activity did not run");
        const kinds = await historyKinds(hub, id);
        for (const kind of ["taskCompleted", "timerFired", "subOrchestrationInstanceCompleted", "eventRaised"]) {
          assertEqual(kinds.filter((each) => each === kind).length, 1, `${kind} in history`);
        }
        return outcome(hub, done);
      },
    );
  });
}
