import { describe, expect, it } from "vitest";
import type { OrchestrationMetadata } from "../../../../src/core/hub/metadata.ts";
import type { OrchestratorFunction } from "../../../../src/core/orchestration/context.ts";
import { defineActivity, defineOrchestrator } from "../../../../src/core/orchestration/references.ts";
import { openHub } from "../worlds.ts";
import { plusOne } from "./code.ts";

const minusOne = defineActivity("minusOne", (_ctx, value: number) => value - 1);
const recorded: OrchestratorFunction<unknown, unknown> = async (ctx) => {
  const first = await ctx.callActivity(plusOne, 1);
  await ctx.waitForExternalEvent("go");
  return first;
};

/** Runs the recorded code up to its wait, then other code over the same history. */
async function rerunWith(changed: OrchestratorFunction<unknown, unknown>): Promise<OrchestrationMetadata> {
  const before = await openHub([plusOne, minusOne, defineOrchestrator("main", recorded)]);
  const id = await before.hub.client.scheduleNewOrchestration("main");
  await before.clock.rest();
  await before.hub.close();
  const after = await openHub([plusOne, minusOne, defineOrchestrator("main", changed)], {
    store: before.store,
    clock: before.clock,
  });
  await after.hub.client.raiseEvent(id, "go");
  const end = await after.clock.runUntil(after.hub.client.waitForOrchestrationCompletion(id));
  await after.hub.close();
  return end;
}

describe("divergence is an answer, not a hang", () => {
  it("the same code over its own history is none", async () => {
    expect((await rerunWith(recorded)).output).toBe("2");
  });

  const changes: Record<string, OrchestratorFunction<unknown, unknown>> = {
    "another name": async (ctx) => {
      await ctx.callActivity(minusOne, 1);
      return ctx.waitForExternalEvent("go");
    },
    "another kind": async (ctx) => {
      await ctx.createTimer(5);
      return ctx.waitForExternalEvent("go");
    },
    "an action fewer": async (ctx) => ctx.waitForExternalEvent("go"),
    "an action more": async (ctx) => {
      void ctx.callActivity(minusOne, 1);
      await ctx.callActivity(plusOne, 1);
      return ctx.waitForExternalEvent("go");
    },
  };
  for (const [what, changed] of Object.entries(changes)) {
    it(`${what} than recorded ends the instance as failed, naming the event and both sides`, async () => {
      const end = await rerunWith(changed);
      expect([end.runtimeStatus, end.failureDetails?.errorType]).toEqual(["FAILED", "NonDeterminismError"]);
      expect(end.failureDetails?.errorMessage).toMatch(/\d/);
      expect(end.failureDetails?.errorMessage).toContain("plusOne");
    });
  }

  it("an orchestrator that awaits something foreign ends as failed, with a hint", async () => {
    const foreign = defineOrchestrator("foreign", async () => {
      await new Promise((resolve) => setTimeout(resolve, 60_000).unref());
      return 1;
    });
    const { hub, clock } = await openHub([foreign]);
    const id = await hub.client.scheduleNewOrchestration(foreign);
    const end = await clock.runUntil(hub.client.waitForOrchestrationCompletion(id));
    expect([end.runtimeStatus, end.failureDetails?.errorType]).toEqual(["FAILED", "NonDeterminismError"]);
    await hub.close();
  });
});
