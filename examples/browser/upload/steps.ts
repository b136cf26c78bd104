import { type ActivityReference, defineActivity, NonRetriableError, type RetryPolicy } from "perdura";
import type { HubBlobs } from "perdura/indexeddb";
import { chunkBytesOf, type Declaration } from "./model.ts";
import type { TransferClient, TransferStatus } from "./transfer-client.ts";

/** A server that is away may stay so for a while: about an hour and a half. */
const retry: RetryPolicy = { maxAttempts: 200, firstDelay: "1s", backoff: 2, maxDelay: "30s" };

/** A chunk of a file. */
export interface ChunkOf {
  readonly id: string;
  readonly index: number;
  readonly chunkBytes: number;
}

/** What the activities need of the Worker. */
export type Transfers = Pick<TransferClient, "declare" | "send" | "finish" | "discard">;

/** The activities of an upload. */
export interface UploadSteps {
  /** Hashes a kept file. */
  readonly hash: ActivityReference<string, string>;
  readonly declare: ActivityReference<Declaration & { readonly id: string }, TransferStatus>;
  /** Sends one chunk. False: the Worker has no such transfer any more. */
  readonly send: ActivityReference<ChunkOf, boolean>;
  /** Has the Worker check the whole. False: it has not all of it. */
  readonly finish: ActivityReference<string, boolean>;
  /** Deletes what the Worker has of it. */
  readonly discard: ActivityReference<string, void>;
  /** Deletes the file that this browser keeps. */
  readonly forget: ActivityReference<string, void>;
}

/** Makes the activities. Those that need the Worker wait for a network without using up an attempt. */
export function uploadSteps(blobs: () => Promise<HubBlobs>, transfers: Transfers): UploadSteps {
  const read = async (id: string): Promise<Blob> => {
    const here = await blobs();
    const [kept] = await here.list(id);
    if (kept === undefined) throw new NonRetriableError("this browser does not keep the file any more: pick it again");
    return here.get(kept);
  };
  const online = { retry, timeout: "2m", runWhen: "online" } as const;
  return {
    hash: defineActivity("hash", async (_ctx, id) => {
      // The platform has no hash of a stream: the whole file is in memory for a moment.
      const digest = await crypto.subtle.digest("SHA-256", await (await read(id)).arrayBuffer());
      return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
    }),
    declare: defineActivity(
      "declare",
      ({ signal }, { id, ...declaration }) => transfers.declare(id, declaration, signal),
      online,
    ),
    send: defineActivity(
      "send",
      async ({ signal }, { id, index, chunkBytes }) => {
        const content = await read(id);
        const chunk = content.slice(index * chunkBytes, (index + 1) * chunkBytes);
        return (await transfers.send(id, index, await chunk.arrayBuffer(), signal)) !== undefined;
      },
      online,
    ),
    finish: defineActivity(
      "finish",
      async ({ signal }, id) => (await transfers.finish(id, signal))?.finished === true,
      online,
    ),
    discard: defineActivity("discard", ({ signal }, id) => transfers.discard(id, signal), online),
    forget: defineActivity("forget", async (_ctx, id) => forgetFile(await blobs(), id)),
  };
}

/** Deletes the file that this browser keeps for an upload, if there is one. */
export async function forgetFile(blobs: HubBlobs, id: string): Promise<void> {
  for (const kept of await blobs.list(id)) await blobs.remove(kept);
}

/** What is said of a file before it is sent. */
export function declarationOf(name: string, bytes: number, sha256: string): Declaration {
  return { name, bytes, chunkBytes: chunkBytesOf(bytes), sha256 };
}
