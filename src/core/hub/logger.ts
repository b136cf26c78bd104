/** Where the engine's own log lines go. Values are passed through unformatted, as with `console`. */
export interface Logger {
  debug(...values: readonly unknown[]): void;
  info(...values: readonly unknown[]): void;
  warn(...values: readonly unknown[]): void;
  error(...values: readonly unknown[]): void;
}

/** The levels of {@link defaultLogger}, least important first. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

const ORDER: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 };

/**
 * A logger that writes to the host's console, with the prefix `perdura`.
 *
 * @param level lines below it are dropped; default `"info"`.
 */
export function defaultLogger(level: LogLevel = "info"): Logger {
  const least = ORDER[level];
  const line =
    (own: Exclude<LogLevel, "silent">) =>
    (...values: readonly unknown[]): void => {
      if (ORDER[own] >= least) console[own]("perdura", ...values);
    };
  return { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
}

/** A logger that drops every line. */
export function silentLogger(): Logger {
  return defaultLogger("silent");
}
