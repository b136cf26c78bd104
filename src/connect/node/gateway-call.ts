import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { parseTimeout, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import type { Logger } from "../../core/hub/logger.ts";
import { WorkItemSchema } from "../../core/protocol/gen/perdura/wire/v1/task_hub_service_pb.ts";
import { DIALECT_HEADER } from "../server/dialect-switch.ts";
import { unlessAborted } from "../unless-aborted.ts";
import {
  type AddedHeaders,
  cleanTrailers,
  isGrpcWeb,
  requestHeaders,
  responseHeaders,
  webContentType,
} from "./gateway-headers.ts";
import { GrpcWebFrames } from "./grpc-web-frames.ts";
import type { CallBody, Upstream } from "./upstream.ts";
import { refusalOf } from "./upstream-refusal.ts";

/** What all calls of a gateway share. */
export interface CallSurroundings {
  readonly upstream: Upstream;
  readonly added: AddedHeaders;
  readonly maxMessageBytes: number;
  readonly logger: Logger;
}

/** The paths that are forwarded, below any prefix: with the gateway's token, nothing else of the Worker is to be reached. */
const FORWARDED = /^(?:\/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)*\/TaskHubSidecarService\/[A-Za-z]+$/;

/** Requests up to this size are sent whole, and again where that is safe; larger ones as they come. In bytes. */
const MAX_WHOLE_BYTES = 1024 * 1024;

/** The health ping that Dapr's workers do not know: a host that notices lost connections only when it writes sends it all the same. */
const DAPR_PING = toBinary(WorkItemSchema, create(WorkItemSchema, { request: { case: "healthPing", value: {} } }));

/** How long an upstream may take to end an answer after its last frame, in ms. */
const LET_GO_MS = 5000;

/** Before a message: a flag, and its length. */
const ENVELOPE_BYTES = 5;

/** The longest time that a timer can be set to, in ms. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** One call of a client: a request that goes up as it is, and an answer whose last frame becomes trailers. */
export class GatewayCall {
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly #with: CallSurroundings;
  readonly #abort = new AbortController();
  #isAnswered = false;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, surroundings: CallSurroundings) {
    this.#stream = stream;
    this.#headers = headers;
    this.#with = surroundings;
    stream.on("error", (error) => surroundings.logger.debug("a call's stream failed", error));
    stream.on("close", () => {
      // A call that was answered has nothing more to give up, and its connection to the upstream is for the next one.
      if (!this.#isAnswered) this.end(new ConnectError("the client gave up the call", Code.Canceled));
    });
  }

  /** Whether the answer has begun. */
  get isAnswering(): boolean {
    return this.#stream.headersSent;
  }

  /** Ends the call early, on both sides. */
  end(reason: ConnectError): void {
    this.#abort.abort(reason);
  }

  /** Forwards the call; resolves when it has been answered or given up. */
  async run(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      const { path, contentType, timeoutMs } = this.#check();
      if (timeoutMs !== undefined) {
        const expire = (): void =>
          this.#abort.abort(new ConnectError("the call's deadline has passed", Code.DeadlineExceeded));
        timer = setTimeout(expire, Math.min(timeoutMs, MAX_TIMER_MS));
      }
      await this.#forward(path, requestHeaders(this.#headers, contentType, this.#with.added));
    } catch (error) {
      const { signal } = this.#abort;
      const reason = signal.aborted ? signal.reason : error;
      if (!(reason instanceof ConnectError)) this.#with.logger.error("a call could not be forwarded", reason);
      this.#finish(setTrailerStatus(new Headers(), ConnectError.from(reason, Code.Internal)));
    } finally {
      clearTimeout(timer);
    }
  }

  /** @throws {@link ConnectError} for what is not forwarded. */
  #check(): { readonly path: string; readonly contentType: string; readonly timeoutMs: number | undefined } {
    const path = this.#headers[":path"] ?? "";
    const contentType = webContentType(this.#headers["content-type"]);
    if (!FORWARDED.test(path) || contentType === undefined) {
      const text = `this gateway forwards calls of TaskHubSidecarService, and '${path.slice(0, 100)}' is none`;
      throw new ConnectError(text, Code.Unimplemented);
    }
    const { "grpc-timeout": timeout } = this.#headers;
    const { timeoutMs, error } = parseTimeout(typeof timeout === "string" ? timeout : null, Number.POSITIVE_INFINITY);
    if (error !== undefined) throw error;
    return { path, contentType, timeoutMs };
  }

  async #forward(path: string, headers: OutgoingHttpHeaders): Promise<void> {
    const { upstream } = this.#with;
    const { signal } = this.#abort;
    const body = await unlessAborted(this.#body(), signal);
    const response = await upstream.send(path, headers, body, signal);
    const { "grpc-status": status } = response.headers;
    if (!isGrpcWeb(response.headers["content-type"]) || (status === undefined && response.statusCode !== 200))
      throw await refusalOf(response, upstream.url);
    if (status !== undefined) {
      this.#letGo(response);
      this.#finishAtOnce(responseHeaders(response.headers));
      return;
    }
    this.#finish(await this.#answer(response, heldBack(path, response)));
  }

  /** Reads a small request whole, and of a large one the beginning. */
  async #body(): Promise<CallBody> {
    const { maxMessageBytes } = this.#with;
    const source = limited(this.#stream.iterator({ destroyOnReturn: false }), maxMessageBytes + ENVELOPE_BYTES);
    const chunks: Buffer[] = [];
    let size = 0;
    while (size <= MAX_WHOLE_BYTES) {
      const next = await source.next();
      if (next.done === true) return { beginning: Buffer.concat(chunks), rest: undefined };
      chunks.push(next.value);
      size += next.value.length;
    }
    return { beginning: Buffer.concat(chunks), rest: source };
  }

  /** Passes the answer on, no faster than the client takes it. Returns its trailers. */
  async #answer(response: IncomingMessage, dropped: Uint8Array | undefined): Promise<Headers> {
    const stream = this.#stream;
    const { signal } = this.#abort;
    const frames = new GrpcWebFrames(dropped);
    stream.respond({ ":status": 200, ...responseHeaders(response.headers) }, { waitForTrailers: true });
    try {
      for await (const chunk of response.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        for (const piece of frames.push(chunk)) {
          if (!stream.write(piece)) await writable(stream, signal);
          if (signal.aborted) throw signal.reason;
        }
        if (frames.trailers !== undefined) break;
      }
    } catch (error) {
      if (signal.aborted || error instanceof ConnectError) throw error;
      throw new ConnectError(
        `${this.#with.upstream.url} broke off in the middle of its answer: connect again`,
        Code.Unavailable,
        undefined,
        undefined,
        error,
      );
    }
    const { trailers } = frames;
    if (trailers?.get("grpc-status") === null || trailers === undefined) {
      const text = `${this.#with.upstream.url} ended its answer without a status, as when it is restarted: connect again`;
      throw new ConnectError(text, Code.Unavailable);
    }
    this.#letGo(response);
    return trailers;
  }

  /** All that matters has been read: when the rest has been too, the connection is free for the next call. */
  #letGo(response: IncomingMessage): void {
    this.#isAnswered = true;
    const overdue = setTimeout(() => response.destroy(), LET_GO_MS);
    response.once("close", () => clearTimeout(overdue));
    response.resume();
  }

  #finish(status: Headers): void {
    const stream = this.#stream;
    const trailers = cleanTrailers(status);
    if (!stream.headersSent) {
      this.#finishAtOnce({ "content-type": "application/grpc+proto", ...trailers });
      return;
    }
    if (stream.destroyed || stream.closed) return;
    stream.once("wantTrailers", () => stream.sendTrailers(trailers));
    stream.end();
  }

  /** Answers without a message: status and all in one. */
  #finishAtOnce(headers: OutgoingHttpHeaders): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    stream.respond({ ":status": 200, ...headers }, { endStream: true });
    // What is still to come of the request is not wanted.
    if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
  }
}

/** The message that does not pass: pings of a stream of work items, which its answer says is in Dapr's dialect. */
function heldBack(path: string, { headers }: IncomingMessage): Uint8Array | undefined {
  return path.endsWith("/GetWorkItems") && headers[DIALECT_HEADER] === "dapr" ? DAPR_PING : undefined;
}

/** @throws {@link ConnectError} `resource_exhausted` when a message, as it announces itself or as it comes, is too large. */
async function* limited(source: AsyncIterator<Buffer>, maxBytes: number): AsyncGenerator<Buffer, undefined> {
  let size = 0;
  for (let next = await source.next(); next.done !== true; next = await source.next()) {
    const announced = size === 0 && next.value.length >= ENVELOPE_BYTES ? next.value.readUInt32BE(1) : 0;
    size += next.value.length;
    if (size > maxBytes || announced + ENVELOPE_BYTES > maxBytes) {
      const text = `the message is larger than ${maxBytes - ENVELOPE_BYTES} bytes`;
      throw new ConnectError(text, Code.ResourceExhausted);
    }
    yield next.value;
  }
}

/** Resolves when the client takes more, or the call is over. */
function writable(stream: ServerHttp2Stream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    if (signal.aborted) done();
    stream.on("drain", done);
    signal.addEventListener("abort", done);
  });
}
