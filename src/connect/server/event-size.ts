import type { HistoryEvent } from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";

/** About how large an event is, in characters: its payload, and a little for the rest. */
export function eventPayloadSize({ eventType }: HistoryEvent): number {
  const { value } = eventType;
  if (value === undefined) return 64;
  const input = "input" in value ? value.input : undefined;
  const result = "result" in value ? value.result : undefined;
  return 64 + (input?.length ?? 0) + (result?.length ?? 0);
}
