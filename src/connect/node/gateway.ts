import { createServer as createHttp1Server } from "node:http";
import { createServer as createHttp2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { InvalidArgumentError } from "../../core/errors.ts";
import { defaultLogger, type Logger } from "../../core/hub/logger.ts";
import { MAX_MESSAGE_BYTES } from "../protocol/message-limit.ts";
import { type CallSurroundings, GatewayCall } from "./gateway-call.ts";
import { webContentType } from "./gateway-headers.ts";
import { listenHttp, MAX_SESSION_MB } from "./http-listener.ts";
import { Upstream } from "./upstream.ts";

/** What {@link openGateway} forwards, and where to. */
export interface GatewayOptions {
  /** The address of what serves the executor protocol over gRPC-Web, with a path if the routes are below one. */
  readonly upstream: string;
  /** Default 127.0.0.1. Whoever reaches it acts with the token. */
  readonly host?: string;
  /** Default 4001, the protocol's usual one; 0 takes any free port. */
  readonly port?: number;
  /** Sent as `authorization: Bearer`, in place of what the client sends. Absent: the client's own goes through. */
  readonly token?: string;
  /** The dialect of clients that do not say which they speak. Absent: the upstream finds out by itself. */
  readonly dialect?: "dapr" | "microsoft";
  /** How long a request that could not be sent is tried again, in ms, before it fails with `unavailable`. Default 3 seconds. */
  readonly patienceMs?: number;
  /** Largest message of a client, in bytes. Default 32 MiB. */
  readonly maxMessageBytes?: number;
  readonly logger?: Logger;
}

/** A gateway that listens. */
export interface RunningGateway {
  readonly host: string;
  readonly port: number;
  /** How many calls are under way. */
  readonly calls: number;
  /** Ends open streams with `unavailable`, lets other calls end for a moment, and closes all connections. */
  close(): Promise<void>;
}

/** How long calls that have no answer yet may take for one when the gateway closes, in ms; and then the clients to hang up. */
const GRACE_MS = 1000;
const HANG_UP_MS = 300;

const DEFAULT_PATIENCE_MS = 3000;

/**
 * Forwards native gRPC (h2c) to a server that has gRPC-Web only, as every Worker: gRPC needs HTTP/2 trailers. Both frame messages
 * alike, so that they pass unread, of whichever dialect they are. Resolves when it listens; the upstream may come up later.
 *
 * @throws {@link InvalidArgumentError} for an upstream or a token that is none.
 *
 * @example
 * const gateway = await openGateway({ upstream: "https://hub.example.com", token: process.env.PERDURA_TOKEN });
 * new TaskHubGrpcWorker({ hostAddress: `127.0.0.1:${gateway.port}` });
 */
export async function openGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { host = "127.0.0.1", port = 4001, token, dialect, patienceMs = DEFAULT_PATIENCE_MS } = options;
  const logger = options.logger ?? defaultLogger("warn");
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
    throw new InvalidArgumentError("the token must be of printable characters, without spaces");
  const upstream = new Upstream(options.upstream, patienceMs);
  const surroundings: CallSurroundings = {
    upstream,
    added: { token, dialect },
    maxMessageBytes: options.maxMessageBytes ?? MAX_MESSAGE_BYTES,
    logger,
  };
  const calls = new Set<GatewayCall>();
  const http1 = createHttp1Server((request, response) => {
    const { status, text } = refusal(request.method, request.headers["content-type"]) ?? NOT_HTTP2;
    response.writeHead(status, { ...PLAIN, connection: "close", ...allowOf(status) }).end(text);
  });
  const http2 = createHttp2Server({ maxSessionMemory: MAX_SESSION_MB });
  http2.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const refused = refusal(headers[":method"], headers["content-type"]);
    if (refused !== undefined) {
      stream.on("error", (error) => logger.debug("a refused stream failed", error));
      stream.resume();
      stream.respond({ ":status": refused.status, ...PLAIN, ...allowOf(refused.status) });
      stream.end(refused.text);
      return;
    }
    const call = new GatewayCall(stream, headers, surroundings);
    calls.add(call);
    void call.run().finally(() => calls.delete(call));
  });
  const listener = await listenHttp(http1, http2, { host, port }, logger);
  return {
    host,
    port: listener.address.port,
    get calls(): number {
      return calls.size;
    },
    async close(): Promise<void> {
      const reason = new ConnectError("the gateway is stopping: connect again", Code.Unavailable);
      const endAll = (which: (call: GatewayCall) => boolean): void => {
        for (const call of calls) if (which(call)) call.end(reason);
      };
      const closing = listener.close(GRACE_MS + HANG_UP_MS);
      endAll(({ isAnswering }) => isAnswering);
      const last = setTimeout(() => endAll(() => true), GRACE_MS);
      await closing;
      clearTimeout(last);
      upstream.close();
    },
  };
}

interface Refusal {
  readonly status: number;
  readonly text: string;
}

const PLAIN = { "content-type": "text/plain; charset=utf-8" };

/** gRPC's clients cannot be told otherwise: this is a connection of HTTP/1.1. */
const NOT_HTTP2: Refusal = {
  status: 505,
  text: "This is a gateway for native gRPC, which needs HTTP/2: send gRPC-Web and Connect to the upstream itself.\n",
};

/** What is no gRPC at all is answered as HTTP has it. */
function refusal(method: string | undefined, contentType: string | undefined): Refusal | undefined {
  if (method !== "POST")
    return { status: 405, text: "This is a gateway for native gRPC (h2c): it takes POST requests of gRPC clients.\n" };
  if (webContentType(contentType) !== undefined) return undefined;
  return {
    status: 415,
    text: "This is a gateway for native gRPC: it takes application/grpc. Send gRPC-Web and Connect to the upstream itself.\n",
  };
}

function allowOf(status: number): Record<string, string> {
  return status === 405 ? { allow: "POST" } : {};
}
