import { Code, ConnectError } from "@connectrpc/connect";
import { trailerFlag, trailerParse } from "@connectrpc/connect/protocol-grpc-web";

const HEADER_BYTES = 5;
/** Bytes of a last frame at most: names and values that fit in headers. */
const MAX_TRAILER_BYTES = 64 * 1024;

/**
 * Parts a gRPC-Web answer: frames of data pass as they come, in pieces, and the last frame is kept, since native gRPC has
 * trailers for it. Nothing is held back but that frame, the five bytes before a frame, and what may be a message to drop.
 */
export class GrpcWebFrames {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  readonly #dropped: Uint8Array | undefined;
  #headerLength = 0;
  /** Bytes that are left of the frame that is being read. */
  #left = 0;
  /** Pieces of a frame that is not passed on as it comes. */
  #kept: Buffer[] | undefined;
  #isTrailer = false;
  #trailers: Headers | undefined;

  /** @param dropped a message that does not pass. */
  constructor(dropped?: Uint8Array) {
    this.#dropped = dropped;
  }

  /** The status and the metadata of the last frame, when that has been read. */
  get trailers(): Headers | undefined {
    return this.#trailers;
  }

  /** Takes bytes as they came, and gives those that are data. @throws {@link ConnectError} when it is no gRPC-Web. */
  *push(chunk: Buffer): Generator<Buffer, void, undefined> {
    let at = 0;
    while (at < chunk.length && this.#trailers === undefined) {
      if (this.#headerLength < HEADER_BYTES) {
        const taken = chunk.copy(this.#header, this.#headerLength, at);
        this.#headerLength += taken;
        at += taken;
        if (this.#headerLength === HEADER_BYTES) {
          this.#begin();
          if (this.#kept === undefined) yield Buffer.from(this.#header);
        }
      } else {
        const piece = chunk.subarray(at, at + this.#left);
        this.#left -= piece.length;
        at += piece.length;
        if (this.#kept === undefined) yield piece;
        else this.#kept.push(Buffer.from(piece));
      }
      if (this.#headerLength === HEADER_BYTES && this.#left === 0) yield* this.#end();
    }
  }

  #begin(): void {
    const flags = this.#header[0] ?? 0;
    this.#left = this.#header.readUInt32BE(1);
    this.#isTrailer = flags === trailerFlag;
    if (this.#isTrailer && this.#left > MAX_TRAILER_BYTES) throw garbled(`its last frame has ${this.#left} bytes`);
    if (!this.#isTrailer && flags > 1) throw garbled(`a frame of it begins with ${flags}`);
    const mayBeDropped = flags === 0 && this.#left === this.#dropped?.length;
    this.#kept = this.#isTrailer || mayBeDropped ? [] : undefined;
  }

  *#end(): Generator<Buffer, void, undefined> {
    this.#headerLength = 0;
    if (this.#kept === undefined) return;
    const whole = Buffer.concat(this.#kept);
    if (!this.#isTrailer) {
      if (this.#dropped === undefined || !whole.equals(this.#dropped)) yield Buffer.concat([this.#header, whole]);
      return;
    }
    try {
      this.#trailers = trailerParse(whole);
    } catch (error) {
      throw garbled("its last frame holds what no header may be", error);
    }
  }
}

function garbled(what: string, cause?: unknown): ConnectError {
  return new ConnectError(`the upstream's answer is no gRPC-Web: ${what}`, Code.Internal, undefined, undefined, cause);
}
