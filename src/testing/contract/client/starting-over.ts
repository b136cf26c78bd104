import { defineOrchestrator } from "../../../core/orchestration/references.ts";
import type { AnyTaskReference } from "../../../core/orchestration/registry.ts";
import { ACTIVITY } from "../activities.ts";
import { assert, assertContains, assertEqual, assertRejects } from "../assert.ts";
import {
  begin,
  type ClientSuite,
  end,
  eventually,
  historyKinds,
  newId,
  outcome,
  output,
  run,
  runs,
  twice,
  until,
} from "../case.ts";
import { chainOrchestrator, failingOrchestrator, singleOrchestrator } from "./activities.ts";
import { waitingOrchestrator } from "./external-events.ts";
import { exists, parentOrchestrator } from "./sub-orchestrations.ts";
import { timerOrchestrator } from "./timers.ts";

const flaky = defineOrchestrator("contract.flaky", async (ctx) => {
  const before = await ctx.callActivity<string>(ACTIVITY.echo, "before");
  const { failures } = await ctx.callActivity<{ failures: number }>(ACTIVITY.failOnce);
  return { before, failures };
});
const flakyChild = defineOrchestrator("contract.flakyChild", (ctx) => ctx.callActivity(ACTIVITY.failOnce));
const parentOfFlaky = defineOrchestrator("contract.parentOfFlaky", async (ctx) => {
  await ctx.callSubOrchestrator(flakyChild);
  return "the child succeeded";
});
const parentOfStranger = defineOrchestrator("contract.parentOfStranger", (ctx, instanceId: string) =>
  ctx.callSubOrchestrator(singleOrchestrator, "child", { instanceId }),
);
const parentOfTerminated = defineOrchestrator("contract.parentOfTerminated", (ctx, instanceId: string) =>
  ctx.callSubOrchestrator(waitingOrchestrator, undefined, { instanceId }),
);
const echoes = defineOrchestrator("contract.echoes", async (ctx, input: unknown) => {
  const first = await ctx.callActivity(ACTIVITY.echo, input);
  const second = await ctx.callActivity(ACTIVITY.echo, "second");
  return [first ?? null, second];
});
const raised = defineOrchestrator("contract.raised", async (ctx) => {
  const first = await ctx.callActivity(ACTIVITY.echo, "first");
  const event = await ctx.waitForExternalEvent("go");
  const last = await ctx.callActivity(ACTIVITY.echo, "last");
  return [first, event, last];
});
const timed = defineOrchestrator("contract.timed", async (ctx) => {
  await ctx.callActivity(ACTIVITY.echo, "before");
  await ctx.createTimer(20);
  return ctx.callActivity(ACTIVITY.echo, "after");
});

/** The orchestrators of this file's tests. */
export const startingOverOrchestrators: readonly AnyTaskReference[] = [
  flaky,
  flakyChild,
  parentOfFlaky,
  parentOfStranger,
  parentOfTerminated,
  echoes,
  raised,
  timed,
];

/** Restart, rewind, and rerun from an event. */
export function startingOverTests(suite: ClientSuite): void {
  suite.runner.describe("restart", () => {
    twice(suite, "an ended orchestration starts over under its id, with its input, version and tags", async (hub) => {
      const first = await run(hub, singleOrchestrator, "you", { version: "3", tags: { a: "b" } });
      assertEqual(await hub.client.restartOrchestration(first.instanceId), first.instanceId, "the id of the new run");
      const second = await end(hub, first.instanceId);
      assertEqual(output(hub, second), "Hello, you!", "output");
      assertEqual([second.version, second.tags], ["3", { a: "b" }], "version and tags");
      assert(second.executionId !== first.executionId, "it is the same run");
      return outcome(hub, second);
    });

    twice(suite, "an ended orchestration starts over under a new id, and the old run stays", async (hub) => {
      const first = await run(hub, singleOrchestrator, "you");
      const newInstanceId = newId("restarted");
      assertEqual(await hub.client.restartOrchestration(first.instanceId, { newInstanceId }), newInstanceId, "the id");
      assertEqual(output(hub, await end(hub, newInstanceId)), "Hello, you!", "output");
      assertEqual(
        (await hub.client.fetchOrchestrationMetadata(first.instanceId)).executionId,
        first.executionId,
        "the old run",
      );
    });

    twice(suite, "a restart of what runs, of what is unknown, or onto a taken id is refused", async (hub) => {
      const running = await begin(hub, waitingOrchestrator);
      await assertRejects(
        hub.client.restartOrchestration(running),
        "instance_not_completed",
        "restart of a running one",
      );
      await assertRejects(
        hub.client.restartOrchestration(newId("unknown")),
        "instance_not_found",
        "restart of an unknown one",
      );
      const ended = await run(hub, singleOrchestrator, "you");
      const onto = hub.client.restartOrchestration(ended.instanceId, { newInstanceId: running });
      await assertRejects(onto, "instance_exists", "restart onto a taken id");
    });
  });

  suite.runner.describe("rewind", () => {
    twice(
      suite,
      "a rewound failure runs again from the point before it; what succeeded is not repeated",
      async (hub) => {
        const id = await begin(hub, flaky);
        assertEqual((await end(hub, id)).runtimeStatus, "FAILED", "the first try");
        await hub.client.rewindOrchestration(id, "mended");
        const done = await end(hub, id);
        assertEqual(output(hub, done), { before: "before", failures: 1 }, "output");
        assertEqual((await runs(hub, id, "echo")).length, 1, "runs of the activity that had succeeded");
        return outcome(hub, done);
      },
    );

    twice(suite, "the rewind of a parent rewinds the child that failed it", async (hub) => {
      const id = await begin(hub, parentOfFlaky);
      assertEqual((await end(hub, id)).runtimeStatus, "FAILED", "the first try");
      await hub.client.rewindOrchestration(id);
      const done = await end(hub, id);
      assertEqual(output(hub, done), "the child succeeded", "output");
      assertEqual((await hub.client.fetchOrchestrationMetadata(`${id}:0000`)).runtimeStatus, "COMPLETED", "the child");
      return outcome(hub, done);
    });

    twice(
      suite,
      "a child that was refused is started at the rewind, and refused again while its id is taken",
      async (hub) => {
        const taken = await begin(hub, waitingOrchestrator);
        await until(hub, taken, ({ runtimeStatus }) => runtimeStatus === "RUNNING", "the stranger runs");
        const id = await begin(hub, parentOfStranger, taken);
        assertEqual((await end(hub, id)).runtimeStatus, "FAILED", "the first try");
        await hub.client.rewindOrchestration(id);
        const isRewoundAndEnded = (kinds: readonly string[]): boolean =>
          kinds.includes("executionRewound") && kinds.some((kind) => kind.startsWith("executionCompleted"));
        await eventually(hub, () => historyKinds(hub, id), isRewoundAndEnded, "refused again");
        await hub.client.raiseEvent(taken, "go", "bye");
        assertEqual(output(hub, await end(hub, taken)), "bye", "the stranger");
        await hub.client.rewindOrchestration(id);
        const done = await end(hub, id);
        assertEqual(output(hub, done), "Hello, child!", "output");
        return outcome(hub, done);
      },
    );

    twice(suite, "a child that was terminated, or purged, begins anew at the rewind of its parent", async (hub) => {
      for (const way of ["terminated", "purged"]) {
        const childId = newId("child");
        const id = await begin(hub, parentOfTerminated, childId);
        await eventually(
          hub,
          () => exists(hub.client.fetchOrchestrationMetadata(childId)),
          Boolean,
          "the child exists",
        );
        await (way === "purged"
          ? hub.client.purgeOrchestrationState(childId, { force: true })
          : hub.client.terminateOrchestration(childId));
        assertEqual((await end(hub, id)).runtimeStatus, "FAILED", `the first try, ${way}`);
        await hub.client.rewindOrchestration(id);
        await until(hub, id, ({ runtimeStatus }) => runtimeStatus === "RUNNING", "it runs again");
        await eventually(hub, () => exists(hub.client.raiseEvent(childId, "go", way)), Boolean, "the child runs again");
        assertEqual(output(hub, await end(hub, id)), way, "output");
      }
    });

    twice(
      suite,
      "a child that was rewound by itself, and has succeeded, tells its parent at the parent's rewind",
      async (hub) => {
        const id = await begin(hub, parentOfFlaky);
        assertEqual((await end(hub, id)).runtimeStatus, "FAILED", "the first try");
        await hub.client.rewindOrchestration(`${id}:0000`);
        await until(hub, `${id}:0000`, ({ runtimeStatus }) => runtimeStatus === "COMPLETED", "the child");
        assertEqual((await hub.client.fetchOrchestrationMetadata(id)).runtimeStatus, "FAILED", "the parent as yet");
        await hub.client.rewindOrchestration(id);
        await until(hub, id, ({ runtimeStatus }) => runtimeStatus !== "FAILED", "it runs again");
        const done = await end(hub, id);
        assertEqual(output(hub, done), "the child succeeded", "output");
        return outcome(hub, done);
      },
    );

    twice(suite, "only what has failed is rewound", async (hub) => {
      const running = await begin(hub, waitingOrchestrator);
      await assertRejects(hub.client.rewindOrchestration(running), "instance_not_completed", "rewind of a running one");
      const done = await run(hub, singleOrchestrator, "you");
      await assertRejects(hub.client.rewindOrchestration(done.instanceId), "instance_completed", "rewind of a success");
      await assertRejects(
        hub.client.rewindOrchestration(newId("unknown")),
        "instance_not_found",
        "rewind of an unknown one",
      );
    });
  });

  suite.runner.describe("rerun from an event", () => {
    for (const from of [0, 2, 4]) {
      twice(suite, `a new run begins at event ${from}: what came before is not repeated`, async (hub) => {
        const source = await run(hub, chainOrchestrator, 5);
        const id = await hub.client.rerunWorkflowFromEvent(source.instanceId, from, { newInstanceId: newId("rerun") });
        const done = await end(hub, id);
        assertEqual(output(hub, done), 5, "output");
        assertEqual((await runs(hub, id, "plusOne")).length, 5 - from, "activities that ran again");
        assertEqual(
          (await hub.client.fetchOrchestrationMetadata(source.instanceId)).executionId,
          source.executionId,
          "the source",
        );
        return outcome(hub, done);
      });
    }

    twice(suite, "a new run gets a random id, or the one that is given", async (hub) => {
      const source = await run(hub, chainOrchestrator, 2);
      const random = await hub.client.rerunWorkflowFromEvent(source.instanceId, 0);
      assert(random !== source.instanceId && random.length > 8, `the random id is ${random}`);
      assertEqual(output(hub, await end(hub, random)), 2, "output");
      const given = newId("rerun");
      assertEqual(
        await hub.client.rerunWorkflowFromEvent(source.instanceId, 0, { newInstanceId: given }),
        given,
        "the given id",
      );
      assertEqual(output(hub, await end(hub, given)), 2, "output");
    });

    twice(suite, "a run can be rerun that was rerun itself", async (hub) => {
      const source = await run(hub, chainOrchestrator, 3);
      const second = await hub.client.rerunWorkflowFromEvent(source.instanceId, 1, { newInstanceId: newId("rerun") });
      await end(hub, second);
      const third = await hub.client.rerunWorkflowFromEvent(second, 2, { newInstanceId: newId("rerun") });
      const done = await end(hub, third);
      assertEqual([output(hub, done), (await runs(hub, third, "plusOne")).length], [3, 1], "output and runs");
      return outcome(hub, done);
    });

    twice(suite, "failed and terminated runs can be rerun", async (hub) => {
      const failed = await run(hub, failingOrchestrator, "again");
      const again = await hub.client.rerunWorkflowFromEvent(failed.instanceId, 0, { newInstanceId: newId("rerun") });
      assertEqual((await end(hub, again)).runtimeStatus, "FAILED", "the rerun of a failure");
      const waiting = await begin(hub, raised);
      await until(hub, waiting, ({ waitingOn }) => waitingOn.events.length === 1, "the wait");
      await hub.client.terminateOrchestration(waiting);
      await end(hub, waiting);
      const rerun = await hub.client.rerunWorkflowFromEvent(waiting, 0, { newInstanceId: newId("rerun") });
      await hub.client.raiseEvent(rerun, "go", "on");
      assertEqual(output(hub, await end(hub, rerun)), ["first", "on", "last"], "the rerun of a terminated one");
    });

    twice(suite, "the event's input is kept, replaced, or cleared, as is asked", async (hub) => {
      const source = await run(hub, echoes, "old");
      const rerun = async (options: { input?: unknown }): Promise<unknown> => {
        const newInstanceId = newId("rerun");
        await hub.client.rerunWorkflowFromEvent(source.instanceId, 0, { newInstanceId, ...options });
        return output(hub, await end(hub, newInstanceId));
      };
      assertEqual(await rerun({}), ["old", "second"], "the input kept");
      assertEqual(await rerun({ input: { is: "new" } }), [{ is: "new" }, "second"], "the input replaced");
      assertEqual(await rerun({ input: undefined }), [null, "second"], "the input cleared");
    });

    twice(suite, "a rerun from a timer waits for it anew; its input cannot be set", async (hub) => {
      const source = await run(hub, timed);
      const id = await hub.client.rerunWorkflowFromEvent(source.instanceId, 1, { newInstanceId: newId("rerun") });
      const done = await end(hub, id);
      assertEqual(output(hub, done), "after", "output");
      assertEqual(await runs(hub, id, "echo"), ['echo "after"'], "activities that ran again");
      const withInput = hub.client.rerunWorkflowFromEvent(source.instanceId, 1, { input: 1 });
      await assertRejects(withInput, "invalid_argument", "a timer's input");
      return outcome(hub, done);
    });

    twice(suite, "events raised before the point stay raised", async (hub) => {
      const source = await begin(hub, raised);
      await hub.client.raiseEvent(source, "go", "payload");
      await end(hub, source);
      const id = await hub.client.rerunWorkflowFromEvent(source, 1, { newInstanceId: newId("rerun") });
      const done = await end(hub, id);
      assertEqual(output(hub, done), ["first", "payload", "last"], "output");
      assertEqual(await runs(hub, id, "echo"), ['echo "last"'], "activities that ran again");
      return outcome(hub, done);
    });

    twice(suite, "a rerun from a child starts that child anew, under the new run's id or a given one", async (hub) => {
      const source = await run(hub, parentOrchestrator, newId("child"));
      const id = await hub.client.rerunWorkflowFromEvent(source.instanceId, 0, { newInstanceId: newId("rerun") });
      assertEqual(output(hub, await end(hub, id)), "hello", "output");
      assertEqual(
        (await hub.client.fetchOrchestrationMetadata(`${id}:0000`)).parentInstanceId,
        id,
        "the child's parent",
      );
      const newChildInstanceId = newId("child");
      const second = await hub.client.rerunWorkflowFromEvent(source.instanceId, 0, {
        newInstanceId: newId("rerun"),
        newChildInstanceId,
      });
      assertEqual(output(hub, await end(hub, second)), "hello", "output");
      assertEqual(
        (await hub.client.fetchOrchestrationMetadata(newChildInstanceId)).parentInstanceId,
        second,
        "the child's parent",
      );
    });

    twice(suite, "a rerun that cannot be is refused, with the reason", async (hub) => {
      const source = await run(hub, chainOrchestrator, 2);
      const rerun = (id: string, event: number, options = {}): Promise<string> =>
        hub.client.rerunWorkflowFromEvent(id, event, options);
      const { instanceId } = source;
      const missing = await assertRejects(rerun(instanceId, 99), "event_not_rerunnable", "an event that is not there");
      assertContains(missing.message, "does not have history event with ID '99'", "message");
      await assertRejects(rerun(instanceId, 2), "event_not_rerunnable", "an event of another kind");
      await assertRejects(rerun(instanceId, -1), "invalid_argument", "a negative event id");
      await assertRejects(rerun(newId("unknown"), 0), "instance_not_found", "an unknown source");
      await assertRejects(
        rerun(instanceId, 0, { newInstanceId: instanceId }),
        "invalid_argument",
        "the source's own id",
      );
      await assertRejects(
        rerun(instanceId, 0, { newChildInstanceId: "x" }),
        "invalid_argument",
        "a child id for an activity",
      );
      const taken = await run(hub, timerOrchestrator, 0);
      const onto = rerun(instanceId, 0, { newInstanceId: taken.instanceId });
      await assertRejects(onto, "instance_exists", "a taken id");
      const running = await begin(hub, raised);
      await until(hub, running, ({ runtimeStatus }) => runtimeStatus === "RUNNING", "running");
      await hub.client.suspendOrchestration(running);
      await until(hub, running, ({ runtimeStatus }) => runtimeStatus === "SUSPENDED", "suspended");
      await assertRejects(rerun(running, 0), "instance_not_completed", "a suspended source");
      const parent = await run(hub, parentOrchestrator);
      const child = `${parent.instanceId}:0000`;
      assertEqual((await historyKinds(hub, child)).includes("taskScheduled#0"), true, "the child has an activity");
      await assertRejects(rerun(child, 0), "invalid_argument", "a sub-orchestration as the source");
    });
  });
}
