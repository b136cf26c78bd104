/** What the simulation found about the index, other partitions, and ownership. */
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { StorageError } from "../../../src/core/errors.ts";
import { TaskRegistry } from "../../../src/core/orchestration/registry.ts";
import { standsInTheWay } from "../../../src/core/partition/index-entry.ts";
import type { Index, Ownership } from "../../../src/core/partition/ports.ts";
import { eventRaised, executionStarted } from "../../../src/core/protocol/events.ts";
import { OrchestrationStatus } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import {
  type Envelope,
  EnvelopeSchema,
  type IndexEntry,
} from "../../../src/core/protocol/gen/perdura/model/v1/store_pb.ts";
import { DamagedStore } from "../../core/properties/damaged-store.ts";
import { openTab } from "./tab.ts";

const registry = (): TaskRegistry =>
  new TaskRegistry()
    .addOrchestrator("quick", async () => "done")
    .addOrchestrator("wait", async (ctx) => ctx.waitForExternalEvent("go"));

/** An index that keeps the highest version, and lets its answers wait for `released`. */
function newIndex(): Index & { readonly entries: Map<string, IndexEntry>; released: Promise<void> } {
  const entries = new Map<string, IndexEntry>();
  return {
    entries,
    released: Promise.resolve(),
    async publish(entry): Promise<number | undefined> {
      if ((entries.get(entry.instanceId)?.version ?? 0) < entry.version) entries.set(entry.instanceId, entry);
      await this.released;
      return standsInTheWay(entries.get(entry.instanceId) ?? entry, entry);
    },
  };
}

test("a tombstone goes though the commit that was to lead to that failed", async () => {
  const index = newIndex();
  const { hub, store, disk, clock } = openTab({ registry: registry(), ports: { index } });
  await hub.worker.start();
  await hub.client.scheduleNewOrchestration("quick", undefined, { instanceId: "i" });
  await clock.advance(10_000);
  // The first commit leaves the tombstone, the second notes that the index knows.
  store.hold("commit")();
  store.fail("commit", "fails after");
  await hub.client.purgeOrchestrationState("i");
  await clock.advance(60_000);
  expect([await disk.load("i"), index.entries.get("i")?.deleted]).toEqual([undefined, true]);
  await hub.close();
});

test("a tombstone whose host died is removed by the next one", async () => {
  const index = newIndex();
  const first = openTab({ registry: registry(), ports: { index } });
  await first.hub.worker.start();
  await first.hub.client.scheduleNewOrchestration("quick", undefined, { instanceId: "i" });
  await first.clock.advance(10_000);
  first.store.hold("commit")();
  first.store.hold("commit");
  await first.hub.client.purgeOrchestrationState("i");
  await first.clock.rest();
  const second = openTab({ registry: registry(), ports: { index }, disk: first.disk, clock: first.clock });
  await second.hub.worker.start();
  await second.clock.advance(10_000);
  expect(await first.disk.load("i")).toBeUndefined();
  await second.hub.close();
});

test("the index follows an id that was created anew after the clock went back", async () => {
  const index = newIndex();
  const { hub, clock } = openTab({ registry: registry(), ports: { index } });
  await hub.worker.start();
  await hub.client.scheduleNewOrchestration("quick", undefined, { instanceId: "i" });
  await clock.advance(10_000);
  await hub.client.purgeOrchestrationState("i");
  await clock.advance(10_000);
  clock.jump(clock.now() - 3_600_000);
  await hub.client.scheduleNewOrchestration("quick", undefined, { instanceId: "i" });
  await clock.advance(60_000);
  expect(index.entries.get("i")).toMatchObject({ deleted: false, status: OrchestrationStatus.COMPLETED });
  await hub.close();
});

test("the index follows an id that was purged and created anew within one millisecond", async () => {
  const index = newIndex();
  const { hub, clock } = openTab({ registry: registry(), ports: { index } });
  await hub.worker.start();
  for (let round = 0; round < 3; round++) {
    await hub.client.scheduleNewOrchestration("quick", undefined, { instanceId: "i" });
    await clock.rest();
    if (round < 2) await hub.client.purgeOrchestrationState("i");
    await clock.rest();
  }
  await clock.advance(60_000);
  expect(index.entries.get("i")).toMatchObject({ deleted: false, status: OrchestrationStatus.COMPLETED });
  await hub.close();
});

test("the index hears of an instance that was replaced while news of the former were on their way", async () => {
  const index = newIndex();
  const { hub, clock } = openTab({ registry: registry(), ports: { index } });
  await hub.worker.start();
  await hub.client.scheduleNewOrchestration("quick", undefined, { instanceId: "i" });
  let release = (): void => undefined;
  index.released = new Promise((resolve) => {
    release = resolve;
  });
  await clock.runUntil(hub.client.waitForOrchestrationCompletion("i"));
  await clock.advance(2000);
  await hub.client.restartOrchestration("i");
  // Longer than news of a run wait for more: whatever the successor had to tell, it has found the way busy.
  await clock.advance(2000);
  const before = index.entries.get("i")?.version ?? 0;
  release();
  index.released = Promise.resolve();
  await clock.advance(10_000);
  expect(index.entries.get("i")?.version).toBeGreaterThan(before);
  await hub.close();
});

test("a message to a damaged instance is dropped with the reason, so that its sender need not try for ever", async () => {
  const disk = new DamagedStore();
  const { hub, partition, clock } = openTab({ registry: registry(), disk });
  await hub.worker.start();
  await hub.client.scheduleNewOrchestration("wait", undefined, { instanceId: "i" });
  await clock.rest();
  disk.damage("i", "record", (bytes) => bytes.map(() => 0xff));
  const event = eventRaised({ name: "go" }, clock.now());
  const envelope = { sourceInstanceId: "other", sourceExecutionId: "x", seq: 1, targetInstanceId: "i", event };
  const [outcome] = await partition.receive([create(EnvelopeSchema, envelope)]);
  expect(outcome).toMatchObject({ status: "dropped", reason: expect.stringContaining("damaged") });
  await hub.close();
});

test("the start of a child that comes once more, after another run has taken the id and ended, begins no second run", async () => {
  const { hub, partition, clock } = openTab({ registry: registry() });
  await hub.worker.start();
  const startBy = (source: string, executionId: string): Envelope => {
    const parent = { taskScheduledId: 0, name: "p", orchestrationInstance: { instanceId: source, executionId: "x" } };
    const event = executionStarted({ name: "quick", instanceId: "shared", executionId, parent }, clock.now());
    return create(EnvelopeSchema, {
      sourceInstanceId: source,
      sourceExecutionId: "x",
      seq: 1,
      targetInstanceId: "shared",
      event,
    });
  };
  const runs: string[] = [];
  for (const start of [startBy("one", "run1"), startBy("two", "run2"), startBy("one", "run1")]) {
    await partition.receive([start]);
    await clock.rest();
    runs.push((await hub.client.fetchOrchestrationMetadata("shared")).executionId);
  }
  expect(runs).toEqual(["run1", "run2", "run2"]);
  await hub.close();
});

test("ownership that cannot be taken again at once is taken later", async () => {
  const disk = openTab({ registry: registry() }).disk;
  const lost = new AbortController();
  let asked = 0;
  const ownership: Ownership = {
    acquire: async () => {
      if (++asked === 2) throw new StorageError("the lock manager is gone");
      const signal = asked === 1 ? lost.signal : new AbortController().signal;
      return { epoch: disk.nextEpoch(), lost: signal, release: async () => undefined };
    },
  };
  const { hub, clock } = openTab({ registry: registry(), disk, ports: { ownership } });
  await hub.worker.start();
  lost.abort();
  await clock.advance(5000);
  await hub.client.scheduleNewOrchestration("quick", undefined, { instanceId: "i" });
  const end = await clock.runUntil(hub.client.waitForOrchestrationCompletion("i"));
  expect([end.output, asked]).toEqual(['"done"', 3]);
  await hub.close();
});
