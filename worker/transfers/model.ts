/** What senders and the Worker say to each other of a transfer: one file that is sent in chunks. All of it is JSON, and small. */

/** What is to be sent. It is said first, and never changes. */
export interface Declaration {
  /** What the file is called. */
  readonly name: string;
  readonly bytes: number;
  /** Of every chunk but the last, which may be shorter. */
  readonly chunkBytes: number;
  /** Of the whole file, in lower-case hex: what `sha256sum` prints. */
  readonly sha256: string;
}

/** How far a transfer is. */
export interface TransferStatus extends Declaration {
  /** How many chunks there are. None for an empty file. */
  readonly chunks: number;
  /** The chunks that have not come, from 0, in order. */
  readonly missing: readonly number[];
  /** Whether all is here and its hash was found to be the declared one. */
  readonly finished: boolean;
}

/** Why a transfer does not do what it was asked for. */
export interface Refusal {
  readonly refused: "not found" | "different" | "incomplete" | "invalid" | "corrupt";
  /** A sentence for people. */
  readonly why: string;
}

/** How many chunks a file has. */
export function chunksOf({ bytes, chunkBytes }: Declaration): number {
  return Math.ceil(bytes / chunkBytes);
}

/** How long one of its chunks is, in bytes. 0: there is no such chunk. */
export function lengthOf({ bytes, chunkBytes }: Declaration, index: number): number {
  return Math.max(0, Math.min(chunkBytes, bytes - index * chunkBytes));
}
