import { clone, create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { newTaskHubClient } from "../../../../src/core/hub/task-hub-client.ts";
import { readRecord, rowOf } from "../../../../src/core/partition/record.ts";
import { scheduleTaskAction } from "../../../../src/core/protocol/actions.ts";
import { Dialect, EngineInfoSchema, Runner } from "../../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { InstanceRecordSchema } from "../../../../src/core/protocol/gen/perdura/model/v1/store_pb.ts";
import { payload } from "../../history/states.ts";
import { BareWorld, openHub } from "../worlds.ts";
import { chain, plusOne, waiting } from "./code.ts";

describe("code and data may be of different ages", () => {
  it("a name without code parks the instance, which goes on at once when the code is added", async () => {
    const { hub, clock, registry } = await openHub([plusOne]);
    const client = newTaskHubClient(hub.backend);
    const id = await client.scheduleNewOrchestration(chain, 3);
    await clock.rest();
    expect((await client.fetchOrchestrationMetadata(id)).waitingOn.parked?.code).toBe("not_registered");
    const before = clock.now();
    registry.add(chain);
    const end = await clock.runUntil(client.waitForOrchestrationCompletion(id));
    expect([end.output, clock.now() - before, end.waitingOn.parked]).toEqual(["3", 0, undefined]);
    await hub.close();
  });

  it("what is parked is tried again by itself, later and later, since code arrives by deploys", async () => {
    const first = await openHub([plusOne]);
    const id = await newTaskHubClient(first.hub.backend).scheduleNewOrchestration(chain, 3);
    await first.clock.rest();
    const since = (await first.hub.client.fetchOrchestrationMetadata(id)).waitingOn.parked?.since;
    await first.clock.advance(3_600_000);
    const later = await first.hub.client.fetchOrchestrationMetadata(id);
    expect([later.runtimeStatus, later.waitingOn.parked?.since]).toEqual(["STALLED", since]);
    expect(first.store.commits.length).toBeGreaterThan(2);
    expect(first.store.commits.length).toBeLessThan(10);
    await first.hub.close();
    const { hub, clock } = await openHub([plusOne, chain], { store: first.store, clock: first.clock });
    expect((await clock.runUntil(hub.client.waitForOrchestrationCompletion(id))).output).toBe("3");
    await hub.close();
  });

  it("an activity without code is tried again by itself, later and later, and says since when it waits", async () => {
    const first = await openHub([chain]);
    const id = await first.hub.client.scheduleNewOrchestration(chain, 3);
    await first.clock.rest();
    const before = first.store.commits.length;
    await first.clock.advance(6 * 3_600_000);
    // After 1, 2, 4, 8, 16, 32 and 60 minutes, then each hour: 11 looks in six hours, of one commit each at most.
    const looks = first.store.commits.length - before;
    expect(looks).toBeGreaterThanOrEqual(5);
    expect(looks).toBeLessThanOrEqual(12);
    const { waitingOn } = await first.hub.client.fetchOrchestrationMetadata(id);
    expect(waitingOn.activities[0]?.parkedReason).toContain("plusOne");
    await first.hub.close();
    const { hub, clock } = await openHub([plusOne, chain], { store: first.store, clock: first.clock });
    expect((await clock.runUntil(hub.client.waitForOrchestrationCompletion(id))).output).toBe("3");
    await hub.close();
  });

  it("events for a parked instance wait for it", async () => {
    const { hub, clock, registry } = await openHub([]);
    const client = newTaskHubClient(hub.backend);
    const id = await client.scheduleNewOrchestration(waiting);
    await clock.rest();
    await client.raiseEvent(id, "go", "kept");
    registry.add(waiting);
    expect((await clock.runUntil(client.waitForOrchestrationCompletion(id))).output).toBe('"kept"');
    await hub.close();
  });

  it("the first turn of a generation pins who runs it, its dialect, flags and format", async () => {
    const world = await new BareWorld().open();
    await world.start("abc");
    const engine = create(EngineInfoSchema, {
      formatVersion: 1,
      flags: [3],
      runner: Runner.REMOTE,
      dialect: Dialect.MICROSOFT,
    });
    await world.commit([], { engine });
    await world.raise("abc");
    const state = await world.partition.getOrchestrationRuntimeState(await world.turn());
    expect(state.pinned).toEqual({ runner: Runner.REMOTE, dialect: Dialect.MICROSOFT });
    const [first] = await world.partition.getInstanceHistory("abc");
    expect(payload(first, "orchestratorStarted").engine).toMatchObject({ formatVersion: 1, flags: [3] });
  });

  it("data of a newer format is refused with a word on what to do, and left as it is", async () => {
    const world = await new BareWorld().open();
    await world.start("abc");
    await world.partition.stop();
    const row = (await world.store.load("abc"))?.row;
    if (row === undefined) throw new Error("no row");
    const newer = clone(InstanceRecordSchema, readRecord(row));
    newer.formatVersion = 99;
    const newerRow = rowOf(newer, { unfinished: true, wakeAt: undefined });
    await world.store.append("abc", () => ({ row: { ...newerRow, wipe: false }, answer: 0 }));
    await world.partition.start();
    expect(await world.has("turn")).toBe(false);
    await expect(world.partition.getOrchestrationMetadata("abc")).rejects.toMatchObject({ code: "format_too_new" });
    expect((await world.store.load("abc"))?.row.record).toEqual(newerRow.record);
  });

  it("turn time does not go back when the clock does", async () => {
    const { hub, clock } = await openHub([plusOne, chain, waiting]);
    const id = await hub.client.scheduleNewOrchestration(waiting);
    await clock.rest();
    clock.jump(clock.now() - 3_600_000);
    await hub.client.raiseEvent(id, "go", "x");
    await clock.runUntil(hub.client.waitForOrchestrationCompletion(id));
    const turns = (await hub.client.getInstanceHistory(id)).filter(
      ({ eventType }) => eventType.case === "orchestratorStarted",
    );
    const times = turns.map(({ timestamp }) => Number(timestamp?.seconds));
    expect(times).toEqual(times.toSorted((one, other) => one - other));
    await hub.close();
  });

  it("an activity without code parks alone: the rest of its instance goes on", async () => {
    const world = await new BareWorld().open();
    await world.start("abc");
    await world.commit([
      scheduleTaskAction(0, { name: "a", taskExecutionId: "t" }),
      scheduleTaskAction(1, { name: "b", taskExecutionId: "u" }),
    ]);
    const [unknown, known] = [await world.activity(), await world.activity()];
    const { NotRegisteredError } = await import("../../../../src/core/errors.ts");
    await world.partition.abandonActivityWorkItem(unknown, new NotRegisteredError("activity", "a"));
    const { waitingOn, runtimeStatus } = await world.partition.getOrchestrationMetadata("abc");
    expect([runtimeStatus, waitingOn.activities[0]?.parkedReason !== undefined]).toEqual(["RUNNING", true]);
    await world.answer(known);
    expect((await world.commit()).newEvents.length).toBe(1);
    await world.partition.retryParked();
    expect((await world.activity()).newEvent.eventId).toBe(0);
  });
});
