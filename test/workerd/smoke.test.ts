import { env } from "cloudflare:test";
import { expect, test } from "vitest";
import { type TaskHubBindings, taskHubClient } from "../../src/backends/durable-object/index.ts";

const client = taskHubClient(env as unknown as TaskHubBindings);

test("a chain of activities ends with the right output in an object of its own", async () => {
  const id = await client.scheduleNewOrchestration("chain", 5);
  const done = await client.waitForOrchestrationCompletion(id, { timeout: "10s" });
  expect(done.runtimeStatus).toBe("COMPLETED");
  expect(client.outputOf(done)).toBe(5);
});

test("children in objects of their own report to their parent", async () => {
  const id = await client.scheduleNewOrchestration("family", [1, 2, 3]);
  const done = await client.waitForOrchestrationCompletion(id, { timeout: "10s" });
  expect(client.outputOf(done)).toBe(6);
});

test("a short timer fires", async () => {
  const id = await client.scheduleNewOrchestration("sleeper", 50);
  const done = await client.waitForOrchestrationCompletion(id, { timeout: "10s" });
  expect(client.outputOf(done)).toBe("awake");
});

test("an event reaches its orchestration, and the index lists all", async () => {
  const id = await client.scheduleNewOrchestration("listener", "go", { instanceId: "listener-1" });
  await client.raiseEvent(id, "GO", { a: 1 });
  const done = await client.waitForOrchestrationCompletion(id, { timeout: "10s" });
  expect(client.outputOf(done)).toEqual({ a: 1 });
  await expect
    .poll(async () => (await client.queryInstances({ runtimeStatus: ["COMPLETED"] })).instances.length)
    .toBe(7);
});
