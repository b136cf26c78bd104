/** What the upload's code and its page say to each other. It is in history, so it is small: contents are blobs of the hub. */

/** The input: a kept file, by reference. The instance's id is the file's. */
export interface UploadRequest {
  readonly name: string;
  readonly bytes: number;
}

/** What an upload comes to. */
export type UploadResult =
  | {
      readonly status: "stored";
      readonly bytes: number;
      /** As the Worker computed it, in lower-case hex. */
      readonly sha256: string;
    }
  | { readonly status: "cancelled" };

/** The custom status. */
export interface Progress {
  readonly phase:
    | "hashing"
    | "declaring"
    | "sending"
    | "awaiting confirmation"
    | "finishing"
    | "stored"
    | "cancelling"
    | "cancelled";
  /** Chunks that the Worker has. */
  readonly sent: number;
  readonly chunks: number;
  /** Once it is known. */
  readonly sha256?: string;
}

/** What the Worker is told of a file before its chunks come. */
export interface Declaration {
  readonly name: string;
  readonly bytes: number;
  readonly chunkBytes: number;
  /** In lower-case hex. */
  readonly sha256: string;
}

/** The largest file that the Worker takes, in bytes. */
export const MAX_FILE_BYTES: number = 64 * 1024 * 1024;

/** How long a file's chunks are, in bytes: 64 at most, and none very small. */
export function chunkBytesOf(bytes: number): number {
  return Math.max(64 * 1024, Math.ceil(bytes / 64));
}
