import { orchestrationMetadataIsComplete, orchestrationMetadataIsRunning } from "../../../core/hub/metadata.ts";
import { completeOrchestrationAction, createTimerAction } from "../../../core/protocol/actions.ts";
import { eventRaised } from "../../../core/protocol/events.ts";
import { type HistoryEvent, OrchestrationStatus } from "../../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { statusName } from "../../../core/protocol/status.ts";
import { timestampFromMs } from "../../../core/protocol/timestamp.ts";
import { assert, assertDefined, assertEqual, assertRejects, ContractViolation } from "../assert.ts";
import { type BackendSuite, byHand, byHandWithMany, completion, type Hand, kindsOf, task } from "./by-hand.ts";

const INPUT = JSON.stringify("[こんにちは] 🐶");

/** Work items: what is handed out, when, and what completing and abandoning them does. */
export function workItemTests(suite: BackendSuite): void {
  suite.runner.describe("orchestration work items", () => {
    byHand(suite, "a new instance is one turn with its start event, and its state is empty", async (hand) => {
      const id = await hand.start({ input: INPUT });
      const item = await hand.turn();
      assertEqual(kindsOf(item.newEvents), ["executionStarted"], "events");
      assertStart(item.newEvents[0], id);
      assert(item.lockedBy !== "", "the item is locked by nobody");
      assertEqual([item.instanceId, item.retryCount, item.abandonDelay], [id, 0, 0], "the item");
      assertEqual(item.toString(), `${id} (1 event(s))`, "text");
      const state = await hand.backend.getOrchestrationRuntimeState(item);
      assertEqual([state.oldEvents.length, state.newEvents.length, state.isValid], [0, 0, true], "the state");
      await assertRejects(
        Promise.resolve().then(() => state.name),
        "instance_not_started",
        "its name",
      );
      await assertRejects(state.input(), "instance_not_started", "its input");
    });

    byHandWithMany(suite, "turns of several instances come in the order of their creation", async (hand) => {
      const ids: string[] = [];
      for (let index = 0; index < 4; index++) ids.push(await hand.start({ input: INPUT }));
      for (const id of ids) {
        const item = await hand.turn();
        assertEqual([item.instanceId, kindsOf(item.newEvents)], [id, ["executionStarted"]], "the item");
        assertStart(item.newEvents[0], id);
      }
    });

    for (const status of [OrchestrationStatus.COMPLETED, OrchestrationStatus.TERMINATED, OrchestrationStatus.FAILED]) {
      byHand(
        suite,
        `a turn that ends an instance as ${statusName(status)} shows in its metadata, whole`,
        async (hand) => {
          const id = await hand.start({ input: INPUT });
          const createdFrom = hand.environment.now();
          const isFailure = status === OrchestrationStatus.FAILED;
          const failureDetails = { errorType: "MyError", errorMessage: "Kah-BOOOOM!!", stackTrace: "line 1\nline 2" };
          const ending = completeOrchestrationAction(0, {
            status,
            ...(isFailure ? { failureDetails } : { result: "done!" }),
          });
          const item = await hand.turn();
          const state = await hand.process(item, [ending]);
          await hand.backend.completeOrchestrationWorkItem(item);
          const metadata = await hand.backend.getOrchestrationMetadata(id);
          assert(
            orchestrationMetadataIsComplete(metadata) && !orchestrationMetadataIsRunning(metadata),
            "it is not complete",
          );
          assertEqual(metadata.runtimeStatus, statusName(state.runtimeStatus), "status");
          assertEqual([metadata.name, metadata.input], ["testing", INPUT], "name and input");
          assert(Math.abs(metadata.createdAt.getTime() - createdFrom) <= 1000, "createdAt is another time");
          assertDefined(metadata.completedAt, "completedAt");
          if (isFailure) {
            const { errorType, errorMessage, stackTrace } = assertDefined(metadata.failureDetails, "failureDetails");
            assertEqual({ errorType, errorMessage, stackTrace }, failureDetails, "failureDetails");
          } else {
            assertEqual(metadata.output, "done!", "output");
          }
          assertEqual(
            kindsOf(await hand.backend.getInstanceHistory(id)),
            ["orchestratorStarted", "executionStarted", "executionCompleted"],
            "history",
          );
          await hand.noTurn();
        },
      );
    }

    byHand(suite, "the state of a later turn has old events only, and reads them when asked", async (hand) => {
      const id = await hand.start({ input: INPUT });
      await hand.commit([task(0)]);
      await hand.answer(await hand.activity(), "42");
      const item = await hand.turn();
      const state = await hand.backend.getOrchestrationRuntimeState(item);
      assertEqual([state.oldEvents.length, state.newEvents.length], [3, 0], "events");
      assertEqual(
        kindsOf(await state.oldEvents.read()),
        ["orchestratorStarted", "executionStarted", "taskScheduled"],
        "history",
      );
      assertEqual([state.name, await state.input()], ["testing", INPUT], "name and input");
      assertEqual(item.instanceId, id, "the instance");
    });

    byHand(suite, "an abandoned turn comes again at once, and then after a delay that grows", async (hand) => {
      const id = await hand.start({ input: INPUT });
      const first = await hand.turn();
      await hand.backend.abandonOrchestrationWorkItem(first);
      const second = await hand.turn();
      assertEqual([second.instanceId, kindsOf(second.newEvents)], [id, ["executionStarted"]], "the item");
      assertEqual([second.retryCount, second.abandonDelay], [1, 1000], "retries");
      await hand.backend.abandonOrchestrationWorkItem(second);
      await hand.noTurn(500);
      await hand.environment.after(600);
      assertEqual((await hand.turn()).retryCount, 2, "retries");
    });

    byHand(suite, "an item that was handed back can neither be completed nor abandoned again", async (hand) => {
      await hand.start();
      const first = await hand.turn();
      await hand.backend.abandonOrchestrationWorkItem(first);
      const second = await hand.turn();
      await hand.process(first, [completion(0, "from the first")]).catch(() => undefined);
      await assertRejects(hand.backend.completeOrchestrationWorkItem(first), "work_item_lock_lost", "complete");
      await assertRejects(hand.backend.abandonOrchestrationWorkItem(first), "work_item_lock_lost", "abandon");
      await hand.process(second, [completion(0, "from the second")]);
      await hand.backend.completeOrchestrationWorkItem(second);
      assertEqual((await hand.backend.getOrchestrationMetadata(second.instanceId)).output, "from the second", "output");
    });

    byHand(suite, "an instance has one turn at a time, and what arrives meanwhile is the next one's", async (hand) => {
      const id = await hand.start();
      const item = await hand.turn();
      await raise(hand, id, "one");
      await hand.noTurn();
      await hand.process(item, [task(0)]);
      await hand.backend.completeOrchestrationWorkItem(item);
      assertEqual(kindsOf((await hand.turn()).newEvents), ["eventRaised"], "events of the next turn");
    });

    byHand(suite, "one turn takes a thousand events at most, and none is lost", async (hand) => {
      const id = await hand.start();
      for (let index = 0; index < 1100; index++) await raise(hand, id, `event ${index}`);
      const first = await hand.commit([]);
      assert(first.length <= 1000, `a turn has ${first.length} events`);
      const second = await hand.commit([]);
      assertEqual(first.length + second.length, 1101, "events in two turns");
    });
  });

  suite.runner.describe("timers by hand", () => {
    byHand(suite, "a timer comes when it is due, to the nanosecond that was asked for", async (hand) => {
      const id = await hand.start();
      const fireAt = timestampFromMs(hand.environment.now() + 200);
      fireAt.nanos += 123;
      await hand.commit([createTimerAction(0, { fireAt })]);
      const metadata = await hand.backend.getOrchestrationMetadata(id);
      assertEqual(metadata.runtimeStatus, "RUNNING", "status");
      await hand.noTurn(20);
      const [event] = (await hand.turn()).newEvents;
      if (event?.eventType.case !== "timerFired") throw new ContractViolation(`not a firing: ${event?.eventType.case}`);
      assertEqual([event.eventType.value.timerId, event.eventType.value.fireAt], [0, fireAt], "the firing");
      assert(hand.environment.now() * 1e6 >= Number(fireAt.seconds) * 1e9 + fireAt.nanos, "it fired early");
    });
  });

  suite.runner.describe("activity work items", () => {
    byHand(
      suite,
      "a scheduled activity is an item with name and input, and its result is the next turn",
      async (hand) => {
        const id = await hand.start();
        await hand.commit([task(7, "MyActivity", INPUT)]);
        assertEqual((await hand.backend.getOrchestrationMetadata(id)).runtimeStatus, "RUNNING", "status");
        const item = await hand.activity();
        assertEqual(
          [item.instanceId, item.newEvent.eventId, item.toString()],
          [id, 7, `${id}/MyActivity#7`],
          "the item",
        );
        const { eventType } = item.newEvent;
        if (eventType.case !== "taskScheduled") throw new ContractViolation(`not a task: ${eventType.case}`);
        assertEqual(
          [eventType.value.name, eventType.value.input, eventType.value.taskExecutionId],
          ["MyActivity", INPUT, "task-execution-7"],
          "the task",
        );
        await hand.answer(item, "42");
        const turn = await hand.turn();
        assertEqual(kindsOf(turn.newEvents), ["taskCompleted"], "events");
        const result = turn.newEvents[0]?.eventType;
        if (result?.case !== "taskCompleted") throw new ContractViolation("not a result");
        assertEqual([result.value.taskScheduledId, result.value.result], [7, "42"], "the result");
      },
    );

    byHand(suite, "an abandoned activity comes again as it was, its input absent when it had none", async (hand) => {
      await hand.start();
      await hand.commit([task(123)]);
      await hand.backend.abandonActivityWorkItem(await hand.activity());
      const again = await hand.activity();
      const { eventType } = again.newEvent;
      if (eventType.case !== "taskScheduled") throw new ContractViolation(`not a task: ${eventType.case}`);
      assertEqual(
        [again.newEvent.eventId, eventType.value.name, eventType.value.input],
        [123, "activity", undefined],
        "the task",
      );
      assertEqual([again.retryCount, eventType.value.taskExecutionId], [1, "task-execution-123"], "the attempt");
    });

    byHand(suite, "an activity is handed out once, until it is handed back", async (hand) => {
      await hand.start();
      await hand.commit([task(0), task(1)]);
      const items = [await hand.activity(), await hand.activity()];
      assertEqual(
        items.map(({ newEvent }) => newEvent.eventId),
        [0, 1],
        "ids",
      );
      assert((items[0]?.sequenceNumber ?? 0) < (items[1]?.sequenceNumber ?? 0), "sequence numbers do not rise");
      await hand.noActivity();
    });

    byHand(suite, "an activity is not completed without a result, or with one of another kind", async (hand) => {
      await hand.start();
      await hand.commit([task(0)]);
      const item = await hand.activity();
      await assertRejects(hand.backend.completeActivityWorkItem(item), "invalid_argument", "no result");
      item.result = item.newEvent;
      await assertRejects(hand.backend.completeActivityWorkItem(item), "invalid_argument", "a result of another kind");
      await hand.answer(item, "1");
      assertEqual(kindsOf((await hand.turn()).newEvents), ["taskCompleted"], "events");
    });

    byHand(suite, "an attempt that was handed back can no longer be completed", async (hand) => {
      await hand.start();
      await hand.commit([task(0)]);
      const first = await hand.activity();
      await hand.backend.abandonActivityWorkItem(first);
      await hand.activity();
      await assertRejects(hand.answer(first, "late"), "work_item_lock_lost", "complete");
      await assertRejects(hand.backend.abandonActivityWorkItem(first), "work_item_lock_lost", "abandon");
    });
  });
}

/** Raises an event. */
export async function raise(hand: Hand, instanceId: string, name: string, input?: string): Promise<void> {
  await hand.backend.addNewOrchestrationEvent(instanceId, eventRaised({ name, input }, hand.environment.now()));
}

function assertStart(event: HistoryEvent | undefined, id: string): void {
  if (event?.eventType.case !== "executionStarted") throw new ContractViolation("the event is no start");
  const { name, input, orchestrationInstance } = event.eventType.value;
  assertEqual([name, input, orchestrationInstance?.instanceId], ["testing", INPUT, id], "the start event");
}
