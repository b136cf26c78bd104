import type { Logger } from "../../core/hub/logger.ts";
import type { Trace } from "./trace.ts";

/** A logger whose warnings and errors are lines of the trace. */
export function silentButTraced(trace: Trace, name: string): Logger {
  const note = (level: string) => (message: string, detail?: unknown) =>
    trace.add(() => `      ${name} logs ${level}: ${message}${detail === undefined ? "" : ` (${String(detail)})`}`);
  return { debug: () => undefined, info: () => undefined, warn: note("a warning"), error: note("an error") };
}
