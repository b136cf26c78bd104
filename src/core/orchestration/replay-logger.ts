import type { Logger } from "../hub/logger.ts";

/** A logger whose lines are dropped while history is replayed, so that each line is written about once. */
export function replayLogger(logger: Logger, isReplaying: () => boolean): Logger {
  const line =
    (level: keyof Logger) =>
    (...values: readonly unknown[]): void => {
      if (!isReplaying()) logger[level](...values);
    };
  return { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
}
