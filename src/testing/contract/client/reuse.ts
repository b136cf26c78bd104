import { create } from "@bufbuild/protobuf";
import {
  CreateOrchestrationAction,
  type OrchestrationIdReusePolicy,
  OrchestrationIdReusePolicySchema,
  OrchestrationStatus,
} from "../../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { assert, assertContains, assertEqual, assertRejects } from "../assert.ts";
import { begin, type ClientSuite, end, newId, outcome, output, run, twice, until } from "../case.ts";
import { emptyOrchestrator, failingOrchestrator, singleOrchestrator } from "./activities.ts";
import { waitingOrchestrator } from "./external-events.ts";

/** Any state of an instance that may be replaced or kept. */
const ANY = [
  OrchestrationStatus.PENDING,
  OrchestrationStatus.RUNNING,
  OrchestrationStatus.SUSPENDED,
  OrchestrationStatus.COMPLETED,
  OrchestrationStatus.FAILED,
  OrchestrationStatus.TERMINATED,
];

function policy(
  action: CreateOrchestrationAction,
  operationStatus: OrchestrationStatus[] = ANY,
): OrchestrationIdReusePolicy {
  return create(OrchestrationIdReusePolicySchema, { action, operationStatus });
}

/** Starting an id that is taken. */
export function reuseTests(suite: ClientSuite): void {
  const { IGNORE, TERMINATE, ERROR } = CreateOrchestrationAction;

  suite.runner.describe("reuse of an instance id", () => {
    twice(suite, "a second start of an id is refused, whether the first runs or has ended", async (hub) => {
      const id = await begin(hub, waitingOrchestrator);
      const running = await assertRejects(
        begin(hub, emptyOrchestrator, undefined, { instanceId: id }),
        "instance_exists",
        "start",
      );
      assertContains(running.message, "orchestration instance already exists", "message");
      await hub.client.raiseEvent(id, "go", "first");
      const done = await end(hub, id);
      await assertRejects(begin(hub, emptyOrchestrator, undefined, { instanceId: id }), "instance_exists", "start");
      assertEqual(output(hub, await hub.client.fetchOrchestrationMetadata(id)), "first", "the first run's output");
      return outcome(hub, done);
    });

    twice(suite, "a policy that ignores keeps the first run", async (hub) => {
      const id = await begin(hub, singleOrchestrator, "first");
      const { createdAt } = await hub.client.fetchOrchestrationMetadata(id);
      await hub.after(5);
      await begin(hub, singleOrchestrator, "second", { instanceId: id, reusePolicy: policy(IGNORE) });
      const done = await end(hub, id);
      assertEqual(output(hub, done), "Hello, first!", "output");
      assertEqual(done.createdAt, createdAt, "createdAt");
      return outcome(hub, done);
    });

    twice(suite, "a policy that terminates replaces the first run, with all that it waits for", async (hub) => {
      const id = await begin(hub, waitingOrchestrator);
      await until(hub, id, ({ waitingOn }) => waitingOn.events.length === 1, "waiting");
      const { createdAt, executionId } = await hub.client.fetchOrchestrationMetadata(id);
      await hub.client.raiseEvent(id, "other", "unread");
      await hub.after(5);
      await begin(hub, singleOrchestrator, "second", { instanceId: id, reusePolicy: policy(TERMINATE) });
      const done = await end(hub, id);
      assertEqual(output(hub, done), "Hello, second!", "output");
      assert(done.createdAt.getTime() > createdAt.getTime(), "createdAt is the first run's");
      assert(done.executionId !== executionId, "executionId is the first run's");
      return outcome(hub, done);
    });

    twice(suite, "a policy holds for the states that it names, and no others", async (hub) => {
      const failed = await run(hub, failingOrchestrator, "boom");
      const onlyFailed = policy(TERMINATE, [OrchestrationStatus.FAILED]);
      const again = await run(hub, emptyOrchestrator, undefined, {
        instanceId: failed.instanceId,
        reusePolicy: onlyFailed,
      });
      assertEqual(again.runtimeStatus, "COMPLETED", "the run that replaced a failed one");
      const third = begin(hub, emptyOrchestrator, undefined, {
        instanceId: failed.instanceId,
        reusePolicy: onlyFailed,
      });
      await assertRejects(third, "instance_exists", "a start over a completed one");
      const refusing = begin(hub, emptyOrchestrator, undefined, {
        instanceId: failed.instanceId,
        reusePolicy: policy(ERROR),
      });
      await assertRejects(refusing, "instance_exists", "a start with a policy that refuses");
      return outcome(hub, again);
    });

    twice(suite, "scheduling twice with one idempotency key schedules once", async (hub) => {
      const idempotencyKey = newId("order");
      const [first, second] = await Promise.all([
        hub.client.scheduleNewOrchestration(singleOrchestrator, "once", { idempotencyKey }),
        hub.client.scheduleNewOrchestration(singleOrchestrator, "twice", { idempotencyKey }),
      ]);
      assertEqual([first, second], [idempotencyKey, idempotencyKey], "the ids");
      const done = await end(hub, idempotencyKey);
      const third = await hub.client.scheduleNewOrchestration(singleOrchestrator, "thrice", { idempotencyKey });
      assertEqual(third, idempotencyKey, "the id of a start after the end");
      const starts = (await hub.client.getInstanceHistory(idempotencyKey)).filter(
        ({ eventType }) => eventType.case === "executionStarted",
      );
      assertEqual(starts.length, 1, "starts");
      return [done.runtimeStatus];
    });
  });
}
