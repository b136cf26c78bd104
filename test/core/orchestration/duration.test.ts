import { describe, expect, it } from "vitest";
import { InvalidArgumentError } from "../../../src/core/errors.ts";
import { type Duration, MAX_TIME_MS, toDeadline, toMilliseconds } from "../../../src/core/orchestration/duration.ts";

describe("durations", () => {
  it.each<[Duration, number]>([
    [0, 0],
    [1500, 1500],
    [0.4, 1],
    ["500ms", 500],
    ["2s", 2000],
    ["5m", 300_000],
    ["1h30m", 5_400_000],
    [" 1h 30m ", 5_400_000],
    ["1.5h", 5_400_000],
    ["7d", 604_800_000],
    ["2w", 1_209_600_000],
    ["1d2h3m4s5ms", 93_784_005],
    [{ minutes: 5 }, 300_000],
    [{ hours: 1, seconds: 1, microseconds: 500, nanoseconds: 500_000 }, 3_601_001],
  ])("%j is %d ms", (duration, ms) => {
    expect(toMilliseconds(duration)).toBe(ms);
  });

  it.each<[unknown]>([
    [Number.NaN],
    [Number.POSITIVE_INFINITY],
    [-1],
    [""],
    ["5"],
    ["5 minutes"],
    ["5m5m"],
    ["-5m"],
    ["1e3s"],
    ["5x"],
    [null],
    [undefined],
    [true],
    [{}],
    [{ months: 1 }],
    [{ years: 1, days: 1 }],
    [{ minutes: "5" }],
    [{ minutes: Number.NaN }],
    [{ seconds: -1 }],
  ])("%j is refused, with what to pass", (duration) => {
    expect(() => toMilliseconds(duration as Duration, "the timer")).toThrow(InvalidArgumentError);
    expect(() => toMilliseconds(duration as Duration, "the timer")).toThrow(/^the timer/);
  });

  it("a positive duration never becomes none, and sums of fractions gain no millisecond", () => {
    expect(toMilliseconds(1e-3)).toBe(1);
    expect(toMilliseconds({ milliseconds: 0.1, microseconds: 900 })).toBe(1);
    expect(toMilliseconds("0.1s")).toBe(100);
  });

  it("a moment in the past means now", () => {
    expect(toDeadline(new Date(5), 1000)).toBe(1000);
    expect(toDeadline(new Date(2000), 1000)).toBe(2000);
    expect(toDeadline("1s", 1000)).toBe(2000);
  });

  it("a moment that no timestamp can name is refused", () => {
    expect(() => toDeadline(new Date(Number.NaN), 0)).toThrow(InvalidArgumentError);
    expect(() => toDeadline(MAX_TIME_MS, 1)).toThrow(InvalidArgumentError);
    expect(toDeadline(MAX_TIME_MS, 0)).toBe(MAX_TIME_MS);
  });
});
