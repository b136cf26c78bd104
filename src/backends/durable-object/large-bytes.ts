/** Bytes on their way between objects: as they are, or as a stream where they are too many for one RPC message. */
export type LargeBytes = Uint8Array | ReadableStream<Uint8Array>;

/** From how many bytes on they go as a stream: a message takes 32 MiB at most. */
const STREAMED_BYTES = 8 * 1024 * 1024;

/** Packs bytes for an RPC answer. */
export function packBytes(bytes: Uint8Array): LargeBytes {
  return bytes.length < STREAMED_BYTES ? bytes : (new Response(bytes).body ?? bytes);
}

/** Unpacks them on the other side. */
export async function unpackBytes(packed: LargeBytes): Promise<Uint8Array> {
  return packed instanceof Uint8Array ? packed : new Uint8Array(await new Response(packed).arrayBuffer());
}
