/** Native gRPC by hand: every byte and header as the test wants it. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";

/** What came back. */
export interface RawAnswer {
  readonly http: number;
  readonly headers: Readonly<Record<string, unknown>>;
  /** Those of an answer without a message are its headers. */
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
  readonly status: string | undefined;
  /** Decoded. */
  readonly message: string;
}

/** One call that can be looked at while it runs. */
export interface RawCall {
  readonly stream: ClientHttp2Stream;
  readonly answer: Promise<RawAnswer>;
}

/** Opens a connection; its errors are those of its calls. */
export function openSession(address: string): ClientHttp2Session {
  // At its default, Node's own client closes a connection that has 10 MB to send.
  const session = connect(`http://${address}`, { maxSessionMemory: 256 });
  session.on("error", () => undefined);
  return session;
}

/** Begins a call. */
export function rawCall(
  session: ClientHttp2Session,
  method: string,
  body: Uint8Array = frame(new Uint8Array()),
  headers: Readonly<Record<string, string>> = {},
  isWhole = true,
): RawCall {
  const stream = session.request({
    ":method": "POST",
    ":path": method.startsWith("/") ? method : `/TaskHubSidecarService/${method}`,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  const chunks: Buffer[] = [];
  let head: Record<string, unknown> = {};
  let trailers: Record<string, unknown> | undefined;
  stream.on("response", (received) => {
    head = received;
  });
  stream.on("trailers", (received) => {
    trailers = received;
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("error", () => undefined);
  const answer = new Promise<RawAnswer>((resolve) => {
    stream.once("close", () => {
      const last = trailers ?? head;
      resolve({
        http: Number(head[":status"] ?? 0),
        headers: head,
        trailers: last,
        body: Buffer.concat(chunks),
        status: last["grpc-status"] as string | undefined,
        message: decodeURIComponent(String(last["grpc-message"] ?? "")),
      });
    });
  });
  if (isWhole) stream.end(body);
  else stream.write(body);
  return { stream, answer };
}

/** Bytes in the envelope of a message. */
export function frame(bytes: Uint8Array, flags = 0): Buffer<ArrayBuffer> {
  const envelope = Buffer.alloc(5 + bytes.length);
  envelope[0] = flags;
  envelope.writeUInt32BE(bytes.length, 1);
  envelope.set(bytes, 5);
  return envelope;
}

/** A generator of numbers from 0 to 1 that gives the same in every run. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
}

/** The last frame of a gRPC-Web answer. */
export function trailerFrame(trailers: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries(trailers).map(([name, value]) => `${name}: ${value}\r\n`);
  return frame(Buffer.from(lines.join("")), 0x80);
}

/** A whole gRPC-Web answer. */
export function webAnswer(parts: readonly Uint8Array[], headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(Buffer.concat(parts), { headers: { "content-type": "application/grpc-web+proto", ...headers } });
}
