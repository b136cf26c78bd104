import { describe, expect, it } from "vitest";
import { PayloadNotSerializableError, PayloadTooLargeError } from "../../../src/core/errors.ts";
import { DEFAULT_MAX_PAYLOAD_BYTES } from "../../../src/core/limits.ts";
import { jsonDataConverter, PayloadGate } from "../../../src/core/orchestration/data-converter.ts";

describe("payloads", () => {
  const gate = new PayloadGate(jsonDataConverter, 10);

  it.each([[0], [""], [false], [null], [[]], [{ a: 1 }]])("%j comes back as it was", (value) => {
    expect(gate.fromText(gate.toText(value, "it"), "it")).toEqual(value);
  });

  it("undefined is no payload, and no payload is undefined", () => {
    expect(gate.toText(undefined, "it")).toBeUndefined();
    expect(gate.fromText(undefined, "it")).toBeUndefined();
    expect(gate.fromText("", "it")).toBeUndefined();
  });

  it("sizes are UTF-8 bytes, at the limit exactly", () => {
    expect(gate.toText("äääa", "it")).toBe('"äääa"');
    expect(gate.toText("12345678", "it")).toBe('"12345678"');
    expect(() => gate.toText("ääääa", "the thing")).toThrow(PayloadTooLargeError);
    expect(() => gate.toText("ääääa", "the thing")).toThrow(/^the thing is 11 bytes, above the limit of 10/);
  });

  it("what is not data is refused, with its cause", () => {
    const ring: Record<string, unknown> = {};
    ring.self = ring;
    for (const value of [ring, 1n, () => 1, Symbol("x")]) {
      expect(() => gate.toText(value, "it")).toThrow(PayloadNotSerializableError);
    }
    expect(() => gate.fromText("{", "it")).toThrow(PayloadNotSerializableError);
    try {
      gate.fromText("{", "it");
    } catch (error) {
      expect((error as Error).cause).toBeInstanceOf(SyntaxError);
    }
  });

  it("the default limit is 4 MiB", () => {
    expect(DEFAULT_MAX_PAYLOAD_BYTES).toBe(4 * 1024 * 1024);
  });
});
