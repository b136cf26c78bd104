import { describe, expect, it } from "vitest";
import { openMemoryTaskHub } from "../../../src/backends/memory/index.ts";
import {
  defineActivity,
  defineEvent,
  defineOrchestrator,
  type InstanceFile,
  newAesGcmCodec,
  type Partition,
  type PayloadCodec,
  silentLogger,
  TaskRegistry,
} from "../../../src/core/index.ts";

const keys = { old: new Uint8Array(32).fill(1), new: new Uint8Array(16).fill(2) };

describe("the AES-GCM codec", () => {
  it("gives back every text, and never the same ciphertext twice", async () => {
    const codec = newAesGcmCodec({ keys, current: "new" });
    for (const text of ["", '"x"', "ä€😀", "\ufeffmark", "y".repeat(100_000)]) {
      const [one, other] = [await codec.encode(text), await codec.encode(text)];
      expect(one).not.toBe(other);
      expect(await codec.decode(one)).toBe(text);
    }
  });

  it("refuses what was changed, what another key made, and what is not encrypted, unless it may", async () => {
    const codec = newAesGcmCodec({ keys, current: "old" });
    const sealed = await codec.encode("secret");
    const changed = `${sealed.slice(0, -6)}${sealed.at(-6) === "A" ? "B" : "A"}${sealed.slice(-5)}`;
    await expect(codec.decode(changed)).rejects.toThrow();
    await expect(codec.decode(sealed.replace("aesgcm1:old", "aesgcm1:new"))).rejects.toThrow();
    await expect(newAesGcmCodec({ keys: { new: keys.new }, current: "new" }).decode(sealed)).rejects.toThrow(
      "old keys",
    );
    await expect(codec.decode("plain")).rejects.toThrow("not encrypted");
    expect(await newAesGcmCodec({ keys, current: "old", acceptPlain: true }).decode("plain")).toBe("plain");
    expect(await newAesGcmCodec({ keys, current: "new" }).decode(sealed)).toBe("secret");
  });

  it("refuses keys that cannot be told apart", () => {
    expect(() => newAesGcmCodec({ keys, current: "none" })).toThrow("none");
    expect(() => newAesGcmCodec({ keys: { "a:b": keys.old }, current: "a:b" })).toThrow("colons");
  });
});

describe("a hub with a codec", () => {
  /** Marks what passes it, so that a text that was encoded twice or not at all shows. */
  const marking: PayloadCodec = {
    encode: async (text) => {
      expect(text.startsWith("<")).toBe(false);
      return `<${text}>`;
    },
    decode: async (text) => {
      expect(text).toMatch(/^<[^<>]*>$/);
      return text.slice(1, -1);
    },
  };

  const shout = defineActivity("shout", (_ctx, text: string): string => text.toUpperCase());
  const round = defineOrchestrator("round", async (ctx, left: number): Promise<string> => {
    const word = await ctx.waitForExternalEvent(defineEvent<string>("word"));
    ctx.setCustomStatus({ word });
    if (left > 0) {
      ctx.continueAsNew(left - 1, { keepEvents: true });
      return "";
    }
    return ctx.callActivity(shout, word);
  });

  it.each([0, 1000])(
    "payloads are encoded once everywhere: events, generations, activities, results (cache %i)",
    async (cacheSize) => {
      const registry = new TaskRegistry().add(shout, round);
      const hub = await openMemoryTaskHub({ registry, codec: marking, cacheSize, logger: silentLogger() });
      const id = await hub.client.scheduleNewOrchestration(round, 2);
      for (const word of ["a", "b", "c"]) await hub.client.raiseEvent(id, "word", word);
      const done = await hub.client.waitForOrchestrationCompletion(id, { timeout: "5s" });
      expect(hub.client.outputOf(done)).toBe("C");
      expect(done.customStatus).toBe('{"word":"c"}');
      const raw = await hub.backend.getOrchestrationMetadata(id);
      expect([raw.output, raw.customStatus, raw.input]).toEqual(['<"C">', '<{"word":"c"}>', "<0>"]);
      await hub.close();
    },
  );
});

describe("an exported instance", () => {
  it("is the same wherever it is stored: memory takes what memory gave", async () => {
    const wait = defineOrchestrator("wait", async (ctx) => ctx.waitForExternalEvent<string>("go"));
    const options = { registry: new TaskRegistry().add(wait), logger: silentLogger() };
    const [from, to] = [await openMemoryTaskHub(options), await openMemoryTaskHub(options)];
    const id = await from.client.scheduleNewOrchestration(wait);
    await from.client.waitForOrchestrationStart(id);
    const file = JSON.parse(
      JSON.stringify(await (from.backend as Partition).exportInstance(id, { move: true })),
    ) as InstanceFile;
    await expect(from.client.raiseEvent(id, "go")).rejects.toMatchObject({ code: "instance_moved" });
    await (to.backend as Partition).importInstance(file);
    await to.client.raiseEvent(id, "go", "on");
    expect((await to.client.waitForOrchestrationCompletion(id, { timeout: "5s" })).output).toBe('"on"');
    // And back again, over the note that it left.
    const back = await (to.backend as Partition).exportInstance(id, { move: true });
    await (from.backend as Partition).importInstance(back);
    expect((await from.client.fetchOrchestrationMetadata(id)).runtimeStatus).toBe("COMPLETED");
    for (const hub of [from, to]) await hub.close();
  });
});
