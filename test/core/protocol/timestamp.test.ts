import { create } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import {
  timestampFromMs,
  timestampOf,
  timestampToMs,
  timestampToMsCeil,
} from "../../../src/core/protocol/timestamp.ts";

describe("timestamps", () => {
  it.each([0, 1, 999, 1000, 1_700_000_000_123, -1, -1000, -1001, 8_640_000_000_000])(
    "give back %d ms unchanged, both ways of rounding",
    (ms) => {
      expect(timestampToMs(timestampFromMs(ms))).toBe(ms);
      expect(timestampToMsCeil(timestampFromMs(ms))).toBe(ms);
    },
  );

  it("keep their nanoseconds within 0 and a second, before the epoch too", () => {
    expect(timestampFromMs(-1)).toMatchObject({ seconds: -1n, nanos: 999_000_000 });
    expect(timestampFromMs(0.999_999_9)).toMatchObject({ seconds: 0n, nanos: 1_000_000 });
    expect(timestampFromMs(999.999_999_9)).toMatchObject({ seconds: 1n, nanos: 0 });
  });

  it("round a fraction of a millisecond down for reading and up for firing", () => {
    const timestamp = create(TimestampSchema, { seconds: 10n, nanos: 5_000_001 });
    expect(timestampToMs(timestamp)).toBe(10_005);
    expect(timestampToMsCeil(timestamp)).toBe(10_006);
  });

  it("never fire a timer before its time", () => {
    for (let nanos = 0; nanos < 3_000_000; nanos += 99_991) {
      const timestamp = create(TimestampSchema, { seconds: 1n, nanos });
      const exact = 1000 + nanos / 1e6;
      expect(timestampToMsCeil(timestamp)).toBeGreaterThanOrEqual(exact);
      expect(timestampToMsCeil(timestamp) - exact).toBeLessThan(1);
    }
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 253_402_300_800_000, -62_135_596_800_001])(
    "refuse %d ms, which no timestamp can hold",
    (ms) => {
      expect(() => timestampFromMs(ms)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
    },
  );

  it("are taken as they are where milliseconds are taken too", () => {
    const timestamp = create(TimestampSchema, { seconds: 1n, nanos: 1 });
    expect(timestampOf(timestamp)).toBe(timestamp);
    expect(timestampOf(1500)).toMatchObject({ seconds: 1n, nanos: 500_000_000 });
  });
});
