import { StorageError } from "../errors.ts";
import type { HistoryView } from "../history/history-view.ts";
import type { HistoryEvent } from "../protocol/gen/perdura/model/v1/history_pb.ts";
import type { InstanceRecord } from "../protocol/gen/perdura/model/v1/store_pb.ts";
import { unmarshalSegment } from "../protocol/marshal.ts";
import type { Store } from "./ports.ts";

/** The committed history of an instance's generation, read from the store when it is asked for. */
export class StoredHistory implements HistoryView {
  readonly length: number;
  readonly #store: Store;
  readonly #instanceId: string;
  readonly #segments: number;
  #events: Promise<readonly HistoryEvent[]> | undefined;

  constructor(store: Store, record: InstanceRecord) {
    this.#store = store;
    this.#instanceId = record.instanceId;
    this.length = record.historyLength;
    this.#segments = record.segmentCount;
  }

  read(): Promise<readonly HistoryEvent[]> {
    this.#events ??= this.#read();
    return this.#events;
  }

  async #read(): Promise<readonly HistoryEvent[]> {
    if (this.length === 0) return [];
    const segments = await this.#store.readSegments(this.#instanceId, 0, this.#segments);
    const events = segments.flatMap((bytes) => unmarshalSegment(bytes));
    if (events.length !== this.length) {
      throw new StorageError(
        `the stored history of '${this.#instanceId}' has ${events.length} events where its record says ${this.length}: ` +
          "it was replaced while it was read, or the store is damaged",
      );
    }
    return events;
  }
}

/** Reads one segment. @throws {@link StorageError} when it is not there. */
export async function readSegment(store: Store, instanceId: string, segment: number): Promise<readonly HistoryEvent[]> {
  const [bytes] = await store.readSegments(instanceId, segment, segment + 1);
  if (bytes === undefined) throw new StorageError(`segment ${segment} of the history of '${instanceId}' is missing`);
  return unmarshalSegment(bytes);
}
