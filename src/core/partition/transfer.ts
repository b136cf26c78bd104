import { clone, create } from "@bufbuild/protobuf";
import { fromBase64, toBase64 } from "../base64.ts";
import {
  HistoryDecodeError,
  InstanceExistsError,
  InstanceNotFoundError,
  InvalidArgumentError,
  UnsupportedError,
  WorkItemLockLostError,
} from "../errors.ts";
import { OrchestrationStatus } from "../protocol/gen/perdura/model/v1/history_pb.ts";
import {
  EnvelopeSchema,
  type InstanceRecord,
  InstanceRecordSchema,
} from "../protocol/gen/perdura/model/v1/store_pb.ts";
import {
  marshalRecord,
  marshalSegment,
  unmarshalEnvelope,
  unmarshalRecord,
  unmarshalSegment,
} from "../protocol/marshal.ts";
import { statusName } from "../protocol/status.ts";
import type { Deliveries } from "./deliveries.ts";
import type { PartitionContext } from "./partition-context.ts";
import type { InstanceRow, StoredItem } from "./ports.ts";
import { FORMAT_VERSION, isEnded, isMoved, isPurged, readRecord, rowOf } from "./record.ts";

/** How an instance is exported. */
export interface ExportOptions {
  /** End the instance here: it goes on where the file is imported, and nowhere else. Default false: a copy. */
  readonly move?: boolean;
}

/** A whole instance as plain data, to be kept as one JSON file. Bytes are base64. */
export interface InstanceFile {
  readonly kind: "perdura-instance";
  /** Format of the histories in it. */
  readonly format: number;
  readonly exportedAt: string;
  readonly instanceId: string;
  readonly name: string;
  readonly version?: string;
  readonly runtimeStatus: string;
  readonly record: string;
  readonly history: readonly string[];
  readonly inbox: readonly string[];
  readonly outbox: readonly string[];
}

/** Takes instances out of a partition and puts them into one. */
export class Transfer {
  readonly #context: PartitionContext;
  readonly #deliveries: Deliveries;

  constructor(context: PartitionContext, deliveries: Deliveries) {
    this.#context = context;
    this.#deliveries = deliveries;
  }

  /** @throws {@link InstanceNotFoundError}, {@link UnsupportedError} for a move of an instance that others wait for. */
  async export(instanceId: string, { move = false }: ExportOptions): Promise<InstanceFile> {
    // Closed first, then read: what is read cannot change any more, and a move that was interrupted can be made again.
    if (move) await this.#close(instanceId);
    const { store } = this.#context.ports;
    for (;;) {
      const loaded = await store.load(instanceId);
      const record = loaded === undefined ? undefined : readRecord(loaded.row);
      if (loaded === undefined || record === undefined || isPurged(record)) throw new InstanceNotFoundError(instanceId);
      const segments = await store.readSegments(instanceId, 0, record.segmentCount);
      const again = await store.load(instanceId);
      // A turn was committed meanwhile: what was read may be of two states.
      if (again?.row.incarnation !== loaded.row.incarnation || segments.length !== record.segmentCount) continue;
      return fileOf(reopened(record), segments, loaded.inbox, loaded.outbox, this.#context.now);
    }
  }

  /**
   * Stores an exported instance; a run goes on.
   *
   * @throws {@link InstanceExistsError}, {@link InvalidArgumentError} for a file that is none, {@link FormatTooNewError}.
   */
  async import(file: InstanceFile): Promise<string> {
    const { record, segment, inbox, outbox } = contentsOf(file);
    const { instanceId } = record;
    await this.#clearNote(instanceId);
    const queues = {
      inbox: inbox.map(({ bytes }, seq) => ({ seq, envelope: unmarshalEnvelope(bytes) })),
      outboxLength: outbox.length,
    };
    const row = this.#context.row(record, { ...queues, inboxGrows: inbox.length > 0 });
    try {
      await this.#context.create({
        instanceId,
        incarnation: "",
        wipe: true,
        row,
        history:
          segment === undefined ? { truncate: true } : { truncate: true, append: { segment: 0, bytes: segment } },
        inbox: inbox.map(({ bytes }) => ({ key: undefined, bytes })),
        outboxAdd: outbox,
      });
    } catch (error) {
      throw error instanceof WorkItemLockLostError ? new InstanceExistsError(instanceId, { cause: error }) : error;
    }
    this.#context.table.forget(instanceId, new WorkItemLockLostError(`'${instanceId}' was imported`));
    if (this.#context.tenure === undefined) this.#context.ports.signals.appended(instanceId, true);
    this.#context.ports.signals.changed(instanceId);
    this.#deliveries.look(instanceId);
    return instanceId;
  }

  /** Leaves a note in the place of the instance: no turn of it can be committed any more, and no event be accepted. */
  async #close(instanceId: string): Promise<void> {
    const { now, ports } = this.#context;
    const appended = await ports.store.append(instanceId, (row) => {
      const record = row === undefined ? undefined : readRecord(row);
      if (record === undefined || isPurged(record)) throw new InstanceNotFoundError(instanceId);
      if (isMoved(record)) return { answer: undefined };
      if (!isEnded(record) && (record.parent !== undefined || record.children.length > 0)) {
        throw new UnsupportedError(
          `'${instanceId}' has a parent or children that still run: move it when they are done`,
        );
      }
      return { row: { ...noteOf(record, now), wipe: false }, answer: undefined };
    });
    this.#deliveries.noteAppended(appended, create(EnvelopeSchema, {}));
  }

  /** An instance may come back to where it moved away from. */
  async #clearNote(instanceId: string): Promise<void> {
    await this.#context.ports.store.append(instanceId, (row) => ({
      remove: row !== undefined && isMoved(readRecord(row)),
      returns: true,
      answer: undefined,
    }));
  }
}

function noteOf(record: InstanceRecord, nowMs: number): InstanceRow {
  const note = clone(InstanceRecordSchema, record);
  note.movedAtMs = nowMs;
  note.revision++;
  if (!isEnded(record)) note.status = OrchestrationStatus.TERMINATED;
  note.lastUpdatedAtMs = Math.max(note.lastUpdatedAtMs, nowMs);
  note.indexVersion = Math.max(nowMs, note.indexVersion + 1);
  const row = rowOf(note, { unfinished: false, wakeAt: undefined });
  // For lists and retention it has ended now; that its record does not say so tells it from one that had ended before.
  return { ...row, summary: { ...row.summary, completedAtMs: record.completedAtMs ?? nowMs } };
}

/** The record as it was before the note, or as it is: deaths and fences of the old home do not count in the new one. */
function reopened(record: InstanceRecord): InstanceRecord {
  const open = clone(InstanceRecordSchema, record);
  open.deaths = 0;
  if (open.movedAtMs === undefined) return open;
  delete open.movedAtMs;
  if (open.completedAtMs !== undefined) return open;
  open.status = OrchestrationStatus.RUNNING;
  if (open.suspended) open.status = OrchestrationStatus.SUSPENDED;
  else if (open.historyLength === 0) open.status = OrchestrationStatus.PENDING;
  return open;
}

function fileOf(
  record: InstanceRecord,
  segments: readonly Uint8Array[],
  inbox: readonly StoredItem[],
  outbox: readonly StoredItem[],
  nowMs: number,
): InstanceFile {
  return {
    kind: "perdura-instance",
    format: record.formatVersion,
    exportedAt: new Date(nowMs).toISOString(),
    instanceId: record.instanceId,
    name: record.name,
    ...(record.version === undefined ? {} : { version: record.version }),
    runtimeStatus: statusName(record.status),
    record: toBase64(marshalRecord(record)),
    history: segments.map(toBase64),
    inbox: inbox.map(({ bytes }) => toBase64(bytes)),
    outbox: outbox.map(({ bytes }) => toBase64(bytes)),
  };
}

interface Contents {
  readonly record: InstanceRecord;
  readonly segment: Uint8Array | undefined;
  readonly inbox: readonly { readonly bytes: Uint8Array }[];
  readonly outbox: readonly StoredItem[];
}

function contentsOf(file: InstanceFile): Contents {
  if (file?.kind !== "perdura-instance") throw new InvalidArgumentError("this is no file of exportInstance()");
  if (file.format > FORMAT_VERSION) {
    throw new InvalidArgumentError(`the file has format ${file.format}: import it with the release that wrote it`);
  }
  try {
    const record = unmarshalRecord(fromBase64(file.record));
    const events = file.history.flatMap((text) => unmarshalSegment(fromBase64(text)));
    // One segment for all: what was written turn by turn is read as a whole.
    record.segmentCount = events.length === 0 ? 0 : 1;
    for (const task of record.tasks) task.segment = 0;
    const outbox = file.outbox
      .map((text) => fromBase64(text))
      .map((bytes) => ({ seq: unmarshalEnvelope(bytes).seq, bytes }));
    return {
      record,
      segment: events.length === 0 ? undefined : marshalSegment(events),
      inbox: file.inbox.map((text) => ({ bytes: fromBase64(text) })),
      outbox,
    };
  } catch (cause) {
    if (cause instanceof HistoryDecodeError) throw cause;
    throw new InvalidArgumentError("the file is damaged: export the instance again", { cause });
  }
}
