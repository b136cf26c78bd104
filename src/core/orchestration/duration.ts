import { InvalidArgumentError } from "../errors.ts";

/**
 * The parts of a Temporal duration that have a fixed length. Any object of this shape does, so that the package needs no
 * Temporal itself: `Temporal.Duration.from({ minutes: 5 })` and `{ minutes: 5 }` mean the same.
 */
export interface DurationParts {
  readonly weeks?: number;
  readonly days?: number;
  readonly hours?: number;
  readonly minutes?: number;
  readonly seconds?: number;
  readonly milliseconds?: number;
  readonly microseconds?: number;
  readonly nanoseconds?: number;
}

/**
 * A length of time: a number of milliseconds, a text such as `"90s"`, `"5m"`, `"1h30m"`, `"7d"` (units `ms`, `s`, `m`, `h`,
 * `d`, `w`, each at most once, decimals allowed), or a Temporal duration. Never negative. A day is 24 hours.
 */
export type Duration = number | string | DurationParts;

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

const PART_MS: readonly (readonly [keyof DurationParts, number])[] = [
  ["weeks", 604_800_000],
  ["days", 86_400_000],
  ["hours", 3_600_000],
  ["minutes", 60_000],
  ["seconds", 1000],
  ["milliseconds", 1],
  ["microseconds", 1e-3],
  ["nanoseconds", 1e-6],
];

/** The last moment that a timestamp can name: the end of the year 9999, in epoch ms. */
export const MAX_TIME_MS: number = 253_402_300_799_999;

/**
 * The whole milliseconds of a duration. A fraction counts up, so that a positive duration never becomes none.
 *
 * @param what how the message names the value, say `"the timeout"`.
 * @throws {@link InvalidArgumentError} for NaN, infinite and negative values, unknown units, and calendar units (years, months),
 *   whose length depends on a date.
 */
export function toMilliseconds(duration: Duration, what = "the duration"): number {
  const ms = rawMilliseconds(duration, what);
  if (!Number.isFinite(ms)) throw new InvalidArgumentError(`${what} is ${ms}: pass a finite length of time`);
  if (ms < 0) throw new InvalidArgumentError(`${what} is negative (${ms} ms): pass 0 or more`);
  // Nanoseconds are sums of floats: 0.1 + 0.2 ms and the like must not count as a whole millisecond more.
  return Math.ceil(Math.round(ms * 1e6) / 1e6);
}

/**
 * The moment that a wait ends, in epoch ms: a duration from now, or a `Date`. A moment in the past means now.
 *
 * @throws {@link InvalidArgumentError} for an invalid date or duration, and for a moment after the year 9999.
 */
export function toDeadline(when: Duration | Date, nowMs: number, what = "the time"): number {
  const at = when instanceof Date ? when.getTime() : nowMs + toMilliseconds(when, what);
  if (Number.isNaN(at)) throw new InvalidArgumentError(`${what} is an invalid Date: pass one that names a moment`);
  if (at > MAX_TIME_MS)
    throw new InvalidArgumentError(`${what} is after the year 9999: wait without a time limit instead`);
  return Math.max(at, nowMs);
}

function rawMilliseconds(duration: Duration, what: string): number {
  switch (typeof duration) {
    case "number":
      return duration;
    case "string":
      return textMilliseconds(duration, what);
    case "object":
      if (duration !== null) return partsMilliseconds(duration, what);
  }
  throw new InvalidArgumentError(
    `${what} is ${typeof duration}: pass milliseconds, a text such as "5m", or a duration`,
  );
}

function textMilliseconds(text: string, what: string): number {
  const refuse = (): never => {
    throw new InvalidArgumentError(
      `${what} "${text}" is no length of time: write it like "500ms", "2s", "5m", "1h30m" or "7d"`,
    );
  };
  const compact = text.trim();
  if (!/^(?:\d+(?:\.\d+)?(?:ms|[smhdw])\s*)+$/.test(compact)) return refuse();
  const seen = new Set<string>();
  let total = 0;
  for (const [, count = "", unit = ""] of compact.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)) {
    // "5m5m" is a slip of the pen far more often than ten minutes.
    if (seen.has(unit)) return refuse();
    seen.add(unit);
    total += Number(count) * (UNIT_MS[unit] ?? refuse());
  }
  return total;
}

function partsMilliseconds(parts: DurationParts, what: string): number {
  const calendar = parts as { readonly years?: unknown; readonly months?: unknown };
  if ((calendar.years ?? 0) !== 0 || (calendar.months ?? 0) !== 0) {
    throw new InvalidArgumentError(`${what} has years or months, whose length depends on a date: pass days or a Date`);
  }
  let known = false;
  let total = 0;
  for (const [part, ms] of PART_MS) {
    const count = parts[part];
    if (count === undefined) continue;
    if (typeof count !== "number")
      throw new InvalidArgumentError(`${what} has ${part} that are no number: pass a number`);
    known = true;
    total += count * ms;
  }
  if (!known)
    throw new InvalidArgumentError(`${what} has no part that is a length of time: pass { minutes: 5 } or the like`);
  return total;
}
