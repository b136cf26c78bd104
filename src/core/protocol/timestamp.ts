import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { InvalidArgumentError } from "../errors.ts";

/** 0001-01-01T00:00:00Z, the earliest time that a protobuf timestamp may hold, in milliseconds since the epoch. */
const EARLIEST_MS = -62_135_596_800_000;
/** The first time after 9999-12-31T23:59:59.999999999Z, in milliseconds since the epoch. */
const AFTER_LATEST_MS = 253_402_300_800_000;
const NANOS_PER_MS = 1_000_000;
const NANOS_PER_SECOND = 1_000_000_000;

/** A point in time: milliseconds since the Unix epoch (fractions are kept to the nanosecond), or an exact timestamp. */
export type Moment = number | Timestamp;

/**
 * The timestamp of a time in milliseconds since the Unix epoch; a fraction is rounded to the nearest nanosecond.
 *
 * @throws InvalidArgumentError when the time is not finite or lies outside the years 1 to 9999.
 */
export function timestampFromMs(ms: number): Timestamp {
  if (!(ms >= EARLIEST_MS && ms < AFTER_LATEST_MS)) {
    throw new InvalidArgumentError(
      `a time must be in milliseconds since the epoch, within the years 1 to 9999, but is ${ms}`,
    );
  }
  let seconds = Math.floor(ms / 1000);
  let nanos = Math.round((ms - seconds * 1000) * NANOS_PER_MS);
  if (nanos >= NANOS_PER_SECOND) {
    seconds += 1;
    nanos -= NANOS_PER_SECOND;
  }
  return create(TimestampSchema, { seconds: BigInt(seconds), nanos });
}

/** The milliseconds since the Unix epoch of a timestamp; a fraction of a millisecond is dropped (towards the past). */
export function timestampToMs(timestamp: Timestamp): number {
  return Number(timestamp.seconds) * 1000 + Math.floor(timestamp.nanos / NANOS_PER_MS);
}

/**
 * The milliseconds since the Unix epoch of a timestamp; a fraction of a millisecond is rounded up (towards the future),
 * so that a timer armed with it never fires early.
 */
export function timestampToMsCeil(timestamp: Timestamp): number {
  return Number(timestamp.seconds) * 1000 + Math.ceil(timestamp.nanos / NANOS_PER_MS);
}

/**
 * The timestamp of a moment. A timestamp is returned as it is, not copied.
 *
 * @throws InvalidArgumentError as {@link timestampFromMs} does.
 */
export function timestampOf(moment: Moment): Timestamp {
  return typeof moment === "number" ? timestampFromMs(moment) : moment;
}
