import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { DeliveryOutcome, Router } from "../../../../src/core/partition/ports.ts";
import {
  completeOrchestrationAction,
  createSubOrchestrationAction,
  scheduleTaskAction,
  sendEventAction,
} from "../../../../src/core/protocol/actions.ts";
import { eventRaised, subOrchestrationCompleted } from "../../../../src/core/protocol/events.ts";
import { OrchestrationStatus } from "../../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { type Envelope, EnvelopeSchema } from "../../../../src/core/protocol/gen/perdura/model/v1/store_pb.ts";
import { kinds } from "../../history/states.ts";
import { BareWorld } from "../worlds.ts";

const done = (id: number) => completeOrchestrationAction(id, { status: OrchestrationStatus.COMPLETED, result: "42" });
const event = (id: number, name: string) => sendEventAction(id, { instanceId: "there", name });

/** A road between two partitions that can lose answers, and notes what it carried. */
class Road implements Router {
  readonly carried: number[][] = [];
  other: BareWorld | undefined;
  /** How many deliveries still are made without the sender hearing of it. */
  lostAnswers = 0;
  isClosed = false;

  readonly #mine: (instanceId: string) => boolean;

  constructor(mine: (instanceId: string) => boolean) {
    this.#mine = mine;
  }

  isLocal(instanceId: string): boolean {
    return this.#mine(instanceId);
  }

  async deliver(_target: string, envelopes: readonly Envelope[]): Promise<readonly DeliveryOutcome[]> {
    if (this.isClosed || this.other === undefined) throw new Error("the road is closed");
    this.carried.push(envelopes.map(({ seq }) => seq));
    const copies = envelopes.map((one) => fromBinary(EnvelopeSchema, toBinary(EnvelopeSchema, one)));
    const outcomes = await this.other.partition.receive(copies);
    if (this.lostAnswers-- > 0) throw new Error("the answer was lost");
    return outcomes;
  }
}

/** Two partitions: one owns every id that begins with `here`, the other one all others. */
async function twoWorlds() {
  const [away, back] = [new Road((id) => id.startsWith("here")), new Road((id) => !id.startsWith("here"))];
  const here = new BareWorld({ ports: { router: away } });
  const there = new BareWorld({ clock: here.clock, ports: { router: back } });
  away.other = there;
  back.other = here;
  await Promise.all([here.open(), there.open()]);
  return { here, there, away, back, clock: here.clock };
}

describe("exactly once", () => {
  it("a message whose acknowledgement was lost is sent again and has one effect, before and after it was consumed", async () => {
    const { here, there, away, clock } = await twoWorlds();
    await there.start("there");
    await there.commit();
    await here.start("here");
    away.lostAnswers = 2;
    await here.commit([event(0, "one"), event(1, "two")]);
    await clock.rest();
    expect((await there.store.load("there"))?.inbox.length).toBe(2);
    await there.commit();
    await clock.advance(10_000);
    expect(away.carried).toEqual([
      [1, 2],
      [1, 2],
      [1, 2],
    ]);
    expect((await there.store.load("there"))?.inbox).toEqual([]);
    const raised = kinds(await there.partition.getInstanceHistory("there")).filter((kind) => kind === "eventRaised");
    expect(raised.length).toBe(2);
    expect((await here.store.load("here"))?.outbox).toEqual([]);
  });

  it("messages of one sender to one receiver arrive in order, also when the road was closed for a while", async () => {
    const { here, there, away, clock } = await twoWorlds();
    await there.start("there");
    await there.commit();
    await here.start("here");
    away.isClosed = true;
    await here.commit([event(0, "one")]);
    await here.raise("here");
    await here.commit([event(1, "two"), event(2, "three")]);
    await clock.rest();
    away.isClosed = false;
    await clock.advance(60_000);
    const turn = await there.turn();
    const names = turn.newEvents.map(({ eventType }) => (eventType.case === "eventRaised" ? eventType.value.name : ""));
    expect(names).toEqual(["one", "two", "three"]);
  });

  it("undelivered messages survive the sender's host", async () => {
    const { here, there, away, clock } = await twoWorlds();
    await there.start("there");
    await there.commit();
    await here.start("here");
    away.isClosed = true;
    await here.commit([event(0, "one"), done(1)]);
    await here.partition.stop();
    away.isClosed = false;
    await here.partition.start();
    await clock.rest();
    expect(kinds((await there.turn()).newEvents)).toEqual(["eventRaised"]);
  });

  it("a child in another partition is started once and answers once, however often both are sent", async () => {
    const { here, there, away, back, clock } = await twoWorlds();
    await here.start("here");
    away.lostAnswers = 1;
    await here.commit([createSubOrchestrationAction(0, { name: "c", instanceId: "there" })]);
    await clock.advance(2000);
    back.lostAnswers = 1;
    await there.commit([done(0)]);
    await clock.advance(2000);
    await here.commit([done(1)]);
    await clock.advance(120_000);
    const events = kinds(await here.partition.getInstanceHistory("here"));
    expect(events.filter((kind) => kind === "subOrchestrationInstanceCompleted").length).toBe(1);
    expect(
      kinds(await there.partition.getInstanceHistory("there")).filter((kind) => kind === "executionStarted").length,
    ).toBe(1);
  });

  it("a refused child fails its task once, in the commit that acknowledges it", async () => {
    const { here, there, away, clock } = await twoWorlds();
    await there.start("there");
    await there.commit();
    await here.start("here");
    away.lostAnswers = 1;
    await here.commit([createSubOrchestrationAction(0, { name: "c", instanceId: "there" })]);
    await clock.advance(5000);
    expect(kinds((await here.turn()).newEvents)).toEqual(["subOrchestrationInstanceFailed"]);
  });

  it("an undeliverable message is acknowledged with a reason, and not sent for ever", async () => {
    const { here, there, away, clock } = await twoWorlds();
    await here.start("here");
    await here.commit([event(0, "to nobody")]);
    await clock.advance(600_000);
    expect([away.carried.length, (await here.store.load("here"))?.outbox.length]).toEqual([1, 0]);
    const lost = create(EnvelopeSchema, { targetInstanceId: "there", event: eventRaised({ name: "e" }, 0) });
    expect(await there.partition.receive([lost])).toEqual([{ status: "dropped", reason: "no such instance exists" }]);
  });

  it("a purge keeps a tombstone until the outbox is empty, and nobody sees it", async () => {
    const { here, away, clock } = await twoWorlds();
    await here.start("here");
    away.isClosed = true;
    await here.commit([event(0, "one"), done(1)]);
    await here.partition.purgeOrchestrationState("here");
    await expect(here.partition.getOrchestrationMetadata("here")).rejects.toThrow("no such instance");
    expect((await here.partition.listInstanceIds()).instanceIds).toEqual([]);
    expect(await here.store.load("here")).toBeDefined();
    away.isClosed = false;
    await clock.advance(120_000);
    expect([await here.store.load("here"), away.carried.length]).toEqual([undefined, 1]);
  });

  it("a late answer for a former generation or an ended parent is acknowledged and dropped", async () => {
    const world = await new BareWorld().open();
    await world.start("abc");
    await world.commit([createSubOrchestrationAction(0, { name: "c", instanceId: "kid" })]);
    const answer = (generation: number): Envelope =>
      create(EnvelopeSchema, {
        sourceInstanceId: "kid",
        sourceExecutionId: "k",
        targetInstanceId: "abc",
        generation,
        event: subOrchestrationCompleted(0, { result: "1" }, 0),
      });
    expect((await world.partition.receive([answer(7)]))[0]?.status).toBe("dropped");
    expect((await world.partition.receive([answer(0), answer(0)])).map(({ status }) => status)).toEqual([
      "accepted",
      "accepted",
    ]);
    expect((await world.store.load("abc"))?.inbox.length).toBe(1);
  });

  it("an activity has the same task execution id on every attempt, also after its host died", async () => {
    const world = await new BareWorld().open();
    await world.start("abc");
    await world.commit([scheduleTaskAction(0, { name: "a", taskExecutionId: "stable" })]);
    const ids: unknown[] = [];
    for (let attempt = 0; attempt < 3; attempt++) {
      const { eventType } = (await world.activity()).newEvent;
      ids.push(eventType.case === "taskScheduled" ? eventType.value.taskExecutionId : undefined);
      await world.partition.stop();
      await world.partition.start();
    }
    expect(ids).toEqual(["stable", "stable", "stable"]);
  });
});
