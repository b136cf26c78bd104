import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openMemoryTaskHub } from "../../../src/backends/memory/index.ts";
import { HistoryDecodeError, PerduraError } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/hub/logger.ts";
import { TaskRegistry } from "../../../src/core/orchestration/registry.ts";
import { HistoryEventSchema } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { EnvelopeSchema, InstanceRecordSchema } from "../../../src/core/protocol/gen/perdura/model/v1/store_pb.ts";
import {
  marshalEnvelope,
  marshalRecord,
  marshalSegment,
  unmarshalEnvelope,
  unmarshalHistoryEvent,
  unmarshalRecord,
  unmarshalSegment,
} from "../../../src/core/protocol/marshal.ts";
import { VirtualClock } from "../../../src/testing/index.ts";
import { DamagedStore, type Part } from "./damaged-store.ts";
import { fuzzing } from "./fuzzing.ts";
import { messages } from "./messages.ts";

/** Ways to damage bytes: cut off, flip bits, put foreign bytes in their place or among them. */
const damages: fc.Arbitrary<(bytes: Uint8Array) => Uint8Array> = fc.oneof(
  fc.nat(1000).map((cut) => (bytes: Uint8Array) => bytes.slice(0, cut % Math.max(1, bytes.length))),
  fc
    .array(fc.record({ at: fc.nat(2000), bit: fc.nat(7) }), { minLength: 1, maxLength: 6 })
    .map((flips) => (bytes: Uint8Array) => {
      const copy = bytes.slice();
      for (const { at, bit } of flips) {
        const place = at % Math.max(1, copy.length);
        copy[place] = (copy[place] ?? 0) ^ (1 << bit);
      }
      return copy;
    }),
  fc.uint8Array({ maxLength: 200 }).map((foreign) => () => foreign),
  fc
    .record({ at: fc.nat(2000), foreign: fc.uint8Array({ minLength: 1, maxLength: 20 }) })
    .map(({ at, foreign }) => (bytes: Uint8Array) => {
      const place = at % (bytes.length + 1);
      return new Uint8Array([...bytes.slice(0, place), ...foreign, ...bytes.slice(place)]);
    }),
);

describe("damaged bytes", () => {
  const stored = fc.oneof(
    fc.array(messages(HistoryEventSchema), { maxLength: 4 }).map(marshalSegment),
    messages(InstanceRecordSchema).map(marshalRecord),
    messages(EnvelopeSchema).map(marshalEnvelope),
  );

  it("decode to something, or give a typed error", () => {
    fc.assert(
      fc.property(stored, damages, (bytes, spoil) => {
        for (const decode of [unmarshalSegment, unmarshalRecord, unmarshalEnvelope, unmarshalHistoryEvent]) {
          try {
            decode(spoil(bytes));
          } catch (error) {
            expect(error).toBeInstanceOf(HistoryDecodeError);
          }
        }
      }),
      fuzzing(600),
    );
  }, 60_000);
});

const registry = (): TaskRegistry =>
  new TaskRegistry()
    .addActivity<number, number>("double", (_ctx, n) => 2 * n)
    .addOrchestrator<number, number>("wait", async (ctx, n) => {
      const doubled = await ctx.callActivity<number>("double", n);
      await ctx.waitForExternalEvent("go", { timeout: "1h" });
      return ctx.callActivity<number>("double", doubled);
    })
    .addOrchestrator("parent", async (ctx) => ctx.callSubOrchestrator("wait", 1, { instanceId: "sick" }));

describe("a damaged instance", () => {
  it("answers typed errors or something, at once, and keeps no other from going on", async () => {
    const parts = fc.constantFrom<Part>("record", "history", "inbox");
    const property = fc.asyncProperty(parts, damages, fc.boolean(), async (part, spoil, hasParent) => {
      const clock = new VirtualClock();
      const store = new DamagedStore();
      const environment = { store, clock, timers: clock, settle: clock.settle };
      const options = { registry: registry(), logger: silentLogger(), cacheSize: 0 };
      const first = await openMemoryTaskHub(options, environment);
      if (hasParent) await first.client.scheduleNewOrchestration("parent", undefined, { instanceId: "parent" });
      else await first.client.scheduleNewOrchestration("wait", 1, { instanceId: "sick" });
      await first.client.scheduleNewOrchestration("wait", 2, { instanceId: "well" });
      await clock.rest();
      await first.close();
      store.damage("sick", part, spoil);

      const hub = await openMemoryTaskHub(options, environment);
      const calls: Promise<unknown>[] = [
        hub.client.raiseEvent("sick", "go"),
        hub.client.fetchOrchestrationMetadata("sick"),
        hub.client.getInstanceHistory("sick"),
        hub.client.suspendOrchestration("sick"),
        hub.client.terminateOrchestration("sick"),
      ];
      for (const answer of await clock.runUntil(Promise.allSettled(calls), { maxTimers: 2000 })) {
        if (answer.status === "rejected") expect(answer.reason).toBeInstanceOf(PerduraError);
      }
      await hub.client.raiseEvent("well", "go");
      const waiting = hub.client.waitForOrchestrationCompletion("well");
      const end = await clock.runUntil(waiting, { maxTimers: 2000 });
      expect([end.runtimeStatus, end.output]).toEqual(["COMPLETED", "8"]);
      // Work of its own never ends in a loop: a day costs few timers.
      let fired = 0;
      for (const until = clock.now() + 86_400_000; (clock.nextTimerMs ?? until) < until; fired++) {
        await clock.advance(Math.max(0, (clock.nextTimerMs ?? until) - clock.now()));
        expect(fired).toBeLessThan(2000);
      }
      await hub.close();
    });
    await fc.assert(property, fuzzing(40));
  }, 60_000);
});
