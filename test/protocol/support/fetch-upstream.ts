/** A hub behind `Request` and `Response` alone, as in a Worker: HTTP/1.1, gRPC-Web and Connect, no trailers. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import { type ConnectExecutorOptions, createSidecarFetch, type DialectChoice } from "../../../src/connect/index.ts";
import { type GatewayOptions, openGateway, type RunningGateway } from "../../../src/connect/node/index.ts";
import { silentLogger } from "../../../src/core/hub/logger.ts";
import { openExecutorHub } from "./executor-hub.ts";
import type { TestHub } from "./served-hub.ts";

/** Answers a request. */
export type FetchHandler = (request: Request) => Promise<Response> | Response;

/** A server of which only `fetch` is known. */
export interface FetchServer {
  readonly url: string;
  readonly port: number;
  /** Cuts all connections and listens no more, as when it dies. */
  close(): Promise<void>;
}

/** Serves a handler over HTTP/1.1. */
export async function serveFetch(handle: FetchHandler, port = 0): Promise<FetchServer> {
  const server: Server = createServer((request, response) => void answer(handle, request, response));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const address = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(handle: FetchHandler, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const headers = new Headers(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
  const hasBody = request.method !== "GET" && request.method !== "HEAD";
  try {
    const answered = await handle(
      new Request(`http://${request.headers.host}${request.url}`, {
        method: request.method ?? "GET",
        headers,
        signal: gone.signal,
        ...(hasBody ? { body: Readable.toWeb(request) as ReadableStream, duplex: "half" } : {}),
      } as RequestInit),
    );
    response.writeHead(answered.status, Object.fromEntries(answered.headers));
    response.flushHeaders();
    if (answered.body === null) response.end();
    else await pipeline(Readable.fromWeb(answered.body as NodeReadableStream), response);
  } catch {
    response.destroy();
  }
}

/** A hub, and the handler of its routes. */
export interface FetchHub {
  readonly handle: FetchHandler;
  close(): Promise<void>;
}

/** Opens a hub in memory. */
export async function openFetchHub(options: ConnectExecutorOptions = {}): Promise<FetchHub> {
  const { remote, close } = await openExecutorHub(options);
  const handle = createSidecarFetch(remote.handlers);
  return {
    handle: (request) => handle(request) ?? new Response("nothing is here", { status: 404 }),
    close,
  };
}

/** Opens a gateway on a free port. */
export function openTestGateway(options: GatewayOptions): Promise<RunningGateway> {
  return openGateway({ port: 0, logger: silentLogger(), patienceMs: 200, ...options });
}

/** Puts a gateway before an upstream, which is closed after it. */
export async function openBehindGateway(
  options: GatewayOptions,
  dialect: DialectChoice,
  closeUpstream: () => Promise<void>,
): Promise<TestHub> {
  const gateway = await openTestGateway({ ...options, ...(dialect === "auto" ? {} : { dialect }) });
  return {
    host: gateway.host,
    port: gateway.port,
    address: `${gateway.host}:${gateway.port}`,
    async close() {
      await gateway.close();
      await closeUpstream();
    },
  };
}

/** A hub behind fetch and a gateway before it: what native clients see of a Worker. */
export async function serveThroughGateway(options: ConnectExecutorOptions = {}): Promise<TestHub> {
  const { dialect = "auto", ...others } = options;
  const hub = await openFetchHub(others);
  const server = await serveFetch(hub.handle);
  return openBehindGateway({ upstream: server.url }, dialect, async () => {
    await server.close();
    await hub.close();
  });
}
