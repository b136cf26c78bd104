import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { WorkItemLockLostError } from "../../../../src/core/errors.ts";
import { scheduleTaskAction } from "../../../../src/core/protocol/actions.ts";
import { executionStarted } from "../../../../src/core/protocol/events.ts";
import {
  CreateOrchestrationAction,
  OrchestrationIdReusePolicySchema,
  OrchestrationStatus,
} from "../../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { gate } from "../../hub/fakes.ts";
import { BareWorld } from "../worlds.ts";

const task = scheduleTaskAction(0, { name: "a", taskExecutionId: "t" });

describe("a single writer", () => {
  it("that has lost the epoch cannot commit, and stores nothing", async () => {
    const first = await new BareWorld().open();
    await first.start("abc");
    const item = await first.process(await first.turn(), [task]);
    const second = await new BareWorld({ store: first.store, clock: first.clock }).open();
    await expect(first.partition.completeOrchestrationWorkItem(item)).rejects.toThrow(WorkItemLockLostError);
    expect(await second.partition.getInstanceHistory("abc")).toEqual([]);
    await second.commit([task]);
    expect((await second.activity()).instanceId).toBe("abc");
  });

  it("that does not know yet that it was replaced does not try without end", async () => {
    const first = await new BareWorld().open();
    await first.start("abc");
    await new BareWorld({ store: first.store, clock: first.clock }).open();
    const before = first.store.commits.length;
    const item = await first.process(await first.turn(), [task]);
    await first.partition.completeOrchestrationWorkItem(item).catch(() => undefined);
    expect(await first.has("turn")).toBe(false);
    expect(first.store.commits.length - before).toBe(1);
  });

  it("that hears that it was replaced aborts what is in its hands, and completes nothing of it", async () => {
    const lost = new AbortController();
    let acquired = 0;
    const world = new BareWorld();
    const ownership = {
      acquire: async () => {
        if (acquired++ > 0) await new Promise(() => undefined);
        return { epoch: world.store.nextEpoch(), lost: lost.signal, release: async () => undefined };
      },
    };
    const first = await new BareWorld({ store: world.store, clock: world.clock, ports: { ownership } }).open();
    await first.start("abc");
    await first.commit([task]);
    await first.raise("abc");
    const [activity, turn] = [await first.activity(), await first.process(await first.turn())];
    lost.abort();
    expect([activity.signal.aborted, turn.signal.aborted]).toEqual([true, true]);
    await expect(first.partition.completeOrchestrationWorkItem(turn)).rejects.toThrow(WorkItemLockLostError);
    await expect(first.answer(activity)).rejects.toThrow(WorkItemLockLostError);
    expect(await first.has("turn")).toBe(false);
  });

  it("has one turn of an instance at a time, also while a commit is on its way", async () => {
    const world = await new BareWorld().open();
    await world.start("abc");
    const item = await world.process(await world.turn());
    const { opened, open } = gate();
    world.store.beforeCommit = () => opened;
    const completed = world.partition.completeOrchestrationWorkItem(item);
    await world.raise("abc");
    expect(await world.has("turn")).toBe(false);
    const twice = expect(world.partition.completeOrchestrationWorkItem(item)).rejects.toThrow(WorkItemLockLostError);
    open();
    await completed;
    await twice;
    expect(await world.has("turn")).toBe(true);
  });

  it("cannot commit a turn of a run that was replaced under it", async () => {
    const world = await new BareWorld().open();
    await world.start("abc");
    const item = await world.process(await world.turn(), [task]);
    await world.partition.purgeOrchestrationState("abc", { force: true });
    await world.start("abc");
    await expect(world.partition.completeOrchestrationWorkItem(item)).rejects.toThrow(WorkItemLockLostError);
    expect((await world.partition.getOrchestrationMetadata("abc")).runtimeStatus).toBe("PENDING");
  });

  it("cannot commit a turn of a run that was replaced without its hearing of it", async () => {
    const world = await new BareWorld().open();
    await world.start("abc");
    const item = await world.process(await world.turn(), [task]);
    // A client of its own: nothing tells the owner.
    const client = new BareWorld({ store: world.store, clock: world.clock });
    const reusePolicy = create(OrchestrationIdReusePolicySchema, {
      action: CreateOrchestrationAction.TERMINATE,
      operationStatus: [OrchestrationStatus.PENDING],
    });
    const start = executionStarted({ name: "new", instanceId: "abc", executionId: "new" }, world.clock.now());
    await client.partition.createOrchestrationInstance(start, { reusePolicy });
    await expect(world.partition.completeOrchestrationWorkItem(item)).rejects.toThrow(WorkItemLockLostError);
    expect(await world.partition.getOrchestrationMetadata("abc")).toMatchObject({
      name: "new",
      runtimeStatus: "PENDING",
    });
    await world.clock.advance(1000);
    expect((await world.turn()).newEvents.length).toBe(1);
  });
});
