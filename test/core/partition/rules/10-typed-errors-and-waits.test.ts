import { describe, expect, it } from "vitest";
import { PerduraError } from "../../../../src/core/errors.ts";
import { describeWaiting } from "../../../../src/core/hub/metadata.ts";
import { defineActivity, defineOrchestrator } from "../../../../src/core/orchestration/references.ts";
import { gate } from "../../hub/fakes.ts";
import { openHub } from "../worlds.ts";
import { waiting } from "./code.ts";

describe("every error is typed, and every wait is answerable", () => {
  it("client errors have a stable code, a message with what to do, and are one family", async () => {
    const { hub, clock } = await openHub([waiting]);
    const { client } = hub;
    const id = await client.scheduleNewOrchestration(waiting, undefined, { instanceId: "abc" });
    await clock.rest();
    const calls: Record<string, Promise<unknown>> = {
      instance_exists: client.scheduleNewOrchestration(waiting, undefined, { instanceId: id }),
      instance_not_found: client.fetchOrchestrationMetadata("nowhere"),
      instance_not_completed: client.purgeOrchestrationState(id),
      not_registered: client.scheduleNewOrchestration("nobody"),
      invalid_argument: client.raiseEvent(id, ""),
      payload_not_serializable: client.raiseEvent(id, "go", 1n),
      task_hub_exists: hub.backend.createTaskHub(),
      backend_already_started: hub.backend.start(),
    };
    for (const [code, call] of Object.entries(calls)) {
      const error = await call.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error, code).toBeInstanceOf(PerduraError);
      expect((error as PerduraError).code).toBe(code);
    }
    await hub.close();
  });

  it("whatever user code throws is a failure with details, and never a failure of the hub", async () => {
    const thrown: unknown[] = [
      "text",
      undefined,
      null,
      42,
      { odd: true },
      Object.assign(new Error("m"), { name: "Mine" }),
    ];
    const throwing = defineActivity("throwing", (_ctx, index: number) => {
      throw thrown[index];
    });
    const direct = defineOrchestrator("direct", async (_ctx, index: number) => {
      throw thrown[index];
    });
    const through = defineOrchestrator("through", async (ctx, index: number) => ctx.callActivity(throwing, index));
    const { hub, clock } = await openHub([throwing, direct, through]);
    for (const index of thrown.keys()) {
      for (const orchestrator of [direct, through]) {
        const id = await hub.client.scheduleNewOrchestration(orchestrator, index);
        const end = await clock.runUntil(hub.client.waitForOrchestrationCompletion(id));
        expect(end.runtimeStatus).toBe("FAILED");
        expect(end.failureDetails?.errorMessage).toBeTypeOf("string");
      }
    }
    await hub.close();
  });

  it("the cause of a failure crosses an activity and a sub-orchestration", async () => {
    const deep = defineActivity("deep", () => {
      throw new Error("outer", { cause: new RangeError("root") });
    });
    const child = defineOrchestrator("child", async (ctx) => ctx.callActivity(deep));
    const parent = defineOrchestrator("parent", async (ctx) => ctx.callSubOrchestrator(child));
    const { hub, clock } = await openHub([deep, child, parent]);
    const id = await hub.client.scheduleNewOrchestration(parent);
    const end = await clock.runUntil(hub.client.waitForOrchestrationCompletion(id));
    expect(JSON.stringify(end.failureDetails)).toContain("root");
    await hub.close();
  });

  it("at every moment of a run its wait can be said in words", async () => {
    const { opened, open } = gate();
    const slow = defineActivity("slow", () => opened);
    const main = defineOrchestrator("main", async (ctx) => {
      await ctx.callActivity(slow);
      await ctx.createTimer("1h", { name: "nap" });
      await ctx.callSubOrchestrator(waiting);
      await ctx.waitForExternalEvent("end", { timeout: "2h" });
    });
    const { hub, clock } = await openHub([slow, main, waiting]);
    const id = await hub.client.scheduleNewOrchestration(main);
    const words = async (): Promise<string> => describeWaiting(await hub.client.fetchOrchestrationMetadata(id));
    await clock.rest();
    expect(await words()).toContain("activity 'slow'");
    open();
    await clock.rest();
    expect(await words()).toContain("'nap'");
    await clock.advance(3_600_000);
    expect(await words()).toContain("sub-orchestration");
    await hub.client.raiseEvent(`${id}:0002`, "go");
    await clock.rest();
    expect(await words()).toContain("event 'end' until");
    await hub.client.suspendOrchestration(id);
    await clock.rest();
    expect(await words()).toContain("suspended");
    await hub.client.resumeOrchestration(id);
    await clock.advance(2 * 3_600_000);
    expect(await words()).toBe("completed");
    await hub.close();
  });

  it("a reader is never told of damage because the instance moved on while it read", async () => {
    const again = defineOrchestrator("again", async (ctx, round: number) => {
      await ctx.waitForExternalEvent("next");
      ctx.continueAsNew(round + 1);
    });
    const { hub, store, clock } = await openHub([again]);
    const id = await hub.client.scheduleNewOrchestration(again, 0);
    await clock.rest();
    for (const read of [() => hub.client.getInstanceHistory(id), () => hub.client.fetchOrchestrationMetadata(id)]) {
      let isDisturbed = false;
      store.beforeHistory = async () => {
        if (isDisturbed) return;
        isDisturbed = true;
        await hub.client.raiseEvent(id, "next");
        await clock.rest();
      };
      await read();
    }
    await hub.close();
  });
});
