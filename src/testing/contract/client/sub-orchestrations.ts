import type { OrchestratorReference } from "../../../core/orchestration/context.ts";
import { defineOrchestrator } from "../../../core/orchestration/references.ts";
import type { AnyTaskReference } from "../../../core/orchestration/registry.ts";
import { TaskFailedError } from "../../../core/orchestration/task-failed-error.ts";
import { ACTIVITY } from "../activities.ts";
import { assertContains, assertEqual } from "../assert.ts";
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
import { emptyOrchestrator } from "./activities.ts";
import { waitingOrchestrator } from "./external-events.ts";

const echoChild = defineOrchestrator("contract.echoChild", (ctx, input: unknown) =>
  ctx.callActivity(ACTIVITY.echo, input),
);
const failingChild = defineOrchestrator("contract.failingChild", async (ctx, message: string) => {
  await ctx.callActivity(ACTIVITY.echo, "attempt");
  throw new Error(message);
});
/** Has one child, under the given id. */
export const parentOrchestrator: OrchestratorReference<string | undefined, unknown> = defineOrchestrator(
  "contract.parent",
  async (ctx, instanceId: string | undefined) =>
    ctx.callSubOrchestrator(echoChild, "hello", instanceId === undefined ? {} : { instanceId }),
);
const parentOfFailure = defineOrchestrator("contract.parentOfFailure", (ctx) =>
  ctx.callSubOrchestrator(failingChild, "the child's trouble"),
);
const parentOfRetries = defineOrchestrator("contract.parentOfRetries", (ctx, instanceId: string | undefined) =>
  ctx.callSubOrchestrator(failingChild, "again", {
    ...(instanceId === undefined ? {} : { instanceId }),
    retry: { maxAttempts: 3, firstDelay: 5, backoff: 2 },
  }),
);
/** Has one child that waits for an event, under the given id. */
export const parentOfWaitingOrchestrator: OrchestratorReference<string | undefined, unknown> = defineOrchestrator(
  "contract.parentOfWaiting",
  async (ctx, instanceId: string | undefined) => {
    try {
      return await ctx.callSubOrchestrator(
        waitingOrchestrator,
        undefined,
        instanceId === undefined ? {} : { instanceId },
      );
    } catch (error) {
      if (!(error instanceof TaskFailedError)) throw error;
      return `failed: ${error.failure.errorMessage}`;
    }
  },
);
const parentOfMany = defineOrchestrator("contract.parentOfMany", async (ctx, width: number) => {
  const children = Array.from({ length: width }, (_, index) => ctx.callSubOrchestrator(echoChild, index));
  return ctx.whenAll(children);
});
const tagged = defineOrchestrator("contract.tagged", (ctx) => ({
  version: ctx.version,
  tags: ctx.tags,
  parent: ctx.parent?.name,
}));
const parentOfTagged = defineOrchestrator("contract.parentOfTagged", (ctx) =>
  ctx.callSubOrchestrator(tagged, undefined, { version: "7", tags: { team: "x" } }),
);

/** The orchestrators of this file's tests. */
export const subOrchestrationOrchestrators: readonly AnyTaskReference[] = [
  echoChild,
  failingChild,
  parentOrchestrator,
  parentOfFailure,
  parentOfRetries,
  parentOfWaitingOrchestrator,
  parentOfMany,
  tagged,
  parentOfTagged,
];

/** Sub-orchestrations: results, failures, ids and retries. */
export function subOrchestrationTests(suite: ClientSuite): void {
  suite.runner.describe("sub-orchestrations", () => {
    twice(suite, "a child with an explicit id answers its parent", async (hub) => {
      const childId = newId("child");
      const done = await run(hub, parentOrchestrator, childId);
      assertEqual(output(hub, done), "hello", "output");
      const child = await hub.client.fetchOrchestrationMetadata(childId);
      assertEqual([child.runtimeStatus, child.parentInstanceId], ["COMPLETED", done.instanceId], "the child");
      assertEqual(done.parentInstanceId, undefined, "the parent's parent");
      return outcome(hub, done);
    });

    twice(suite, "a child without an id gets one from its parent's and the action's", async (hub) => {
      const done = await run(hub, parentOrchestrator);
      assertEqual(output(hub, done), "hello", "output");
      const child = await hub.client.fetchOrchestrationMetadata(`${done.instanceId}:0000`);
      assertEqual(child.runtimeStatus, "COMPLETED", "the child");
      return outcome(hub, done);
    });

    twice(suite, "many children answer, each its own", async (hub) => {
      const done = await run(hub, parentOfMany, 8);
      assertEqual(output(hub, done), [0, 1, 2, 3, 4, 5, 6, 7], "output");
      return outcome(hub, done);
    });

    twice(suite, "a child's failure fails its parent, with the child's message", async (hub) => {
      const done = await run(hub, parentOfFailure);
      assertEqual(done.runtimeStatus, "FAILED", "status");
      assertContains(done.failureDetails?.errorMessage, "the child's trouble", "message");
      return outcome(hub, done);
    });

    twice(suite, "a retried child with an explicit id runs again under that id", async (hub) => {
      const childId = newId("child");
      const done = await run(hub, parentOfRetries, childId);
      assertEqual(done.runtimeStatus, "FAILED", "status");
      assertEqual((await runs(hub, childId, "echo")).length, 3, "runs of the child");
      const timers = (await historyKinds(hub, done.instanceId)).filter((kind) => kind.startsWith("timerCreated"));
      assertEqual(timers, ["timerCreated#1", "timerCreated#3"], "timers");
      return outcome(hub, done);
    });

    twice(suite, "a retried child without an id gets a new one at every attempt", async (hub) => {
      const done = await run(hub, parentOfRetries);
      assertEqual(done.runtimeStatus, "FAILED", "status");
      for (const attempt of ["0000", "0002", "0004"]) {
        const child = await hub.client.fetchOrchestrationMetadata(`${done.instanceId}:${attempt}`);
        assertEqual(child.runtimeStatus, "FAILED", `child ${attempt}`);
      }
      return outcome(hub, done);
    });

    twice(suite, "a terminated child is a failure for its parent, not a success without a result", async (hub) => {
      const childId = newId("child");
      const id = await begin(hub, parentOfWaitingOrchestrator, childId);
      await eventually(hub, () => exists(hub.client.fetchOrchestrationMetadata(childId)), Boolean, "the child exists");
      await hub.client.terminateOrchestration(childId, { output: "stop" });
      const done = await end(hub, id);
      assertContains(String(output(hub, done)), "TERMINATED", "output");
      return [done.runtimeStatus];
    });

    twice(
      suite,
      "a child whose id is taken by a running instance fails its task, and the parent goes on",
      async (hub) => {
        const taken = await begin(hub, waitingOrchestrator);
        await until(hub, taken, ({ runtimeStatus }) => runtimeStatus === "RUNNING", "running");
        const done = await run(hub, parentOfWaitingOrchestrator, taken);
        assertContains(String(output(hub, done)), "already exists", "output");
        assertEqual(
          (await hub.client.fetchOrchestrationMetadata(taken)).runtimeStatus,
          "RUNNING",
          "the one that was there",
        );
        return [done.runtimeStatus];
      },
    );

    twice(suite, "a child takes the id of an instance that has ended", async (hub) => {
      const former = await run(hub, emptyOrchestrator);
      const done = await run(hub, parentOrchestrator, former.instanceId);
      assertEqual(output(hub, done), "hello", "output");
      return outcome(hub, done);
    });

    twice(
      suite,
      "an orchestration that starts over takes the place of the children that its former run left behind",
      async (hub) => {
        const childId = newId("child");
        const hasStarted = ({ runtimeStatus }: { runtimeStatus: string }): boolean => runtimeStatus === "RUNNING";
        const id = await begin(hub, parentOfWaitingOrchestrator, childId);
        await eventually(
          hub,
          () => exists(hub.client.fetchOrchestrationMetadata(childId)),
          Boolean,
          "the child exists",
        );
        const left = await until(hub, childId, hasStarted, "the first child runs");
        await hub.client.terminateOrchestration(id, { recursive: false });
        await end(hub, id);
        await hub.client.restartOrchestration(id);
        const isAnother = (one: { executionId: string; runtimeStatus: string }): boolean =>
          one.executionId !== left.executionId && hasStarted(one);
        await until(hub, childId, isAnother, "another child runs under that id");
        await hub.client.raiseEvent(childId, "go", "for the second");
        const done = await end(hub, id);
        assertEqual(output(hub, done), "for the second", "output");
        return outcome(hub, done);
      },
    );

    twice(suite, "what a child of a former run tells has no effect on the run that took its place", async (hub) => {
      const [first, second] = [newId("first"), newId("second")];
      const id = await begin(hub, parentOfWaitingOrchestrator, first);
      await eventually(hub, () => exists(hub.client.fetchOrchestrationMetadata(first)), Boolean, "the first child");
      await hub.client.terminateOrchestration(id, { recursive: false });
      await end(hub, id);
      await hub.client.purgeOrchestrationState(id, { recursive: false });
      await begin(hub, parentOfWaitingOrchestrator, second, { instanceId: id });
      await eventually(hub, () => exists(hub.client.fetchOrchestrationMetadata(second)), Boolean, "the second child");
      await hub.client.raiseEvent(first, "go", "of the first");
      await end(hub, first);
      await hub.after(20);
      assertEqual((await hub.client.fetchOrchestrationMetadata(id)).runtimeStatus, "RUNNING", "the second run");
      await hub.client.raiseEvent(second, "go", "of the second");
      const done = await end(hub, id);
      assertEqual(output(hub, done), "of the second", "output");
      return [done.runtimeStatus];
    });

    twice(suite, "version and tags of a child arrive with it, and it knows its parent", async (hub) => {
      const done = await run(hub, parentOfTagged);
      assertEqual(output(hub, done), { version: "7", tags: { team: "x" }, parent: parentOfTagged.name }, "output");
      return outcome(hub, done);
    });
  });
}

/** Whether a lookup finds something. */
export function exists(lookup: Promise<unknown>): Promise<boolean> {
  return lookup.then(
    () => true,
    () => false,
  );
}
