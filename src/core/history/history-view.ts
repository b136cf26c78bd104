import type { HistoryEvent } from "../protocol/gen/perdura/model/v1/history_pb.ts";

/**
 * The committed events of an instance's current generation, as a lazy view: its length is known, its events are read
 * only when asked for. A live orchestrator never asks; a cold one reads once.
 */
export interface HistoryView {
  /** Number of events. */
  readonly length: number;
  /** Reads all events, oldest first. Throws {@link HistoryDecodeError} when stored bytes are damaged. */
  read(): Promise<readonly HistoryEvent[]>;
}

/** A view over events that are in memory already. */
export function historyOf(events: readonly HistoryEvent[]): HistoryView {
  return { length: events.length, read: () => Promise.resolve(events) };
}
