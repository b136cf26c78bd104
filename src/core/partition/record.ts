import { create } from "@bufbuild/protobuf";
import { FormatTooNewError, HistoryDecodeError } from "../errors.ts";
import type { ResultKey } from "../history/dedup.ts";
import {
  type ExecutionStartedEvent,
  ExecutionStartedEventSchema,
  OrchestrationInstanceSchema,
  OrchestrationStatus,
} from "../protocol/gen/perdura/model/v1/history_pb.ts";
import { type InstanceRecord, InstanceRecordSchema } from "../protocol/gen/perdura/model/v1/store_pb.ts";
import { marshalRecord, unmarshalRecord } from "../protocol/marshal.ts";
import { isTerminal, statusName } from "../protocol/status.ts";
import { timestampToMs, timestampToMsCeil } from "../protocol/timestamp.ts";
import type { InstanceRow, InstanceSummary } from "./ports.ts";

/** The format of histories and records that this release writes. A higher one in a store is refused. */
export const FORMAT_VERSION = 1;

/** Decodes a record. @throws {@link HistoryDecodeError}, {@link FormatTooNewError}. */
export function readRecord(row: InstanceRow): InstanceRecord {
  const record = unmarshalRecord(row.record);
  if (record.formatVersion > FORMAT_VERSION) throw new FormatTooNewError(record.formatVersion, FORMAT_VERSION);
  // Damaged bytes may still decode: what they say of themselves must at least be what the row says.
  if (record.instanceId !== row.instanceId || fenceOf(record) !== row.incarnation) {
    throw new HistoryDecodeError(`the record of '${row.instanceId}' is another's, or damaged`);
  }
  return record;
}

/** Is there anything of it to see? A purged instance leaves a tombstone for a while. */
export function isPurged(record: InstanceRecord): boolean {
  return record.purgedAtMs !== undefined;
}

/** Was it handed to another home? Then it is a note, and nothing of it runs here. */
export function isMoved(record: InstanceRecord): boolean {
  return record.movedAtMs !== undefined;
}

/** Has it ended? */
export function isEnded(record: InstanceRecord): boolean {
  return isTerminal(record.status);
}

/** The record of an instance that has been accepted and not run. `version` continues a former incarnation's. */
export function newRecord(
  start: ExecutionStartedEvent,
  createdAtMs: number,
  previous?: InstanceRecord,
): InstanceRecord {
  const executionId = start.orchestrationInstance?.executionId ?? "";
  const record = create(InstanceRecordSchema, {
    formatVersion: FORMAT_VERSION,
    instanceId: start.orchestrationInstance?.instanceId ?? "",
    executionId,
    incarnation: executionId,
    name: start.name,
    tags: { ...start.tags },
    status: OrchestrationStatus.PENDING,
    createdAtMs,
    lastUpdatedAtMs: createdAtMs,
    // A replaced run may have left messages in the outbox: their places stay taken.
    nextEnvelopeSeq: previous?.nextEnvelopeSeq ?? 1,
    indexVersion: Math.max(createdAtMs, (previous?.indexVersion ?? 0) + 1),
    // What was sent to the former run, its start included, may come once more.
    receipts: [...(previous?.receipts ?? [])],
  });
  if (start.version !== undefined) record.version = start.version;
  if (start.parentInstance !== undefined) record.parent = start.parentInstance;
  if (start.scheduledStartTimestamp !== undefined) {
    record.scheduledStartAtMs = timestampToMs(start.scheduledStartTimestamp);
  }
  return record;
}

/**
 * A copy to work on: its lists are its own, their entries are shared and must be replaced, not changed. Made for every turn,
 * where a deep copy would show.
 */
export function copyRecord(record: InstanceRecord): InstanceRecord {
  return {
    ...record,
    tasks: [...record.tasks],
    timers: [...record.timers],
    children: [...record.children],
    eventWaits: [...record.eventWaits],
    receipts: [...record.receipts],
    eventKeys: [...record.eventKeys],
  };
}

/** The start event that the record stands for, without its input. `undefined` before the generation's first turn. */
export function startEventOf(record: InstanceRecord): ExecutionStartedEvent | undefined {
  if (record.historyLength === 0) return undefined;
  const start = create(ExecutionStartedEventSchema, {
    name: record.name,
    tags: record.tags,
    generation: record.generation,
    orchestrationInstance: create(OrchestrationInstanceSchema, {
      instanceId: record.instanceId,
      executionId: record.executionId,
    }),
  });
  if (record.version !== undefined) start.version = record.version;
  if (record.parent !== undefined) start.parentInstance = record.parent;
  if (record.parentTraceContext !== undefined) start.parentTraceContext = record.parentTraceContext;
  return start;
}

/** All work of the generation that waits for a result. */
export function* pendingKeys(record: InstanceRecord): Iterable<ResultKey> {
  for (const task of record.tasks) yield { kind: "task", id: task.id };
  for (const timer of record.timers) yield { kind: "timer", id: timer.id };
  for (const child of record.children) yield { kind: "child", id: child.id };
}

/** The earliest timer, in epoch ms, rounded up so that none fires early. */
export function nextTimerMs(record: InstanceRecord): number | undefined {
  let earliest: number | undefined;
  for (const timer of record.timers) {
    if (timer.fireAt === undefined) continue;
    const fireAt = timestampToMsCeil(timer.fireAt);
    if (earliest === undefined || fireAt < earliest) earliest = fireAt;
  }
  return earliest;
}

/**
 * Names the state of an instance's row: another with every commit that writes the row, and with every new run of the id. A
 * write that was planned on another state cannot commit: not of a former run, and not a second time, when nobody knows
 * whether it took effect the first time.
 */
export function fenceOf({ incarnation, revision }: InstanceRecord): string {
  return revision === 0 ? incarnation : `${incarnation}/${revision}`;
}

/** Builds the row of a record. */
export function rowOf(
  record: InstanceRecord,
  attention: { readonly unfinished: boolean; readonly wakeAt: number | undefined },
): InstanceRow {
  return {
    instanceId: record.instanceId,
    incarnation: fenceOf(record),
    record: marshalRecord(record),
    summary: summaryOf(record),
    unfinished: attention.unfinished,
    wakeAt: attention.wakeAt,
  };
}

/** The indexable fields of a record. */
export function summaryOf(record: InstanceRecord): InstanceSummary {
  return {
    name: record.name,
    status: statusName(record.status),
    tags: record.tags,
    createdAtMs: record.createdAtMs,
    lastUpdatedAtMs: record.lastUpdatedAtMs,
    completedAtMs: record.completedAtMs,
    parentInstanceId: record.parent?.orchestrationInstance?.instanceId,
    purged: isPurged(record),
  };
}

/** Does the index still have to hear of it? */
export function isIndexDirty(record: InstanceRecord): boolean {
  return record.indexVersion > record.indexedVersion;
}
