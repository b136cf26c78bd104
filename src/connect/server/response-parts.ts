import { create } from "@bufbuild/protobuf";
import {
  type OrchestratorResponse,
  OrchestratorResponseSchema,
} from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";

/** The whole of an answer that came in parts: all actions, in the order of the parts, and the rest from the last one. */
export function joinParts(parts: readonly OrchestratorResponse[]): OrchestratorResponse {
  const ordered = parts
    .map((part, arrival) => ({ part, place: part.chunkIndex ?? arrival }))
    .toSorted((one, other) => one.place - other.place)
    .map(({ part }) => part);
  const last = parts.at(-1) ?? create(OrchestratorResponseSchema);
  const customStatus = ordered.findLast((part) => part.customStatus !== undefined)?.customStatus;
  return create(OrchestratorResponseSchema, {
    ...last,
    actions: ordered.flatMap(({ actions }) => actions),
    isPartial: false,
    ...(customStatus === undefined ? {} : { customStatus }),
  });
}
