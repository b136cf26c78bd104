import type { OrchestratorReference } from "../../../core/orchestration/context.ts";
import { defineEvent, defineOrchestrator } from "../../../core/orchestration/references.ts";
import type { AnyTaskReference } from "../../../core/orchestration/registry.ts";
import { ACTIVITY } from "../activities.ts";
import { assertEqual, assertRejects } from "../assert.ts";
import { begin, type ClientSuite, end, newId, outcome, output, twice, until } from "../case.ts";

/** Later than any test, by any clock. */
const FAR = new Date("2100-01-01T00:00:00Z");

const go = defineEvent<unknown>("go");

/** Waits for one event `go` and answers its payload. */
export const waitingOrchestrator: OrchestratorReference<unknown, unknown> = defineOrchestrator(
  "contract.waiting",
  async (ctx) => ctx.waitForExternalEvent(go),
);
/** Waits for so many events `go`. */
export const waitingTimesOrchestrator: OrchestratorReference<number, unknown[]> = defineOrchestrator(
  "contract.waitingTimes",
  async (ctx, times: number) => {
    const seen: unknown[] = [];
    for (let time = 0; time < times; time++) seen.push(await ctx.waitForExternalEvent(go));
    return seen;
  },
);
const waitingWithLimit = defineOrchestrator("contract.waitingWithLimit", (ctx, timeout: number) =>
  ctx.waitForExternalEvent(go, { timeout }),
);
const twoWaits = defineOrchestrator("contract.twoWaits", async (ctx) => {
  const [one, two] = [ctx.waitForExternalEvent(go), ctx.waitForExternalEvent(go)];
  return [await one, await two];
});
const staleTimer = defineOrchestrator("contract.staleTimer", async (ctx) => {
  const wait = ctx.waitForExternalEvent(go, { timeout: 400 });
  // The event comes in time; it is looked at only after the time limit has passed.
  await ctx.createTimer(600);
  return wait;
});
const receiveLoop = defineOrchestrator("contract.receiveLoop", async (ctx) => {
  const first = await ctx.waitForExternalEvent(go, { timeout: 400 });
  const second = await ctx.waitForExternalEvent(go);
  return [first.timedOut ? "timed out" : first.value, second];
});
const contention = defineOrchestrator("contract.contention", async (ctx, isFirst: boolean) => {
  if (isFirst) {
    const early = await ctx.waitForExternalEvent(go, { timeout: 20 });
    if (!early.timedOut) return "too early";
    ctx.continueAsNew(false, { keepEvents: true });
    return undefined;
  }
  return ctx.waitForExternalEvent(go);
});
const afterActivity = defineOrchestrator("contract.afterActivity", async (ctx) => {
  await ctx.callActivity(ACTIVITY.slow, { ms: 30, value: "first" });
  return ctx.waitForExternalEvent("GO");
});
const sender = defineOrchestrator("contract.sender", async (ctx, target: string) => {
  ctx.sendEvent(target, go, "from a sibling");
  ctx.sendEvent("contract-nobody", go, "to nobody");
  return "sent";
});

/** The orchestrators of this file's tests. */
export const eventOrchestrators: readonly AnyTaskReference[] = [
  waitingOrchestrator,
  waitingTimesOrchestrator,
  waitingWithLimit,
  twoWaits,
  staleTimer,
  receiveLoop,
  contention,
  afterActivity,
  sender,
];

/** External events: order, buffering, time limits. */
export function externalEventTests(suite: ClientSuite): void {
  suite.runner.describe("external events", () => {
    twice(suite, "an event raised before the wait is delivered", async (hub) => {
      const id = await begin(hub, afterActivity);
      await hub.client.raiseEvent(id, "go", "early");
      const done = await end(hub, id);
      assertEqual(output(hub, done), "early", "output");
      return outcome(hub, done);
    });

    twice(suite, "an event raised before the first turn is delivered after the start", async (hub) => {
      const id = await begin(hub, waitingOrchestrator, undefined, { startAt: FAR });
      await hub.client.raiseEvent(id, "go", "held");
      await hub.after(5);
      assertEqual((await hub.client.fetchOrchestrationMetadata(id)).runtimeStatus, "PENDING", "status");
      assertEqual(await hub.client.getInstanceHistory(id), [], "history before the start");
    });

    twice(suite, "the name of an event matches whatever its case", async (hub) => {
      const id = await begin(hub, waitingOrchestrator);
      await hub.client.raiseEvent(id, "Go", { answer: 42 });
      const done = await end(hub, id);
      assertEqual(output(hub, done), { answer: 42 }, "output");
      return outcome(hub, done);
    });

    twice(suite, "events that are raised in a row are taken in that order", async (hub) => {
      const id = await begin(hub, waitingTimesOrchestrator, 10);
      for (let index = 0; index < 10; index++) await hub.client.raiseEvent(id, go, index);
      const done = await end(hub, id);
      assertEqual(output(hub, done), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "payloads");
      return outcome(hub, done);
    });

    twice(suite, "of two waits the older one gets the first event", async (hub) => {
      const id = await begin(hub, twoWaits);
      await until(hub, id, ({ waitingOn }) => waitingOn.events[0]?.count === 2, "two waits");
      await hub.client.raiseEvent(id, go, "one");
      await hub.client.raiseEvent(id, go, "two");
      const done = await end(hub, id);
      assertEqual(output(hub, done), ["one", "two"], "payloads");
      return outcome(hub, done);
    });

    twice(suite, "an event without a payload arrives", async (hub) => {
      const id = await begin(hub, waitingOrchestrator);
      await hub.client.raiseEvent(id, go);
      const done = await end(hub, id);
      assertEqual(done.runtimeStatus, "COMPLETED", "status");
      assertEqual(done.output, undefined, "output");
      return outcome(hub, done);
    });

    twice(suite, "an event within the time limit is a result with its value", async (hub) => {
      const id = await begin(hub, waitingWithLimit, 600_000);
      await hub.client.raiseEvent(id, go, "in time");
      const done = await end(hub, id);
      assertEqual(output(hub, done), { timedOut: false, value: "in time" }, "output");
      return outcome(hub, done);
    });

    twice(suite, "a wait without an event times out as a result, not as an error", async (hub) => {
      const id = await begin(hub, waitingWithLimit, 20);
      const done = await end(hub, id);
      assertEqual(output(hub, done), { timedOut: true }, "output");
      return outcome(hub, done);
    });

    twice(suite, "an event in time survives the later firing of its time limit", async (hub) => {
      const id = await begin(hub, staleTimer);
      await until(hub, id, ({ runtimeStatus }) => runtimeStatus === "RUNNING", "running");
      await hub.client.raiseEvent(id, go, "in time");
      const done = await end(hub, id);
      assertEqual(output(hub, done), { timedOut: false, value: "in time" }, "output");
    });

    twice(suite, "a stale time limit does not take the event from a later wait of the same name", async (hub) => {
      const id = await begin(hub, receiveLoop);
      await until(hub, id, ({ waitingOn }) => waitingOn.events.length === 1, "the first wait");
      await hub.client.raiseEvent(id, go, "one");
      await hub.after(600);
      await hub.client.raiseEvent(id, go, "two");
      const done = await end(hub, id);
      assertEqual(output(hub, done), ["one", "two"], "payloads");
      return outcome(hub, done);
    });

    twice(suite, "an event that comes after a timeout is kept for the next generation", async (hub) => {
      const id = await begin(hub, contention, true);
      await until(hub, id, ({ generation }) => generation === 1, "the second generation");
      await hub.client.raiseEvent(id, go, 42);
      const done = await end(hub, id);
      assertEqual(output(hub, done), 42, "output");
      return outcome(hub, done);
    });

    twice(suite, "an event that an orchestration sends arrives as one that is raised", async (hub) => {
      const target = await begin(hub, waitingOrchestrator);
      const from = await begin(hub, sender, target);
      assertEqual(output(hub, await end(hub, from)), "sent", "the sender's output");
      const done = await end(hub, target);
      assertEqual(output(hub, done), "from a sibling", "the receiver's output");
      return [await outcome(hub, done)];
    });

    twice(suite, "an event raised twice with one idempotency key is delivered once", async (hub) => {
      const id = await begin(hub, waitingTimesOrchestrator, 2);
      const idempotencyKey = newId("key");
      await hub.client.raiseEvent(id, go, "one", { idempotencyKey });
      await hub.client.raiseEvent(id, go, "one again", { idempotencyKey });
      await until(hub, id, ({ runtimeStatus }) => runtimeStatus === "RUNNING", "the first event taken");
      await hub.after(5);
      await hub.client.raiseEvent(id, go, "one once more", { idempotencyKey });
      await hub.client.raiseEvent(id, go, "two");
      const done = await end(hub, id);
      assertEqual(output(hub, done), ["one", "two"], "payloads");
      return outcome(hub, done);
    });

    twice(suite, "an event for an unknown instance is refused", async (hub) => {
      await assertRejects(hub.client.raiseEvent(newId("unknown"), go), "instance_not_found", "raiseEvent");
    });

    twice(suite, "an event for an ended instance is refused, and says how it ended", async (hub) => {
      const id = await begin(hub, waitingOrchestrator);
      await hub.client.raiseEvent(id, go, 1);
      await end(hub, id);
      const error = await assertRejects(hub.client.raiseEvent(id, go, 2), "instance_completed", "raiseEvent");
      assertEqual(error.message.includes("COMPLETED"), true, "the message names the status");
    });
  });
}
