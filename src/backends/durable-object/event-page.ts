import type { HistoryEvent } from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { marshalHistoryEvent, marshalSegment } from "../../core/protocol/marshal.ts";

/** How many bytes of history one answer carries, about: an RPC message takes 32 MiB at most. */
export const HISTORY_PAGE_BYTES: number = 8 * 1024 * 1024;

/** Some events of a list, as they travel between objects. */
export interface EventPage {
  /** A marshalled segment. */
  readonly events: Uint8Array;
  /** The event to go on with, when there are more. */
  readonly next?: number;
}

/** As many events as fit one message, from a place in the list on; one at least, where there is one. */
export function eventPage(events: readonly HistoryEvent[], from: number): EventPage {
  let next = from;
  for (let bytes = 0; next < events.length && bytes < HISTORY_PAGE_BYTES; next++) {
    const event = events[next];
    if (event !== undefined) bytes += marshalHistoryEvent(event).length;
  }
  const page = { events: marshalSegment(events.slice(from, next)) };
  return next < events.length ? { ...page, next } : page;
}
