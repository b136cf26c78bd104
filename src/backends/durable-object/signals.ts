/** Everybody who appends or watches comes through the object itself, so that news need no carrier. */
export { LocalSignals as ObjectSignals } from "../../core/partition/local-signals.ts";
