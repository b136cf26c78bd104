import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { DeterministicSource } from "../../../src/core/orchestration/deterministic.ts";
import { sha1 } from "../../../src/core/orchestration/sha1.ts";

const hex = (text: string): string =>
  sha1(text)
    .map((word) => word.toString(16).padStart(8, "0"))
    .join("");

describe("deterministic values", () => {
  it("SHA-1 is SHA-1, whatever the length", () => {
    expect(hex("abc")).toBe("a9993e364706816aba3e25717850c26c9cd0d89d");
    for (let length = 0; length < 200; length++) {
      const text = "ä€x".repeat(length).slice(0, length);
      expect(hex(text)).toBe(createHash("sha1").update(text).digest("hex"));
    }
  });

  it("GUIDs are version 5 UUIDs and all differ", () => {
    const source = new DeterministicSource("e1");
    const guids = Array.from({ length: 1000 }, () => source.newGuid());
    for (const guid of guids)
      expect(guid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(guids).size).toBe(1000);
  });

  it("the same execution gets the same values, another one others", () => {
    const [a, b, c] = ["e1", "e1", "e2"].map((id) => new DeterministicSource(id));
    expect(a?.newGuid()).toBe(b?.newGuid());
    expect(a?.random()).toBe(b?.random());
    expect(a?.newGuid()).not.toBe(c?.newGuid());
    expect(a?.random()).not.toBe(c?.random());
  });

  it("the engine's own ids leave the user's sequence alone", () => {
    const [a, b] = [new DeterministicSource("e"), new DeterministicSource("e")];
    a.guidFor("task", 0);
    expect(a.newGuid()).toBe(b.newGuid());
  });

  it("random numbers lie in [0, 1) and spread", () => {
    const source = new DeterministicSource("e");
    const numbers = Array.from({ length: 10_000 }, () => source.random());
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...numbers)).toBeLessThan(1);
    const mean = numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
  });

  it("the algorithms never change: they are part of the history format", () => {
    const source = new DeterministicSource("0123456789abcdef0123456789abcdef");
    expect([source.newGuid(), source.newGuid(), source.guidFor("task", 7)]).toMatchInlineSnapshot(`
      [
        "eb1a1c3f-5a9c-5375-8a52-333d390e8881",
        "95b3625c-a1e6-50d2-aa1c-725f1ff65966",
        "e1497be2-62b0-5d1d-87d3-7f75aaea9f37",
      ]
    `);
    expect([source.random(), source.random(), source.random()]).toMatchInlineSnapshot(`
      [
        0.2314189898315817,
        0.12532310839742422,
        0.5042673856951296,
      ]
    `);
  });
});
