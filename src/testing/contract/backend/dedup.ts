import { create } from "@bufbuild/protobuf";
import { createSubOrchestrationAction, sendEventAction } from "../../../core/protocol/actions.ts";
import { eventRaised, executionStarted, executionTerminated } from "../../../core/protocol/events.ts";
import {
  CreateOrchestrationAction,
  OrchestrationIdReusePolicySchema,
  OrchestrationStatus,
} from "../../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { assertEqual, assertRejects } from "../assert.ts";
import { newId } from "../case.ts";
import { type BackendSuite, byHand, byHandWithMany, completion, continuation, kindsOf, task } from "./by-hand.ts";
import { raise } from "./work-items.ts";

/** Late and repeated messages have no effect, and say so by being acknowledged. */
export function dedupTests(suite: BackendSuite): void {
  suite.runner.describe("late and repeated messages", () => {
    byHand(suite, "the result of an activity of a former generation is taken and dropped", async (hand) => {
      const id = await hand.start();
      await hand.commit([task(0)]);
      const old = await hand.activity();
      await raise(hand, id, "next");
      await hand.commit([continuation(1, "second")]);
      await hand.answer(old, "late");
      assertEqual(old.signal.aborted, true, "the signal of the old activity");
      await hand.noTurn();
      assertEqual((await hand.backend.getOrchestrationMetadata(id)).generation, 1, "generation");
    });

    byHand(suite, "the result of an activity of an ended or purged instance is taken and dropped", async (hand) => {
      const id = await hand.start();
      await hand.commit([task(0), task(1)]);
      const [first, second] = [await hand.activity(), await hand.activity()];
      await raise(hand, id, "go");
      await hand.commit([completion(2, "done")]);
      await hand.answer(first, "late");
      await hand.backend.purgeOrchestrationState(id);
      await hand.answer(second, "later");
      await hand.noTurn();
      await assertRejects(hand.backend.getOrchestrationMetadata(id), "instance_not_found", "fetch");
    });

    byHand(suite, "an activity result is one event of history, however often it is brought", async (hand) => {
      const id = await hand.start();
      await hand.commit([task(0)]);
      const item = await hand.activity();
      await hand.answer(item, "first");
      await hand.answer(item, "second").catch(() => undefined);
      const turn = await hand.turn();
      const [event] = turn.newEvents;
      await hand.process(turn, []);
      await hand.backend.completeOrchestrationWorkItem(turn);
      await hand.answer(item, "third").catch(() => undefined);
      await hand.noTurn();
      assertEqual(event?.eventType.case === "taskCompleted" && event.eventType.value.result, "first", "the result");
      const kinds = kindsOf(await hand.backend.getInstanceHistory(id));
      assertEqual(kinds.filter((kind) => kind === "taskCompleted").length, 1, "results in history");
    });

    byHand(suite, "a turn of a replaced instance cannot be committed", async (hand) => {
      const id = await hand.start();
      const old = await hand.turn();
      await hand.process(old, [completion(0, "old")]);
      const reusePolicy = create(OrchestrationIdReusePolicySchema, {
        action: CreateOrchestrationAction.TERMINATE,
        operationStatus: [OrchestrationStatus.PENDING, OrchestrationStatus.RUNNING],
      });
      await hand.start({ instanceId: id }, { reusePolicy });
      assertEqual(old.signal.aborted, true, "the signal of the old turn");
      await assertRejects(hand.backend.completeOrchestrationWorkItem(old), "work_item_lock_lost", "complete");
      await hand.commit([completion(0, "new")]);
      assertEqual((await hand.backend.getOrchestrationMetadata(id)).output, "new", "output");
    });

    byHand(suite, "nothing is delivered before the start of a scheduled instance, and then in order", async (hand) => {
      const id = await hand.start({ scheduledStart: hand.environment.now() + 200 });
      await raise(hand, id, "early");
      await hand.noTurn(20);
      const item = await hand.turn();
      assertEqual(kindsOf(item.newEvents), ["executionStarted", "eventRaised"], "events");
    });

    byHand(suite, "an event with a known idempotency key is accepted and changes nothing", async (hand) => {
      const id = await hand.start();
      const send = (idempotencyKey: string): Promise<void> =>
        hand.backend.addNewOrchestrationEvent(id, eventRaised({ name: "e" }, hand.environment.now()), {
          idempotencyKey,
        });
      await send("one");
      await send("one");
      const first = await hand.commit([]);
      assertEqual(kindsOf(first), ["executionStarted", "eventRaised"], "events");
      await send("one");
      await hand.noTurn();
      await send("two");
      assertEqual(kindsOf(await hand.commit([])), ["eventRaised"], "events");
    });

    byHand(
      suite,
      "events for an unknown instance are refused; they do not wait for a later one of that id",
      async (hand) => {
        const instanceId = newId("later");
        await assertRejects(raise(hand, instanceId, "go"), "instance_not_found", "raise");
        await hand.start({ instanceId });
        assertEqual(kindsOf((await hand.turn()).newEvents), ["executionStarted"], "events");
      },
    );

    byHand(suite, "a start that is none is refused", async (hand) => {
      const { backend } = hand;
      const now = hand.environment.now();
      const raised = eventRaised({ name: "x" }, now);
      await assertRejects(backend.createOrchestrationInstance(raised), "invalid_argument", "another kind of event");
      const timeless = executionStarted({ name: "x", instanceId: "i", executionId: "e" }, now);
      delete timeless.timestamp;
      await assertRejects(backend.createOrchestrationInstance(timeless), "invalid_argument", "a start without a time");
      const nameless = executionStarted({ name: "", instanceId: "i", executionId: "e" }, now);
      await assertRejects(backend.createOrchestrationInstance(nameless), "invalid_argument", "a start without a name");
    });
  });

  suite.runner.describe("messages between instances", () => {
    byHandWithMany(suite, "a child is a turn of its own, told who its parent is", async (hand) => {
      const id = await hand.start();
      await hand.commit([createSubOrchestrationAction(0, { name: "child", input: "1", instanceId: `${id}-child` })]);
      const child = await hand.turn();
      assertEqual(
        [child.instanceId, kindsOf(child.newEvents)],
        [`${id}-child`, ["executionStarted"]],
        "the child's turn",
      );
      await hand.process(child, [completion(0, "42")]);
      await hand.backend.completeOrchestrationWorkItem(child);
      const metadata = await hand.backend.getOrchestrationMetadata(`${id}-child`);
      assertEqual([metadata.parentInstanceId, metadata.name], [id, "child"], "the child's metadata");
      const answer = await hand.turn();
      assertEqual(
        [answer.instanceId, kindsOf(answer.newEvents)],
        [id, ["subOrchestrationInstanceCompleted"]],
        "the answer",
      );
    });

    byHandWithMany(
      suite,
      "messages of one instance to another arrive in the order in which they were sent",
      async (hand) => {
        const target = await hand.start();
        await hand.commit([]);
        await hand.start();
        await hand.commit([0, 1, 2].map((id) => sendEventAction(id, { instanceId: target, name: `event ${id}` })));
        const item = await hand.turn();
        const names = item.newEvents.map(({ eventType }) =>
          eventType.case === "eventRaised" ? eventType.value.name : "",
        );
        assertEqual(names, ["event 0", "event 1", "event 2"], "names");
      },
    );

    byHandWithMany(
      suite,
      "a message that cannot be delivered does not keep its sender from committing",
      async (hand) => {
        const id = await hand.start();
        const nowhere = sendEventAction(0, { instanceId: newId("nowhere"), name: "event" });
        const impossible = sendEventAction(1, { instanceId: "", name: "event" });
        await hand.commit([nowhere, impossible, completion(2, "done")]);
        assertEqual((await hand.backend.getOrchestrationMetadata(id)).output, "done", "output");
      },
    );

    byHandWithMany(suite, "a child whose id cannot be one fails its task", async (hand) => {
      await hand.start();
      await hand.commit([createSubOrchestrationAction(0, { name: "child", instanceId: "x".repeat(600) })]);
      assertEqual(kindsOf((await hand.turn()).newEvents), ["subOrchestrationInstanceFailed"], "events");
    });

    byHand(suite, "a termination of an ended instance is accepted and changes nothing", async (hand) => {
      const id = await hand.start();
      await hand.commit([completion(0, "done")]);
      const terminate = executionTerminated({ input: "late", recurse: false }, hand.environment.now());
      await hand.backend.addNewOrchestrationEvent(id, terminate);
      await hand.noTurn();
      assertEqual((await hand.backend.getOrchestrationMetadata(id)).output, "done", "output");
    });
  });
}
