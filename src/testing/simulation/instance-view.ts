import type { MemoryStore } from "../../backends/memory/store.ts";
import type { InstanceRow } from "../../core/partition/ports.ts";
import type { HistoryEvent } from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import type { Envelope, InstanceRecord } from "../../core/protocol/gen/perdura/model/v1/store_pb.ts";
import { unmarshalEnvelope, unmarshalRecord, unmarshalSegment } from "../../core/protocol/marshal.ts";

/** What is durable of an instance, decoded. */
export interface InstanceView {
  readonly row: InstanceRow;
  readonly record: InstanceRecord;
  readonly inbox: ReadonlyMap<number, Envelope>;
  readonly outbox: ReadonlyMap<number, Envelope>;
  readonly segments: readonly Uint8Array[];
  readonly events: readonly HistoryEvent[];
}

/** Reads an instance from a store; what has not changed since `before` is not decoded again. */
export async function viewOf(
  store: MemoryStore,
  instanceId: string,
  before: InstanceView | undefined,
): Promise<InstanceView | undefined> {
  const loaded = await store.load(instanceId);
  if (loaded === undefined) return undefined;
  const segments = await store.readSegments(instanceId, 0, Number.MAX_SAFE_INTEGER);
  const known = before?.segments ?? [];
  const keeps = known.length <= segments.length && known.every((segment, index) => segment === segments[index]);
  const fresh = segments.slice(keeps ? known.length : 0).flatMap((bytes) => unmarshalSegment(bytes));
  return {
    row: loaded.row,
    record: loaded.row.record === before?.row.record ? before.record : unmarshalRecord(loaded.row.record),
    inbox: queueOf(loaded.inbox, before?.inbox),
    outbox: queueOf(loaded.outbox, before?.outbox),
    segments,
    events: keeps
      ? fresh.length === 0 && before !== undefined
        ? before.events
        : [...(before?.events ?? []), ...fresh]
      : fresh,
  };
}

function queueOf(
  items: readonly { readonly seq: number; readonly bytes: Uint8Array }[],
  before: ReadonlyMap<number, Envelope> | undefined,
): ReadonlyMap<number, Envelope> {
  return new Map(items.map(({ seq, bytes }) => [seq, before?.get(seq) ?? unmarshalEnvelope(bytes)]));
}
