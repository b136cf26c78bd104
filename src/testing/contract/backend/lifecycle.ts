import { executionStarted } from "../../../core/protocol/events.ts";
import { assertEqual, assertRejects } from "../assert.ts";
import type { ContractBackend } from "../setup.ts";
import { type BackendSuite, byHand, completion, Hand, task } from "./by-hand.ts";

/** Creating, starting, stopping and deleting a hub. */
export function lifecycleTests(suite: BackendSuite): void {
  const { describe, it } = suite.runner;

  describe("lifecycle", () => {
    it("every call before the hub was created says so", () =>
      withBackend(suite, async ({ backend, now }) => {
        const start = executionStarted({ name: "testing", instanceId: "a", executionId: "e" }, now());
        const calls: readonly [string, () => Promise<unknown>][] = [
          ["start", () => backend.start()],
          ["createOrchestrationInstance", () => backend.createOrchestrationInstance(start)],
          ["addNewOrchestrationEvent", () => backend.addNewOrchestrationEvent("a", start)],
          ["getOrchestrationMetadata", () => backend.getOrchestrationMetadata("a")],
          ["watchOrchestrationRuntimeStatus", () => backend.watchOrchestrationRuntimeStatus("a", () => true)],
          ["getInstanceHistory", () => backend.getInstanceHistory("a")],
          ["queryInstances", () => backend.queryInstances()],
          ["listInstanceIds", () => backend.listInstanceIds()],
          ["purgeOrchestrationState", () => backend.purgeOrchestrationState("a")],
          ["restart", () => backend.restart("a")],
          ["rewind", () => backend.rewind("a")],
          ["rerunWorkflowFromEvent", () => backend.rerunWorkflowFromEvent({ sourceInstanceId: "a", eventId: 0 })],
          ["nextOrchestrationWorkItem", () => backend.nextOrchestrationWorkItem()],
          ["nextActivityWorkItem", () => backend.nextActivityWorkItem()],
        ];
        for (const [name, call] of calls) await assertRejects(call(), "not_initialized", name);
      }));

    it("a hub is created once, and its data survives a second creation", () =>
      withBackend(suite, async (environment) => {
        const { backend } = environment;
        await backend.createTaskHub();
        await backend.start();
        const hand = new Hand(environment);
        const id = await hand.start();
        await assertRejects(backend.createTaskHub(), "task_hub_exists", "a second creation");
        assertEqual((await backend.getOrchestrationMetadata(id)).runtimeStatus, "PENDING", "status");
      }));

    it("a deleted hub is gone with all that was in it", () =>
      withBackend(suite, async (environment) => {
        const { backend } = environment;
        await assertRejects(backend.deleteTaskHub(), "task_hub_not_found", "deleting what is not there");
        await backend.createTaskHub();
        await backend.start();
        const hand = new Hand(environment);
        const id = await hand.start();
        await backend.deleteTaskHub();
        await assertRejects(backend.getOrchestrationMetadata(id), "not_initialized", "fetch after the deletion");
        await backend.createTaskHub();
        await assertRejects(backend.getOrchestrationMetadata(id), "instance_not_found", "fetch in the new hub");
      }));

    it("a backend is started once, and stopping it twice does nothing", () =>
      withBackend(suite, async ({ backend }) => {
        await backend.createTaskHub();
        await backend.start();
        await assertRejects(backend.start(), "backend_already_started", "a second start");
        await backend.stop();
        await backend.stop();
        await backend.start();
      }));

    byHand(suite, "waiting for an item ends when its signal aborts", async ({ backend }) => {
      const controller = new AbortController();
      const waits = [
        assertRejects(backend.nextOrchestrationWorkItem(controller.signal), "aborted", "a turn"),
        assertRejects(backend.nextActivityWorkItem(controller.signal), "aborted", "an activity"),
      ];
      controller.abort();
      await Promise.all(waits);
      await assertRejects(backend.nextOrchestrationWorkItem(controller.signal), "aborted", "with an aborted signal");
    });

    byHand(
      suite,
      "after a stop what was handed out cannot be completed, and comes again after the start",
      async (hand) => {
        await hand.start();
        await hand.commit([task(0)]);
        const activity = await hand.activity();
        await hand.backend.stop();
        assertEqual(activity.signal.aborted, true, "the activity's signal");
        await assertRejects(hand.answer(activity, "late"), "work_item_lock_lost", "complete");
        await hand.backend.start();
        await hand.answer(await hand.activity(), "in time");
        const turn = await hand.turn();
        await hand.process(turn, [completion(1, "done")]);
        await hand.backend.stop();
        await assertRejects(hand.backend.completeOrchestrationWorkItem(turn), "work_item_lock_lost", "complete");
        await hand.backend.start();
        await hand.commit([completion(1, "done")]);
        assertEqual((await hand.backend.getOrchestrationMetadata(turn.instanceId)).output, "done", "output");
      },
    );

    byHand(
      suite,
      "a watch answers when its condition holds, and rejects for an unknown or purged instance",
      async (hand) => {
        const { backend } = hand;
        await assertRejects(
          backend.watchOrchestrationRuntimeStatus("bogus", () => true),
          "instance_not_found",
          "an unknown one",
        );
        await assertRejects(backend.getOrchestrationMetadata("bogus"), "instance_not_found", "its metadata");
        const id = await hand.start();
        const ended = backend.watchOrchestrationRuntimeStatus(id, ({ runtimeStatus }) => runtimeStatus === "COMPLETED");
        await hand.commit([completion(0, "done")]);
        assertEqual((await ended).output, "done", "output");
        const never = assertRejects(
          backend.watchOrchestrationRuntimeStatus(id, () => false),
          "instance_not_found",
          "a purged one",
        );
        await hand.environment.after(5);
        await backend.purgeOrchestrationState(id);
        await hand.environment.after(5);
        await never;
      },
    );
  });
}

async function withBackend(suite: BackendSuite, body: (environment: ContractBackend) => Promise<void>): Promise<void> {
  const environment = await suite.setup.openBackend();
  try {
    await body(environment);
  } finally {
    await environment.close();
  }
}
