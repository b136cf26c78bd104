import type { HistoryEvent } from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { eventPayloadSize } from "./event-size.ts";

/** At most this many events go into one chunk. */
const MAX_EVENTS = 500;

/** A chunk is sent when it has about so many characters of payload: well under gRPC's usual 4 MB a message. */
const MAX_CHARACTERS = 512 * 1024;

/** Cuts a history into chunks that any client can take. An empty history is one empty chunk. */
export function* chunksOf(events: readonly HistoryEvent[]): Generator<HistoryEvent[]> {
  let chunk: HistoryEvent[] = [];
  let size = 0;
  for (const event of events) {
    const own = eventPayloadSize(event);
    if (chunk.length > 0 && (chunk.length >= MAX_EVENTS || size + own > MAX_CHARACTERS)) {
      yield chunk;
      chunk = [];
      size = 0;
    }
    chunk.push(event);
    size += own;
  }
  yield chunk;
}
