import { describe, expect, it } from "vitest";
import type { PartitionOptions } from "../../../../src/core/partition/partition-context.ts";
import { scheduleTaskAction } from "../../../../src/core/protocol/actions.ts";
import { executionResumed, executionTerminated } from "../../../../src/core/protocol/events.ts";
import { kinds } from "../../history/states.ts";
import { BareWorld, openHub } from "../worlds.ts";
import { chain, plusOne, waiting } from "./code.ts";

const task = scheduleTaskAction(0, { name: "a", taskExecutionId: "t" });

/** A host that dies so many times while an activity runs. */
async function killed(times: number, options: Partial<PartitionOptions> = {}): Promise<BareWorld> {
  const world = await new BareWorld({ maxDeaths: 3, ...options }).open();
  await world.start("abc");
  await world.commit([task]);
  for (let death = 0; death < times; death++) {
    await world.activity();
    await world.partition.stop();
    await world.partition.start();
    await world.clock.rest();
  }
  return world;
}

describe("no run is wedged by its data, and no hub by a run", () => {
  it("work that kills its host again and again is parked after a few deaths, saying so", async () => {
    expect((await (await killed(3)).partition.getOrchestrationMetadata("abc")).runtimeStatus).toBe("RUNNING");
    const world = await killed(4);
    const metadata = await world.partition.getOrchestrationMetadata("abc");
    expect([metadata.runtimeStatus, metadata.waitingOn.parked?.code]).toEqual(["STALLED", "crash_loop"]);
    expect(await world.has("activity")).toBe(false);
  });

  it("what is parked so is not tried again by itself, and goes on when it is resumed", async () => {
    const world = await killed(4);
    await world.clock.advance(24 * 3_600_000);
    expect([await world.has("activity"), await world.has("turn")]).toEqual([false, false]);
    await world.partition.addNewOrchestrationEvent("abc", executionResumed({}, world.clock.now()));
    expect(kinds((await world.commit()).newEvents)).toEqual(["executionResumed"]);
    expect((await world.activity()).newEvent.eventId).toBe(0);
  });

  it("what is parked so can be terminated without its code", async () => {
    const { hub, store, clock } = await openHub([waiting]);
    const id = await hub.client.scheduleNewOrchestration(waiting);
    await clock.rest();
    await hub.close();
    const world = new BareWorld({ store, clock, maxDeaths: 0 });
    await store.append(id, () => ({ answer: undefined }));
    await world.raise(id, "never read");
    await world.open();
    await clock.rest();
    expect((await world.partition.getOrchestrationMetadata(id)).waitingOn.parked?.code).toBe("crash_loop");
    await world.partition.addNewOrchestrationEvent(id, executionTerminated({ recurse: false }, clock.now()));
    await world.partition.stop();
    const again = await openHub([], { store, clock });
    const end = await clock.runUntil(again.hub.client.waitForOrchestrationCompletion(id));
    expect(end.runtimeStatus).toBe("TERMINATED");
    await again.hub.close();
  });

  it("deaths count on cold loads only: failing turns and activities are retried without end", async () => {
    const world = await new BareWorld({ maxDeaths: 1 }).open();
    await world.start("abc");
    for (let failure = 0; failure < 5; failure++) {
      await world.partition.abandonOrchestrationWorkItem(await world.turn());
      await world.clock.advance(10_000);
    }
    await world.commit([task]);
    for (let failure = 0; failure < 5; failure++) {
      await world.partition.abandonActivityWorkItem(await world.activity());
      await world.clock.advance(10_000);
    }
    expect((await world.partition.getOrchestrationMetadata("abc")).runtimeStatus).toBe("RUNNING");
  });

  it("what runs elsewhere is not taken for what ended the host", async () => {
    for (const [runsHere, status] of [
      [() => false, "RUNNING"],
      // The orchestrator's code is here, and nothing waits for it; the activity's is elsewhere.
      [(kind: string) => kind === "orchestrator", "RUNNING"],
      [(kind: string) => kind === "activity", "STALLED"],
    ] as const) {
      const world = await killed(4, { runsHere });
      expect((await world.partition.getOrchestrationMetadata("abc")).runtimeStatus).toBe(status);
      expect(await world.has("activity")).toBe(status === "RUNNING");
    }
  });

  it("a turn that commits takes the deaths away", async () => {
    const world = await killed(3);
    await world.raise("abc");
    await world.commit();
    for (let death = 0; death < 3; death++) {
      await world.partition.stop();
      await world.partition.start();
      await world.clock.rest();
    }
    expect((await world.partition.getOrchestrationMetadata("abc")).runtimeStatus).toBe("RUNNING");
  });

  it("an instance whose record is damaged does not keep the others from running", async () => {
    const world = await new BareWorld().open();
    await world.start("bad");
    await world.start("good");
    await world.partition.stop();
    const bad = (await world.store.load("bad"))?.row;
    if (bad === undefined) throw new Error("no row");
    await world.store.append("bad", () => ({
      row: { ...bad, record: new Uint8Array([255, 255]), wipe: false },
      answer: 0,
    }));
    await world.partition.start();
    expect((await world.turn()).instanceId).toBe("good");
    await expect(world.partition.getOrchestrationMetadata("bad")).rejects.toMatchObject({ code: "history_decode" });
  });

  it("an oversized payload is refused to its sender, and the instance goes on", async () => {
    const { hub, clock } = await openHub([waiting], { maxPayloadBytes: 100 });
    const id = await hub.client.scheduleNewOrchestration(waiting);
    await expect(hub.client.raiseEvent(id, "go", "x".repeat(200))).rejects.toMatchObject({ code: "payload_too_large" });
    await hub.client.raiseEvent(id, "go", "small");
    expect((await clock.runUntil(hub.client.waitForOrchestrationCompletion(id))).runtimeStatus).toBe("COMPLETED");
    await hub.close();
  });

  it("a store that cannot be read for a while delays an instance and loses nothing", async () => {
    const { hub, store, clock } = await openHub([plusOne, chain]);
    let failures = 0;
    store.beforeLoad = () => {
      if (failures++ < 3) throw new Error("not now");
    };
    const id = await hub.client.scheduleNewOrchestration(chain, 2);
    const reading = async () => {
      for (;;) {
        try {
          return await hub.client.waitForOrchestrationCompletion(id);
        } catch {
          await clock.sleep(1000);
        }
      }
    };
    expect((await clock.runUntil(reading())).output).toBe("2");
    await hub.close();
  });
});
