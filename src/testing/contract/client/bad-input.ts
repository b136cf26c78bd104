import { defineOrchestrator } from "../../../core/orchestration/references.ts";
import type { AnyTaskReference } from "../../../core/orchestration/registry.ts";
import { TaskFailedError } from "../../../core/orchestration/task-failed-error.ts";
import { ACTIVITY } from "../activities.ts";
import { assertContains, assertEqual, assertRejects } from "../assert.ts";
import { begin, type ClientSuite, end, newId, once, outcome, output, run, twice } from "../case.ts";
import { CONTRACT_MAX_PAYLOAD_BYTES } from "../setup.ts";
import { emptyOrchestrator, singleOrchestrator } from "./activities.ts";
import { waitingOrchestrator } from "./external-events.ts";

const BIG = "x".repeat(CONTRACT_MAX_PAYLOAD_BYTES + 1);

const badTimers = defineOrchestrator("contract.badTimers", async (ctx) => {
  const codes: string[] = [];
  const attempt = (call: () => unknown): void => {
    try {
      void call();
      codes.push("accepted");
    } catch (error) {
      codes.push((error as { code?: string }).code ?? String(error));
    }
  };
  attempt(() => ctx.createTimer(Number.NaN));
  attempt(() => ctx.createTimer(Number.POSITIVE_INFINITY));
  attempt(() => ctx.createTimer(-1));
  attempt(() => ctx.createTimer("soon"));
  attempt(() => ctx.createTimer(new Date(Number.NaN)));
  const retry = { maxAttempts: 3, firstDelay: 5 };
  attempt(() => ctx.callActivity(ACTIVITY.echo, 1, { retry: { ...retry, maxAttempts: Number.NaN } }));
  attempt(() => ctx.callActivity(ACTIVITY.echo, 1, { retry: { ...retry, maxAttempts: 0 } }));
  attempt(() => ctx.callActivity(ACTIVITY.echo, 1, { retry: { ...retry, firstDelay: Number.NaN } }));
  attempt(() => ctx.callActivity(ACTIVITY.echo, 1, { retry: { ...retry, backoff: Number.POSITIVE_INFINITY } }));
  attempt(() => ctx.callActivity(ACTIVITY.echo, 1, { timeout: Number.NaN }));
  attempt(() => ctx.waitForExternalEvent("go", { timeout: Number.NaN }));
  attempt(() => ctx.waitForExternalEvent(""));
  attempt(() => ctx.callActivity(""));
  // None of them was asked for: the next action is the first.
  const { taskId } = await ctx.callActivity<{ taskId: number }>(ACTIVITY.who);
  return [codes, taskId];
});
const bigOutput = defineOrchestrator("contract.bigOutput", async () => BIG);
const bigStatus = defineOrchestrator("contract.bigStatus", async (ctx) => ctx.setCustomStatus(BIG));
const bigResult = defineOrchestrator("contract.bigResult", async (ctx) => {
  try {
    return await ctx.callActivity(ACTIVITY.text, CONTRACT_MAX_PAYLOAD_BYTES + 1);
  } catch (error) {
    if (!(error instanceof TaskFailedError)) throw error;
    return error.errorType;
  }
});
const bigCall = defineOrchestrator("contract.bigCall", async (ctx) => {
  try {
    return await ctx.callActivity(ACTIVITY.echo, BIG);
  } catch (error) {
    return (error as { code?: string }).code;
  }
});

/** The orchestrators of this file's tests. */
export const badInputOrchestrators: readonly AnyTaskReference[] = [badTimers, bigOutput, bigStatus, bigResult, bigCall];

/** Bad input gets a typed error, loses nothing and wedges nobody. */
export function badInputTests(suite: ClientSuite): void {
  suite.runner.describe("bad input", () => {
    once(suite, "an instance id that is empty, too long or ill-formed is refused", async (hub) => {
      for (const instanceId of ["", "x".repeat(600), "é".repeat(300), "lone \ud800 surrogate"]) {
        const start = hub.client.scheduleNewOrchestration(emptyOrchestrator, undefined, { instanceId });
        await assertRejects(start, "invalid_argument", `an id of ${instanceId.length} characters`);
        await assertRejects(hub.client.raiseEvent(instanceId, "go"), "invalid_argument", "an event to it");
      }
    });

    once(suite, "any other instance id works: slashes, spaces, colons, other scripts", async (hub) => {
      const base = newId("id");
      for (const instanceId of [`${base}/a b?c#d`, `${base}:0000`, `${base} 世界`, `${base}..%2F`, `${base}'"\\`]) {
        assertEqual((await run(hub, emptyOrchestrator, undefined, { instanceId })).instanceId, instanceId, "id");
      }
    });

    once(suite, "an empty name is refused", async (hub) => {
      await assertRejects(hub.client.scheduleNewOrchestration(""), "invalid_argument", "an orchestrator's");
      const id = await begin(hub, waitingOrchestrator);
      await assertRejects(hub.client.raiseEvent(id, ""), "invalid_argument", "an event's");
    });

    once(suite, "a start time that is no date is refused", async (hub) => {
      const options = { startAt: new Date(Number.NaN), instanceId: newId("never") };
      await assertRejects(
        hub.client.scheduleNewOrchestration(emptyOrchestrator, undefined, options),
        "invalid_argument",
        "start",
      );
      await assertRejects(hub.client.fetchOrchestrationMetadata(options.instanceId), "instance_not_found", "fetch");
    });

    once(suite, "an idempotency key that is empty or too long is refused", async (hub) => {
      const id = await begin(hub, waitingOrchestrator);
      for (const idempotencyKey of ["", "x".repeat(200)]) {
        await assertRejects(hub.client.raiseEvent(id, "go", 1, { idempotencyKey }), "invalid_argument", "key");
      }
    });

    once(suite, "a payload that is no JSON is refused, and nothing is stored", async (hub) => {
      const loop: { self?: unknown } = {};
      loop.self = loop;
      for (const payload of [loop, 10n]) {
        const instanceId = newId("never");
        const start = hub.client.scheduleNewOrchestration("contract.echoes", payload, { instanceId });
        await assertRejects(start, "payload_not_serializable", "start");
        await assertRejects(hub.client.fetchOrchestrationMetadata(instanceId), "instance_not_found", "fetch");
      }
    });

    once(suite, "an oversized input or event is refused, and the instance goes on", async (hub) => {
      const instanceId = newId("never");
      const start = hub.client.scheduleNewOrchestration(singleOrchestrator, BIG, { instanceId });
      await assertRejects(start, "payload_too_large", "start");
      await assertRejects(hub.client.fetchOrchestrationMetadata(instanceId), "instance_not_found", "fetch");
      const id = await begin(hub, waitingOrchestrator);
      await assertRejects(hub.client.raiseEvent(id, "go", BIG), "payload_too_large", "event");
      await assertRejects(hub.client.terminateOrchestration(id, { output: BIG }), "payload_too_large", "terminate");
      await hub.client.raiseEvent(id, "go", "small");
      assertEqual(output(hub, await end(hub, id)), "small", "output");
    });

    twice(suite, "an oversized output or status fails the orchestration, saying why", async (hub) => {
      for (const orchestrator of [bigOutput, bigStatus]) {
        const done = await run(hub, orchestrator);
        assertEqual(done.runtimeStatus, "FAILED", orchestrator.name);
        assertContains(done.failureDetails?.errorMessage, "above the limit", orchestrator.name);
      }
    });

    twice(suite, "an oversized result fails its activity, and an oversized input its call", async (hub) => {
      const result = await run(hub, bigResult);
      assertEqual(output(hub, result), "PayloadTooLargeError", "the error type");
      const call = await run(hub, bigCall);
      assertEqual(output(hub, call), "payload_too_large", "the code");
      return [await outcome(hub, result), await outcome(hub, call)];
    });

    twice(suite, "timers and retry values that are not finite are refused where they are asked for", async (hub) => {
      const done = await run(hub, badTimers);
      const [codes, taskId] = output(hub, done) as [string[], number];
      assertEqual(
        codes,
        codes.map(() => "invalid_argument"),
        "codes",
      );
      assertEqual(taskId, 0, "the id of the next action");
      return outcome(hub, done);
    });

    once(suite, "a wait can be given up, and the instance goes on", async (hub) => {
      const id = await begin(hub, waitingOrchestrator);
      const controller = new AbortController();
      const wait = hub.client.waitForOrchestrationCompletion(id, { signal: controller.signal });
      const rejected = assertRejects(wait, "aborted", "an aborted wait");
      controller.abort();
      await hub.until(rejected);
      await assertRejects(
        hub.client.waitForOrchestrationCompletion(newId("unknown")),
        "instance_not_found",
        "an unknown id",
      );
      await hub.client.raiseEvent(id, "go", 1);
      assertEqual((await end(hub, id)).runtimeStatus, "COMPLETED", "status");
    });
  });
}
