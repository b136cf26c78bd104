import { defineOrchestrator } from "../../../core/orchestration/references.ts";
import type { AnyTaskReference } from "../../../core/orchestration/registry.ts";
import { ACTIVITY } from "../activities.ts";
import { assertContains, assertEqual, assertRejects } from "../assert.ts";
import { begin, type ClientSuite, end, eventually, newId, output, run, runs, twice, until } from "../case.ts";
import { emptyOrchestrator, singleOrchestrator } from "./activities.ts";
import { waitingOrchestrator } from "./external-events.ts";
import { exists, parentOfWaitingOrchestrator } from "./sub-orchestrations.ts";

const busy = defineOrchestrator("contract.busy", (ctx) => ctx.callActivity(ACTIVITY.slow, { ms: 300, value: "late" }));
const threeLevels = defineOrchestrator("contract.threeLevels", async (ctx, depth: number): Promise<number> => {
  if (depth === 0) return 0;
  return (await ctx.callSubOrchestrator<number>("contract.threeLevels", depth - 1)) + 1;
});

/** The orchestrators of this file's tests. */
export const purgeOrchestrators: readonly AnyTaskReference[] = [busy, threeLevels];

/** Purge. */
export function purgeTests(suite: ClientSuite): void {
  suite.runner.describe("purge", () => {
    twice(suite, "a running instance is not purged, an ended one is, and then it is gone", async (hub) => {
      const id = await begin(hub, waitingOrchestrator);
      await until(hub, id, ({ runtimeStatus }) => runtimeStatus === "RUNNING", "running");
      await assertRejects(hub.client.purgeOrchestrationState(id), "instance_not_completed", "purge while it runs");
      await hub.client.raiseEvent(id, "go", 1);
      await end(hub, id);
      assertEqual(await hub.client.purgeOrchestrationState(id), 1, "how many were purged");
      await assertRejects(hub.client.fetchOrchestrationMetadata(id), "instance_not_found", "fetch after the purge");
      await assertRejects(hub.client.getInstanceHistory(id), "instance_not_found", "history after the purge");
      await assertRejects(hub.client.purgeOrchestrationState(id), "instance_not_found", "a second purge");
      await assertRejects(hub.client.raiseEvent(id, "go", 2), "instance_not_found", "an event after the purge");
    });

    twice(suite, "a recursive purge removes every level", async (hub) => {
      const done = await run(hub, threeLevels, 2);
      const ids = [done.instanceId, `${done.instanceId}:0000`, `${done.instanceId}:0000:0000`];
      assertEqual(await hub.client.purgeOrchestrationState(done.instanceId), 3, "how many were purged");
      for (const id of ids) await assertRejects(hub.client.fetchOrchestrationMetadata(id), "instance_not_found", id);
    });

    twice(suite, "a purge that is not recursive leaves the children", async (hub) => {
      const done = await run(hub, threeLevels, 2);
      const purged = await hub.client.purgeOrchestrationState(done.instanceId, { recursive: false });
      assertEqual(purged, 1, "how many were purged");
      const child = await hub.client.fetchOrchestrationMetadata(`${done.instanceId}:0000`);
      assertEqual(child.runtimeStatus, "COMPLETED", "the child");
    });

    twice(suite, "a recursive purge passes over a child that is gone already", async (hub) => {
      const done = await run(hub, threeLevels, 2);
      await hub.client.purgeOrchestrationState(`${done.instanceId}:0000`, { recursive: false });
      assertEqual(await hub.client.purgeOrchestrationState(done.instanceId), 1, "how many were purged");
    });

    twice(
      suite,
      "a forced purge takes a running instance, and its activity's late result has no effect",
      async (hub) => {
        const id = await begin(hub, busy);
        await until(hub, id, ({ waitingOn }) => waitingOn.activities.length === 1, "the activity");
        assertEqual(await hub.client.purgeOrchestrationState(id, { force: true }), 1, "how many were purged");
        await hub.after(400);
        await assertRejects(
          hub.client.fetchOrchestrationMetadata(id),
          "instance_not_found",
          "after the activity's end",
        );
      },
    );

    twice(suite, "a purged id can be used again, and hears nothing of its former run", async (hub) => {
      const id = await begin(hub, busy);
      await until(hub, id, ({ waitingOn }) => waitingOn.activities.length === 1, "the activity");
      await hub.client.purgeOrchestrationState(id, { force: true });
      const done = await run(hub, singleOrchestrator, "anew", { instanceId: id });
      assertEqual(output(hub, done), "Hello, anew!", "output");
      await hub.after(400);
      const later = await hub.client.fetchOrchestrationMetadata(id);
      assertEqual(later.output, done.output, "output after the former run's activity ended");
    });

    twice(
      suite,
      "a child that is purged before its end fails its parent's task, and the parent goes on",
      async (hub) => {
        const childId = newId("child");
        const id = await begin(hub, parentOfWaitingOrchestrator, childId);
        await eventually(
          hub,
          () => exists(hub.client.fetchOrchestrationMetadata(childId)),
          Boolean,
          "the child exists",
        );
        await hub.client.purgeOrchestrationState(childId, { force: true });
        const done = await end(hub, id);
        assertContains(String(output(hub, done)), "was purged before its end", "output");
        return [done.runtimeStatus];
      },
    );

    twice(suite, "what was purged does not run any further", async (hub) => {
      const done = await run(hub, emptyOrchestrator);
      await hub.client.purgeOrchestrationState(done.instanceId);
      await hub.after(20);
      assertEqual(await runs(hub, done.instanceId, ""), [], "activities");
      await assertRejects(hub.client.purgeOrchestrationState(newId("unknown")), "instance_not_found", "an unknown id");
    });
  });
}
