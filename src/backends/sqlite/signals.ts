/** Clients and owner share one process, so that news need no carrier. */
export { LocalSignals as SqliteSignals } from "../../core/partition/local-signals.ts";
