import { describe, expect, it } from "vitest";
import { defineOrchestrator } from "../../../../src/core/orchestration/references.ts";
import { BareWorld, openHub } from "../worlds.ts";
import { chain, plusOne, waiting } from "./code.ts";

let linesRun = 0;
const noting = defineOrchestrator("noting", async (ctx, length: number) => {
  let value = 0;
  for (let step = 0; step < length; step++) {
    value = await ctx.callActivity(plusOne, value);
    linesRun++;
  }
  return value;
});

describe("replay is rare", () => {
  it("a kept orchestrator runs each of its lines once and reads no history", async () => {
    linesRun = 0;
    const { hub, store, clock } = await openHub([plusOne, noting]);
    const id = await hub.client.scheduleNewOrchestration(noting, 100);
    await clock.rest();
    const reads = store.historyReads;
    expect((await clock.runUntil(hub.client.waitForOrchestrationCompletion(id))).output).toBe("100");
    expect([linesRun, reads]).toEqual([100, 0]);
    await hub.close();
  });

  it("the size of a step's commit does not grow with the history", async () => {
    const { hub, store, clock } = await openHub([plusOne, chain]);
    const id = await hub.client.scheduleNewOrchestration(chain, 400);
    await clock.runUntil(hub.client.waitForOrchestrationCompletion(id));
    const sizes = store.commits.map(
      ({ writes: [write] }) => (write?.row?.record.length ?? 0) + (write?.history?.append?.bytes.length ?? 0),
    );
    const [early, late] = [sizes[20] ?? 0, sizes[390] ?? 0];
    expect(late).toBeLessThan(early * 1.2);
    await hub.close();
  });

  it("an evicted orchestrator is replayed once a turn, and ends the same", async () => {
    linesRun = 0;
    const { hub, clock } = await openHub([plusOne, noting], { cacheSize: 0 });
    const id = await hub.client.scheduleNewOrchestration(noting, 10);
    expect((await clock.runUntil(hub.client.waitForOrchestrationCompletion(id))).output).toBe("10");
    expect(linesRun).toBe(55);
    await hub.close();
  });

  it("memory is bounded: with room for few, the least recently used are replayed, and all end", async () => {
    const { hub, clock } = await openHub([waiting], { cacheSize: 2 });
    const ids = await Promise.all(Array.from({ length: 10 }, () => hub.client.scheduleNewOrchestration(waiting)));
    await clock.rest();
    for (const id of ids) await hub.client.raiseEvent(id, "go", id);
    for (const id of ids) {
      const end = await clock.runUntil(hub.client.waitForOrchestrationCompletion(id));
      expect(hub.client.outputOf(end)).toBe(id);
    }
    await hub.close();
  });

  it("memory is bounded: idle instances beyond the limit are let go of, and loaded when they are needed", async () => {
    const world = await new BareWorld({ maxLiveInstances: 3 }).open();
    const ids = Array.from({ length: 10 }, (_, index) => `i${index}`);
    for (const id of ids) {
      await world.start(id);
      await world.commit();
    }
    const loaded: string[] = [];
    world.store.beforeLoad = (id) => void loaded.push(id);
    for (const id of ids.slice(-3)) await world.raise(id);
    expect(loaded).toEqual([]);
    for (const id of ids.slice(0, 7)) await world.raise(id);
    await world.clock.rest();
    expect(loaded).toEqual(ids.slice(0, 7));
    for (const _ of ids) await world.commit();
    expect(await world.has("turn")).toBe(false);
  });
});
