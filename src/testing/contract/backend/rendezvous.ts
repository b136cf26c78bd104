import {
  activityRequest,
  activityResponse,
  orchestratorRequest,
  orchestratorResponse,
} from "../../../core/protocol/actions.ts";
import { orchestratorStarted } from "../../../core/protocol/events.ts";
import { assertEqual, assertRejects } from "../assert.ts";
import { type BackendSuite, byHand } from "./by-hand.ts";

const turn = orchestratorRequest({ instanceId: "a", newEvents: [orchestratorStarted(0)] });
const attempt = activityRequest({ name: "x", instanceId: "a", taskId: 3 });

/** The rendezvous of remote executors. */
export function rendezvousTests(suite: BackendSuite): void {
  suite.runner.describe("rendezvous", () => {
    byHand(suite, "a turn's answer reaches the one that waits for it", async ({ backend }) => {
      const wait = backend.waitForOrchestratorCompletion(turn);
      await backend.completeOrchestratorTask(orchestratorResponse({ instanceId: "a", actions: [], customStatus: "s" }));
      assertEqual((await wait).customStatus, "s", "the answer");
      const again = backend.completeOrchestratorTask(orchestratorResponse({ instanceId: "a", actions: [] }));
      await assertRejects(again, "unknown_instance_id", "a second answer");
    });

    byHand(
      suite,
      "an activity's answer reaches the one that waits for it, by instance and task",
      async ({ backend }) => {
        const wait = backend.waitForActivityCompletion(attempt);
        const other = backend.completeActivityTask(activityResponse({ instanceId: "a", taskId: 4 }));
        const error = await assertRejects(other, "unknown_task_id", "an answer to another task");
        assertEqual(error.message, "unknown instance ID/task ID combo: a/4", "message");
        await backend.completeActivityTask(activityResponse({ instanceId: "a", taskId: 3, result: "42" }));
        assertEqual((await wait).result, "42", "the answer");
      },
    );

    byHand(suite, "a cancelled wait rejects as cancelled, and cancelling nothing is an error", async ({ backend }) => {
      const waits = [
        assertRejects(backend.waitForOrchestratorCompletion(turn), "task_cancelled", "the turn"),
        assertRejects(backend.waitForActivityCompletion(attempt), "task_cancelled", "the activity"),
      ];
      await backend.cancelOrchestratorTask("a");
      await backend.cancelActivityTask("a", 3);
      await Promise.all(waits);
      await assertRejects(backend.cancelOrchestratorTask("a"), "unknown_instance_id", "the turn again");
      await assertRejects(backend.cancelActivityTask("a", 3), "unknown_task_id", "the activity again");
    });

    byHand(suite, "an aborted wait leaves no entry behind", async ({ backend }) => {
      const controller = new AbortController();
      const wait = assertRejects(
        backend.waitForActivityCompletion(attempt, { signal: controller.signal }),
        "aborted",
        "the wait",
      );
      controller.abort();
      await wait;
      const late = backend.completeActivityTask(activityResponse({ instanceId: "a", taskId: 3 }));
      await assertRejects(late, "unknown_task_id", "an answer afterwards");
    });

    byHand(suite, "a stop ends every wait", async ({ backend }) => {
      const wait = assertRejects(backend.waitForOrchestratorCompletion(turn), "task_cancelled", "the wait");
      await backend.stop();
      await wait;
    });
  });
}
