import { describe, expect, it } from "vitest";
import {
  completeOrchestrationAction,
  scheduleTaskAction,
  sendEventAction,
} from "../../../../src/core/protocol/actions.ts";
import { OrchestrationStatus } from "../../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { kinds } from "../../history/states.ts";
import { onceOnly } from "../faulty-store.ts";
import { BareWorld, openHub } from "../worlds.ts";
import { chain, plusOne, waiting } from "./code.ts";

const task = scheduleTaskAction(0, { name: "a", taskExecutionId: "t" });
const done = completeOrchestrationAction(1, { status: OrchestrationStatus.COMPLETED, result: "done" });
const fail = (): never => {
  throw new Error("the commit failed");
};

describe("a turn is pure", () => {
  it("a failed commit leaves no trace: state, history and metadata are as before, and the events come again", async () => {
    const world = await new BareWorld().open();
    await world.start("abc");
    await world.commit([task]);
    await world.raise("abc");
    const before = await world.partition.getOrchestrationMetadata("abc");
    const item = await world.process(await world.turn(), [done], { customStatus: "new" });
    world.store.beforeCommit = onceOnly(fail);
    await expect(world.partition.completeOrchestrationWorkItem(item)).rejects.toThrow("failed");
    await world.giveUp(item);
    expect(await world.partition.getOrchestrationMetadata("abc")).toEqual(before);
    expect((await world.partition.getInstanceHistory("abc")).length).toBe(3);
    const again = await world.turn();
    expect([kinds(again.newEvents), again.state]).toEqual([["eventRaised"], undefined]);
    const state = await world.partition.getOrchestrationRuntimeState(again);
    expect([state.isCompleted, state.customStatus, state.newEvents]).toEqual([false, undefined, []]);
  });

  for (const cacheSize of [1000, 0]) {
    const way = cacheSize === 0 ? "evicted" : "kept";
    it(`every commit failing once changes nothing in the outcome (orchestrators ${way})`, async () => {
      const { hub, store, clock } = await openHub([plusOne, chain], { cacheSize });
      let tries = 0;
      store.beforeCommit = () => {
        if (tries++ % 2 === 0) fail();
      };
      const id = await hub.client.scheduleNewOrchestration(chain, 8);
      const end = await clock.runUntil(hub.client.waitForOrchestrationCompletion(id));
      expect([end.runtimeStatus, end.output]).toEqual(["COMPLETED", "8"]);
      const events = kinds(await hub.client.getInstanceHistory(id));
      expect(events.filter((kind) => kind === "taskCompleted").length).toBe(8);
      await hub.close();
    });

    it(`a commit that was stored and seemed to fail has its effects once (orchestrators ${way})`, async () => {
      const { hub, store, clock } = await openHub([plusOne, chain], { cacheSize });
      let tries = 0;
      store.afterCommit = () => {
        if (tries++ % 2 === 0) fail();
      };
      const id = await hub.client.scheduleNewOrchestration(chain, 8);
      const end = await clock.runUntil(hub.client.waitForOrchestrationCompletion(id));
      expect([end.runtimeStatus, end.output]).toEqual(["COMPLETED", "8"]);
      const events = kinds(await hub.client.getInstanceHistory(id));
      expect(events.filter((kind) => kind === "taskScheduled").length).toBe(8);
      expect(events.filter((kind) => kind === "taskCompleted").length).toBe(8);
      await hub.close();
    });
  }

  it("an activity whose result could not be made durable is run again", async () => {
    const { hub, store, clock } = await openHub([plusOne, chain]);
    const id = await hub.client.scheduleNewOrchestration(chain, 1);
    // Neither with its turn nor apart from it.
    let [failedCommits, failedAppends] = [0, 0];
    store.beforeCommit = () => {
      if (store.commits.length > 1 && failedCommits++ < 2) fail();
    };
    store.beforeAppend = () => {
      if (failedAppends++ < 2) fail();
    };
    const end = await clock.runUntil(hub.client.waitForOrchestrationCompletion(id));
    expect(end.output).toBe("1");
    await hub.close();
  });

  it("a message of a failed commit is sent once, by the one that succeeds", async () => {
    const { hub, clock } = await openHub([waiting]);
    await hub.close();
    const world = await new BareWorld({ clock }).open();
    await world.start("target");
    await world.commit();
    await world.start("abc");
    const send = sendEventAction(0, { instanceId: "target", name: "e" });
    const item = await world.process(await world.turn(), [send]);
    world.store.afterCommit = onceOnly(fail);
    await expect(world.partition.completeOrchestrationWorkItem(item)).rejects.toThrow("failed");
    await world.giveUp(item);
    const again = await world.turn();
    await world.process(again, [send]);
    await world.partition.completeOrchestrationWorkItem(again);
    expect((await world.store.load("target"))?.inbox.length).toBe(1);
  });
});
