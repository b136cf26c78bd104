/** Dapr's own SDK for applications, `@dapr/dapr`, with its workflow client and runtime. */
import {
  DaprWorkflowClient,
  type WorkflowActivityContext,
  type WorkflowContext,
  WorkflowRuntime,
  WorkflowRuntimeStatus,
} from "@dapr/dapr";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { OpenHub, TestHub } from "./served-hub.ts";

/** Runs its scenarios against a hub that is reached in some way. */
export function daprWorkflowSuite(against: string, openHub: OpenHub): void {
  describe(`@dapr/dapr against ${against}`, () => {
    let hub: TestHub;
    let runtime: WorkflowRuntime;
    let client: DaprWorkflowClient;

    beforeAll(async () => {
      hub = await openHub({});
      const options = { daprHost: "127.0.0.1", daprPort: String(hub.port) };
      runtime = new WorkflowRuntime(options)
        .registerActivityWithName("hello", async (_: WorkflowActivityContext, name: string) => `Hello, ${name}!`)
        .registerWorkflowWithName("greetings", async function* (
          ctx: WorkflowContext,
        ): AsyncGenerator<unknown, unknown> {
          const tasks = ["Ada", "Grace"].map((name) => ctx.callActivity("hello", name));
          return yield ctx.whenAll(tasks);
        } as never)
        .registerWorkflowWithName("approval", async function* (ctx: WorkflowContext): AsyncGenerator<unknown, unknown> {
          const event = ctx.waitForExternalEvent("approved");
          const timer = ctx.createTimer(20);
          const winner = yield ctx.whenAny([event, timer]);
          return winner === event ? "approved" : "late";
        } as never)
        .registerWorkflowWithName("parent", async function* (ctx: WorkflowContext): AsyncGenerator<unknown, unknown> {
          return yield ctx.callChildWorkflow("greetings", undefined, `${ctx.getWorkflowInstanceId()}-child`);
        } as never);
      await runtime.start();
      client = new DaprWorkflowClient(options);
    });

    afterAll(async () => {
      await Promise.all([runtime.stop(), client.stop()]);
      await hub.close();
    });

    it("runs a workflow, its children and its activities", async () => {
      const id = await client.scheduleNewWorkflow("parent");
      const state = await client.waitForWorkflowCompletion(id, undefined, 20);
      expect(state?.runtimeStatus).toBe(WorkflowRuntimeStatus.COMPLETED);
      expect(state?.serializedOutput).toBe('["Hello, Ada!","Hello, Grace!"]');
      expect((await client.getWorkflowState(`${id}-child`, true))?.name).toBe("greetings");
    });

    it("raises events, suspends, resumes, terminates and purges", async () => {
      const id = await client.scheduleNewWorkflow("approval");
      await client.waitForWorkflowStart(id, undefined, 20);
      await client.suspendWorkflow(id);
      expect((await client.getWorkflowState(id, false))?.runtimeStatus).toBe(WorkflowRuntimeStatus.SUSPENDED);
      await client.resumeWorkflow(id);
      expect((await client.getWorkflowState(id, false))?.runtimeStatus).toBe(WorkflowRuntimeStatus.RUNNING);
      await client.raiseEvent(id, "approved", { by: "me" });
      expect((await client.waitForWorkflowCompletion(id, undefined, 20))?.serializedOutput).toBe('"approved"');
      expect(await client.purgeWorkflow(id)).toBe(true);

      const other = await client.scheduleNewWorkflow("approval", undefined, "to-terminate");
      await client.waitForWorkflowStart(other, undefined, 20);
      await client.terminateWorkflow(other, "enough");
      const ended = await client.getWorkflowState(other, true);
      expect(ended).toMatchObject({ runtimeStatus: WorkflowRuntimeStatus.TERMINATED, serializedOutput: '"enough"' });
    });
  });
}
