import { defineOrchestrator } from "../../../core/orchestration/references.ts";
import type { AnyTaskReference } from "../../../core/orchestration/registry.ts";
import { ACTIVITY } from "../activities.ts";
import { assertEqual, assertRejects } from "../assert.ts";
import { begin, type ClientSuite, end, eventually, newId, outcome, output, run, runs, twice, until } from "../case.ts";
import type { ContractHub } from "../setup.ts";
import { emptyOrchestrator } from "./activities.ts";
import { waitingOrchestrator, waitingTimesOrchestrator } from "./external-events.ts";
import { exists } from "./sub-orchestrations.ts";
import { timerOrchestrator } from "./timers.ts";

const leaf = defineOrchestrator("contract.leaf", async (ctx) => {
  await ctx.createTimer(1000);
  return ctx.callActivity(ACTIVITY.echo, "leaf");
});
const branch = defineOrchestrator("contract.branch", (ctx) => ctx.callSubOrchestrator(leaf));
const root = defineOrchestrator("contract.root", async (ctx, width: number) => {
  await ctx.whenAll(Array.from({ length: width }, () => ctx.callSubOrchestrator(branch)));
  return "root";
});
const carelessBranch = defineOrchestrator("contract.carelessBranch", async (ctx) => {
  // Ends without waiting for its child.
  void ctx.callSubOrchestrator(leaf);
  return "";
});
const rootOfCareless = defineOrchestrator("contract.rootOfCareless", async (ctx) => {
  await ctx.callSubOrchestrator(carelessBranch);
  await ctx.createTimer("10m");
  return "root";
});
const unending = defineOrchestrator("contract.unending", async (ctx, round: number) => {
  await ctx.createTimer(5);
  ctx.continueAsNew(round + 1);
  return undefined;
});
const afterEvent = defineOrchestrator("contract.afterEvent", async (ctx) => {
  await ctx.waitForExternalEvent("go");
  return ctx.callActivity(ACTIVITY.echo, "after the event");
});

/** The orchestrators of this file's tests. */
export const suspendTerminateOrchestrators: readonly AnyTaskReference[] = [
  leaf,
  branch,
  root,
  carelessBranch,
  rootOfCareless,
  unending,
  afterEvent,
];

const isRunning = ({ runtimeStatus }: { readonly runtimeStatus: string }): boolean => runtimeStatus === "RUNNING";
const isSuspended = ({ runtimeStatus }: { readonly runtimeStatus: string }): boolean => runtimeStatus === "SUSPENDED";

/** Suspend, resume and terminate. */
export function suspendTerminateTests(suite: ClientSuite): void {
  suite.runner.describe("suspend and resume", () => {
    twice(suite, "a suspended orchestration takes events and runs no code until it is resumed", async (hub) => {
      const id = await begin(hub, waitingTimesOrchestrator, 10);
      await until(hub, id, isRunning, "running");
      await hub.client.suspendOrchestration(id, "a pause");
      await until(hub, id, isSuspended, "suspended");
      for (let index = 0; index < 10; index++) await hub.client.raiseEvent(id, "go", index);
      await hub.after(40);
      assertEqual(
        (await hub.client.fetchOrchestrationMetadata(id)).runtimeStatus,
        "SUSPENDED",
        "status while suspended",
      );
      await hub.client.resumeOrchestration(id, "go on");
      const done = await end(hub, id);
      assertEqual(output(hub, done), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "payloads");
      return outcome(hub, done);
    });

    twice(suite, "one resume undoes any number of suspends, and no event is lost", async (hub) => {
      const id = await begin(hub, waitingTimesOrchestrator, 2);
      await until(hub, id, isRunning, "running");
      await hub.client.suspendOrchestration(id);
      await until(hub, id, isSuspended, "suspended");
      await hub.client.raiseEvent(id, "go", 1);
      await hub.client.suspendOrchestration(id);
      await hub.client.raiseEvent(id, "go", 2);
      await hub.after(10);
      await hub.client.resumeOrchestration(id);
      const done = await end(hub, id);
      assertEqual(output(hub, done), [1, 2], "payloads");
      return outcome(hub, done);
    });

    twice(suite, "a timer that falls due while suspended counts at the resume", async (hub) => {
      const id = await begin(hub, timerOrchestrator, 400);
      await hub.client.suspendOrchestration(id);
      await until(hub, id, isSuspended, "suspended");
      await hub.after(600);
      assertEqual(
        (await hub.client.fetchOrchestrationMetadata(id)).runtimeStatus,
        "SUSPENDED",
        "status after the timer",
      );
      await hub.client.resumeOrchestration(id);
      const done = await end(hub, id);
      assertEqual(output(hub, done), "fired", "output");
      return outcome(hub, done);
    });

    twice(suite, "an ended orchestration cannot be suspended or resumed", async (hub) => {
      const { instanceId } = await run(hub, emptyOrchestrator);
      await assertRejects(hub.client.suspendOrchestration(instanceId), "instance_completed", "suspend");
      await assertRejects(hub.client.resumeOrchestration(instanceId), "instance_completed", "resume");
    });
  });

  suite.runner.describe("terminate", () => {
    twice(suite, "a terminated orchestration ends with the given output", async (hub) => {
      const id = await begin(hub, timerOrchestrator, 600_000);
      await until(hub, id, isRunning, "running");
      await hub.client.terminateOrchestration(id, { output: { reason: "enough" } });
      const done = await end(hub, id);
      assertEqual([done.runtimeStatus, done.output], ["TERMINATED", JSON.stringify({ reason: "enough" })], "the end");
      assertEqual(
        done.waitingOn,
        { activities: [], timers: [], events: [], children: [] },
        "waits of an ended instance",
      );
      return outcome(hub, done);
    });

    twice(suite, "an orchestration can be terminated while it is suspended", async (hub) => {
      const id = await begin(hub, waitingOrchestrator);
      await until(hub, id, isRunning, "running");
      await hub.client.suspendOrchestration(id);
      await until(hub, id, isSuspended, "suspended");
      await hub.client.terminateOrchestration(id, { output: "stop" });
      const done = await end(hub, id);
      assertEqual([done.runtimeStatus, done.output], ["TERMINATED", JSON.stringify("stop")], "the end");
      return outcome(hub, done);
    });

    twice(suite, "an orchestration can be terminated before it starts", async (hub) => {
      const id = await begin(hub, waitingOrchestrator, undefined, { startAt: new Date("2100-01-01T00:00:00Z") });
      await hub.client.terminateOrchestration(id, { output: "never mind" });
      const done = await end(hub, id);
      assertEqual([done.runtimeStatus, done.output], ["TERMINATED", JSON.stringify("never mind")], "the end");
      return [done.runtimeStatus];
    });

    twice(suite, "terminating what has ended succeeds and changes nothing", async (hub) => {
      const before = await run(hub, emptyOrchestrator);
      await hub.client.terminateOrchestration(before.instanceId, { output: "too late" });
      await hub.client.terminateOrchestration(before.instanceId, { output: "too late", recursive: false });
      await hub.after(10);
      const after = await hub.client.fetchOrchestrationMetadata(before.instanceId);
      assertEqual([after.runtimeStatus, after.output], ["COMPLETED", undefined], "the end");
      return outcome(hub, after);
    });

    twice(suite, "code does not go on after a termination, whatever arrives with it", async (hub) => {
      const id = await begin(hub, afterEvent);
      await until(hub, id, isRunning, "running");
      await Promise.all([
        hub.client.terminateOrchestration(id, { output: "stop" }),
        hub.client.raiseEvent(id, "go").catch(() => undefined),
      ]);
      const done = await end(hub, id);
      assertEqual(done.runtimeStatus, "TERMINATED", "status");
      await hub.after(20);
      assertEqual(await runs(hub, id, "echo"), [], "activities after the termination");
    });

    twice(suite, "a termination beats an orchestration that continues as new for ever", async (hub) => {
      const id = await begin(hub, unending, 0);
      await until(hub, id, ({ generation }) => generation >= 2, "the third generation");
      await hub.client.terminateOrchestration(id, { output: "enough" });
      const done = await end(hub, id);
      assertEqual([done.runtimeStatus, done.output], ["TERMINATED", JSON.stringify("enough")], "the end");
    });

    twice(suite, "a recursive termination reaches grandchildren before they act", async (hub) => {
      const id = await begin(hub, root, 5);
      await allLeavesRun(hub, id, 5);
      await hub.client.terminateOrchestration(id, { recursive: true, output: "stop" });
      assertEqual((await end(hub, id)).runtimeStatus, "TERMINATED", "the root");
      for (let index = 0; index < 5; index++) {
        const child = `${id}:${index.toString(16).padStart(4, "0")}`;
        assertEqual((await end(hub, child)).runtimeStatus, "TERMINATED", `child ${index}`);
        assertEqual((await end(hub, `${child}:0000`)).runtimeStatus, "TERMINATED", `grandchild ${index}`);
        assertEqual(await runs(hub, `${child}:0000`, "echo"), [], `activities of grandchild ${index}`);
      }
    });

    twice(suite, "a termination that is not recursive leaves children running", async (hub) => {
      const id = await begin(hub, root, 2);
      await allLeavesRun(hub, id, 2);
      await hub.client.terminateOrchestration(id, { recursive: false });
      assertEqual((await end(hub, id)).runtimeStatus, "TERMINATED", "the root");
      assertEqual((await end(hub, `${id}:0000:0000`)).runtimeStatus, "COMPLETED", "a grandchild");
      assertEqual((await runs(hub, `${id}:0000:0000`, "echo")).length, 1, "activities of a grandchild");
    });

    for (const recursive of [true, false]) {
      const what = recursive ? "reaches" : "that is not recursive does not reach";
      twice(suite, `a termination ${what} the child of a child that has ended`, async (hub) => {
        const id = await begin(hub, rootOfCareless);
        const [child, grandchild] = [`${id}:0000`, `${id}:0000:0000`];
        await until(hub, id, ({ waitingOn }) => waitingOn.timers.length === 1, "the root's timer");
        await eventually(
          hub,
          () => exists(hub.client.fetchOrchestrationMetadata(grandchild)),
          Boolean,
          "the grandchild",
        );
        await hub.client.terminateOrchestration(id, { recursive });
        assertEqual((await end(hub, id)).runtimeStatus, "TERMINATED", "the root");
        const ended = await end(hub, child);
        assertEqual([ended.runtimeStatus, output(hub, ended)], ["COMPLETED", ""], "the child");
        assertEqual(
          (await end(hub, grandchild)).runtimeStatus,
          recursive ? "TERMINATED" : "COMPLETED",
          "the grandchild",
        );
      });
    }

    twice(suite, "terminating an unknown instance is refused", async (hub) => {
      await assertRejects(hub.client.terminateOrchestration(newId("unknown")), "instance_not_found", "terminate");
    });
  });
}

/** Waits until every grandchild sleeps. */
async function allLeavesRun(hub: ContractHub, id: string, width: number): Promise<void> {
  for (let index = 0; index < width; index++) {
    const grandchild = `${id}:${index.toString(16).padStart(4, "0")}:0000`;
    await eventually(hub, () => exists(hub.client.fetchOrchestrationMetadata(grandchild)), Boolean, "the grandchild");
  }
}
