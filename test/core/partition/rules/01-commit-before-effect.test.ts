import { describe, expect, it } from "vitest";
import { StorageError } from "../../../../src/core/errors.ts";
import type { TaskHubClient } from "../../../../src/core/hub/task-hub-client.ts";
import { defineOrchestrator } from "../../../../src/core/orchestration/references.ts";
import {
  createSubOrchestrationAction,
  scheduleTaskAction,
  sendEventAction,
} from "../../../../src/core/protocol/actions.ts";
import { gate } from "../../hub/fakes.ts";
import { BareWorld, isSettled, openHub } from "../worlds.ts";
import { plusOne, waiting } from "./code.ts";

const task = scheduleTaskAction(0, { name: "a", taskExecutionId: "t" });

const failing = defineOrchestrator("failing", async (ctx) => {
  await ctx.callActivity(plusOne, 1);
  throw new Error("boom");
});

/** What clients can ask for, of an instance that waits, and of one that has failed. */
const COMMANDS: Readonly<Record<string, (client: TaskHubClient) => Promise<unknown>>> = {
  start: (client) => client.scheduleNewOrchestration(waiting, undefined, { instanceId: "new" }),
  raise: (client) => client.raiseEvent("waits", "other"),
  suspend: (client) => client.suspendOrchestration("waits"),
  resume: (client) => client.resumeOrchestration("waits"),
  terminate: (client) => client.terminateOrchestration("waits"),
  purge: (client) => client.purgeOrchestrationState("failed"),
  rewind: (client) => client.rewindOrchestration("failed"),
  restart: (client) => client.restartOrchestration("failed"),
  rerun: (client) => client.rerunWorkflowFromEvent("failed", 0, { newInstanceId: "new" }),
};

describe("commit before effect", () => {
  it("no activity is handed out before the commit that schedules it is durable", async () => {
    const world = await new BareWorld().open();
    await world.start("abc");
    const item = await world.process(await world.turn(), [task]);
    const { opened, open } = gate();
    world.store.beforeCommit = () => opened;
    const completed = world.partition.completeOrchestrationWorkItem(item);
    expect([await isSettled(completed, world.clock), await world.has("activity")]).toEqual([false, false]);
    open();
    await completed;
    expect((await world.activity()).newEvent.eventId).toBe(0);
  });

  it("an activity of a turn whose commit failed is never handed out", async () => {
    const world = await new BareWorld().open();
    await world.start("abc");
    const item = await world.process(await world.turn(), [task]);
    world.store.beforeCommit = () => {
      throw new Error("the disk is full");
    };
    await expect(world.partition.completeOrchestrationWorkItem(item)).rejects.toThrow("full");
    expect(await world.has("activity")).toBe(false);
  });

  it("children and events reach nobody before the commit that sends them", async () => {
    const world = await new BareWorld().open();
    await world.start("target");
    await world.commit();
    await world.start("abc");
    const child = createSubOrchestrationAction(0, { name: "c", instanceId: "kid" });
    const item = await world.process(await world.turn(), [
      child,
      sendEventAction(1, { instanceId: "target", name: "e" }),
    ]);
    const { opened, open } = gate();
    world.store.beforeCommit = () => opened;
    const completed = world.partition.completeOrchestrationWorkItem(item);
    await world.clock.rest();
    expect(await world.has("turn")).toBe(false);
    await expect(world.partition.getOrchestrationMetadata("kid")).rejects.toThrow("no such instance");
    open();
    await completed;
    expect([(await world.turn()).instanceId, (await world.turn()).instanceId].sort()).toEqual(["kid", "target"]);
  });

  it("a start or an event is accepted only when it is durable", async () => {
    const world = await new BareWorld().open();
    const first = gate();
    world.store.beforeAppend = () => first.opened;
    const accepted = world.start("abc");
    expect([await isSettled(accepted, world.clock), await world.has("turn")]).toEqual([false, false]);
    first.open();
    await accepted;
    const second = gate();
    world.store.beforeAppend = () => second.opened;
    const raised = world.raise("abc");
    expect(await isSettled(raised, world.clock)).toBe(false);
    second.open();
    await raised;
  });

  it.each(Object.keys(COMMANDS))(
    "a %s is acknowledged only when it is durable, and never when it is not",
    async (name) => {
      const command = COMMANDS[name];
      const { hub, store, clock } = await openHub([plusOne, waiting, failing]);
      await hub.client.scheduleNewOrchestration(waiting, undefined, { instanceId: "waits" });
      await hub.client.scheduleNewOrchestration(failing, undefined, { instanceId: "failed" });
      await clock.rest();
      const refuse = (): never => {
        throw new StorageError("the disk is full");
      };
      Object.assign(store, { beforeCommit: refuse, beforeAppend: refuse });
      await expect(command?.(hub.client)).rejects.toMatchObject({ code: "storage" });
      const { opened, open } = gate();
      Object.assign(store, { beforeCommit: () => opened, beforeAppend: () => opened });
      const done = command?.(hub.client) ?? Promise.reject(new Error("no such command"));
      expect(await isSettled(done, clock)).toBe(false);
      open();
      await clock.runUntil(done);
      await hub.close();
    },
  );

  it("watchers hear of a turn after its commit", async () => {
    const world = await new BareWorld().open();
    await world.start("abc");
    const item = await world.process(await world.turn(), []);
    const { opened, open } = gate();
    world.store.beforeCommit = () => opened;
    const watched = world.partition.watchOrchestrationRuntimeStatus(
      "abc",
      ({ runtimeStatus }) => runtimeStatus === "RUNNING",
    );
    const completed = world.partition.completeOrchestrationWorkItem(item);
    expect(await isSettled(watched, world.clock)).toBe(false);
    open();
    await completed;
    expect((await watched).runtimeStatus).toBe("RUNNING");
  });
});
