/** The test hub inside workerd, where a `MessageChannel` hop runs too few microtasks. */
import { expect, it } from "vitest";
import { defineActivity, defineOrchestrator, TaskRegistry } from "../../src/core/index.ts";
import { createTestHub } from "../../src/testing/index.ts";

const double = defineActivity("double", async (_ctx, n: number) => 2 * n);
const patient = defineOrchestrator("patient", async (ctx, n: number) => {
  const doubled = await ctx.callActivity(double, n, { retry: { maxAttempts: 2, firstDelay: "1m" } });
  const answer = await ctx.waitForExternalEvent<number>("go", { timeout: "7d" });
  return answer.timedOut ? doubled : doubled + answer.value;
});

it.each([1000, 0])("a week passes at once, given the hop of the host (%d kept)", async (cacheSize) => {
  const hop = async (): Promise<void> => void (await new Response("x").text());
  const hub = await createTestHub({ registry: new TaskRegistry().add(double, patient), hop, cacheSize });
  hub.activity(double).failsAt(1);
  const id = await hub.start(patient, 2);
  await hub.advance("3d");
  hub.crashAt("before commit");
  await hub.advance("5d");
  expect(hub.hasCrashed).toBe(true);
  await hub.restart();
  expect(await hub.result(id)).toBe(4);
  await hub.close();
});
