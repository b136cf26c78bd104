import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  createSubOrchestrationAction,
  createTimerAction,
  scheduleTaskAction,
} from "../../../../src/core/protocol/actions.ts";
import { EngineInfoSchema, Runner } from "../../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { gate } from "../../hub/fakes.ts";
import { BareWorld, isSettled, openHub } from "../worlds.ts";
import { chain, fanOut, plusOne } from "./code.ts";

const task = scheduleTaskAction(0, { name: "a", taskExecutionId: "t" });

describe("one turn, one commit", () => {
  it("everything that a turn asks for is one batch: history, tasks, timers, messages, consumed events, the row", async () => {
    const world = await new BareWorld().open();
    await world.start("abc");
    await world.raise("abc");
    const actions = [
      task,
      createTimerAction(1, { fireAt: world.clock.now() + 50 }),
      createSubOrchestrationAction(2, { name: "c" }),
    ];
    await world.commit(actions);
    expect(world.store.commits.length).toBe(1);
    const [write] = world.store.commits[0]?.writes ?? [];
    expect([write?.consume?.length, write?.history?.append?.segment, write?.deliver?.length]).toEqual([2, 0, 1]);
    expect(write?.row?.unfinished).toBe(true);
  });

  it("a step of a sequential orchestration costs one commit, its activity's result included", async () => {
    const { hub, store, clock } = await openHub([plusOne, chain]);
    const run = async (length: number): Promise<number> => {
      const before = store.commits.length + store.appends.length;
      const id = await hub.client.scheduleNewOrchestration(chain, length);
      await clock.runUntil(hub.client.waitForOrchestrationCompletion(id));
      return store.commits.length + store.appends.length - before;
    };
    // The start's append, the first turn, then one for each step.
    expect([await run(10), await run(50)]).toEqual([12, 52]);
    await hub.close();
  });

  it("results of a fan-out join in few turns", async () => {
    const { hub, store, clock } = await openHub([plusOne, fanOut]);
    const id = await hub.client.scheduleNewOrchestration(fanOut, 1000);
    await clock.runUntil(hub.client.waitForOrchestrationCompletion(id));
    expect(store.commits.length + store.appends.length).toBeLessThanOrEqual(10);
    await hub.close();
  });

  it("an activity's completion resolves with the commit of the turn that it wakes", async () => {
    const world = await new BareWorld().open();
    await world.start("abc");
    await world.commit([task]);
    const activity = await world.activity();
    const next = world.partition.nextOrchestrationWorkItem();
    const answered = world.answer(activity);
    const turn = await world.process(await next);
    expect([turn.newEvents.length, await isSettled(answered, world.clock)]).toEqual([1, false]);
    await world.partition.completeOrchestrationWorkItem(turn);
    await answered;
    expect(world.store.appends.length).toBe(1);
  });

  it("a result for a remote orchestrator is durable at once, without its turn", async () => {
    const world = await new BareWorld().open();
    await world.start("abc");
    await world.commit([task], { engine: create(EngineInfoSchema, { formatVersion: 1, runner: Runner.REMOTE }) });
    const activity = await world.activity();
    const next = world.partition.nextOrchestrationWorkItem();
    await world.answer(activity);
    expect(world.store.appends).toEqual(["abc", "abc"]);
    await next;
  });

  it("a result without anybody to run a turn is durable at once", async () => {
    const world = await new BareWorld().open();
    await world.start("abc");
    await world.commit([task]);
    await world.answer(await world.activity());
    expect(world.store.appends).toEqual(["abc", "abc"]);
  });

  it("results that wait for a turn that is handed back or parked do not wait any longer", async () => {
    for (const isParked of [true, false]) {
      const world = await new BareWorld().open();
      await world.start("abc");
      await world.commit([task, scheduleTaskAction(1, { name: "b", taskExecutionId: "u" })]);
      const [first, second] = [await world.activity(), await world.activity()];
      await world.answer(first);
      const turn = await world.turn();
      const staged = world.answer(second);
      expect(await isSettled(staged, world.clock)).toBe(false);
      if (isParked) {
        turn.state = await world.partition.getOrchestrationRuntimeState(turn);
        turn.state.parked = { code: "not_registered", message: "no code" };
        await world.partition.completeOrchestrationWorkItem(turn);
      } else {
        await world.partition.abandonOrchestrationWorkItem(turn);
      }
      await staged;
      const kinds = (await world.store.load("abc"))?.inbox.length;
      expect(kinds).toBe(2);
    }
  });

  it("accepting a start or an event waits for no turn", async () => {
    const world = await new BareWorld().open();
    await world.start("abc");
    const turn = await world.process(await world.turn());
    const { opened, open } = gate();
    world.store.beforeCommit = () => opened;
    const completed = world.partition.completeOrchestrationWorkItem(turn);
    await world.raise("abc");
    await world.start("other");
    open();
    await completed;
  });

  it("turns of several instances share a commit; when it fails, only the guilty one is abandoned", async () => {
    const world = await new BareWorld().open();
    for (const id of ["a", "bad", "c"]) await world.start(id);
    const items = [await world.turn(), await world.turn(), await world.turn()];
    for (const item of items) await world.process(item, [task]);
    world.store.beforeCommit = ({ writes }) => {
      if (writes.some(({ instanceId }) => instanceId === "bad")) throw new Error("poisoned");
    };
    const results = await Promise.allSettled(items.map((item) => world.partition.completeOrchestrationWorkItem(item)));
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(world.store.commits[0]?.writes.length).toBe(3);
    expect([(await world.activity()).instanceId, (await world.activity()).instanceId]).toEqual(["a", "c"]);
    world.store.beforeCommit = () => undefined;
    const [, bad] = items;
    if (bad !== undefined) await world.giveUp(bad);
    expect((await world.turn()).instanceId).toBe("bad");
  });
});
