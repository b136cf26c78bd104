import type { OrchestrationMetadata, TaskHubClient } from "perdura";
import type { HubBlobs } from "perdura/indexeddb";
import { MAX_FILE_BYTES, type Progress, type UploadRequest, type UploadResult } from "./model.ts";
import { forgetFile } from "./steps.ts";
import { cancel, confirm, UPLOAD } from "./upload.ts";

/** An upload as the page shows it. */
export interface Upload {
  readonly id: string;
  readonly request: UploadRequest;
  readonly progress: Progress;
  readonly result: UploadResult | undefined;
  readonly metadata: OrchestrationMetadata;
}

/** All that a person can do with uploads, in whichever tab. Uploads are orchestrations; this only speaks to their hub. */
export class Uploads {
  readonly #client: TaskHubClient;
  readonly #blobs: HubBlobs;

  constructor(client: TaskHubClient, blobs: HubBlobs) {
    this.#client = client;
    this.#blobs = blobs;
  }

  /**
   * Keeps a picked file, then starts its upload. Should the page end in between, {@link adopt} starts it.
   *
   * @throws RangeError for a file that is too large, and whatever reading or storing it brings.
   */
  async add(file: File): Promise<string> {
    if (file.size > MAX_FILE_BYTES) {
      throw new RangeError(`it is larger than ${MAX_FILE_BYTES / 1024 / 1024} MiB`);
    }
    const id = `upload-${crypto.randomUUID()}`;
    const { name, size } = file;
    await this.#blobs.put(id, file);
    await this.#start(id, { name, bytes: size });
    return id;
  }

  /** Starts the uploads of kept files that have none. Safe in several tabs at once. */
  async adopt(): Promise<void> {
    for (const { instanceId, name, size } of await this.#blobs.list()) {
      await this.#start(instanceId, { name: name ?? instanceId, bytes: size });
    }
  }

  /** The newest uploads. */
  async list(limit: number): Promise<readonly Upload[]> {
    const page = await this.#client.queryInstances({ name: UPLOAD, pageSize: limit, fetchPayloads: true });
    return page.instances.map(uploadOf);
  }

  /** Lets an upload be finished. One that is not that far yet will not ask. */
  async confirm(id: string): Promise<void> {
    await this.#client.raiseEvent(id, confirm);
  }

  /** Cancels an upload: what was sent is deleted, as soon as there is a network. */
  async cancel(id: string): Promise<void> {
    await this.#client.raiseEvent(id, cancel);
  }

  /** Ends an upload at once, whatever it does. What the Worker has of it, the Worker deletes after a week. */
  async stop(id: string): Promise<void> {
    await this.#client.terminateOrchestration(id);
  }

  /** Starts a failed upload over. What the Worker has by then is not sent again. */
  async retry(id: string): Promise<void> {
    await this.#client.restartOrchestration(id);
  }

  /** Deletes an ended upload, and with it the kept file if there still is one: a hub in memory leaves that to us. */
  async remove(id: string): Promise<void> {
    await forgetFile(this.#blobs, id);
    await this.#client.purgeOrchestrationState(id);
  }

  /** Scheduling with a key is safe to repeat. */
  async #start(id: string, request: UploadRequest): Promise<void> {
    await this.#client.scheduleNewOrchestration(UPLOAD, request, { instanceId: id, idempotencyKey: id });
  }
}

function uploadOf(metadata: OrchestrationMetadata): Upload {
  const { instanceId: id, input, output, customStatus, runtimeStatus } = metadata;
  const value = <T>(payload: string | undefined): T | undefined =>
    payload === undefined ? undefined : (JSON.parse(payload) as T);
  return {
    id,
    request: value<UploadRequest>(input) ?? { name: id, bytes: 0 },
    progress: value<Progress>(customStatus) ?? { phase: "hashing", sent: 0, chunks: 0 },
    result: runtimeStatus === "COMPLETED" ? value<UploadResult>(output) : undefined,
    metadata,
  };
}
