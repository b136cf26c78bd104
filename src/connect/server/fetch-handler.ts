import { createFetchHandler, type UniversalHandler } from "@connectrpc/connect/protocol";
import { linkSignals } from "../link-signals.ts";

/** Answers a request of the protocol; `undefined` for one that is none. */
export type SidecarFetch = (request: Request) => Promise<Response> | undefined;

/**
 * The service for hosts that speak in `Request` and `Response`: a Worker, an object in one, a service worker. There it is
 * Connect and gRPC-Web; native gRPC needs trailers, which these hosts do not have.
 *
 * @param prefix what paths begin with before `/TaskHubSidecarService/`.
 */
export function createSidecarFetch(handlers: readonly UniversalHandler[], prefix = ""): SidecarFetch {
  const byPath = new Map(
    handlers.map((handler) => [
      `${prefix}${handler.requestPath}`,
      handler.method.methodKind === "server_streaming" ? streaming(handler) : unary(handler),
    ]),
  );
  return (request) => {
    const handle = byPath.get(new URL(request.url).pathname);
    return handle !== undefined && isNativeGrpc(request) ? Promise.resolve(needsTrailers()) : handle?.(request);
  };
}

function isNativeGrpc(request: Request): boolean {
  return /^application\/grpc(?:$|[+;])/i.test(request.headers.get("content-type") ?? "");
}

/** A call whose end could not be told. */
function needsTrailers(): Response {
  const text =
    "native gRPC needs trailers, which this host does not have: use gRPC-Web or Connect, or go through `perdura gateway`";
  return new Response(text, {
    status: 415,
    headers: { "accept-post": "application/grpc-web+proto, application/proto" },
  });
}

function unary(handler: UniversalHandler): (request: Request) => Promise<Response> {
  return (request) => createFetchHandler((call) => handler({ ...call, body: bodyOf(request) ?? call.body }))(request);
}

/** In Firefox a request cannot be read as a stream, only whole. `undefined` where it can. */
function bodyOf(request: Request): AsyncIterable<Uint8Array> | undefined {
  return (request.body as ReadableStream | null | undefined) === undefined ? wholeOf(request) : undefined;
}

async function* wholeOf(request: Request): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(await request.arrayBuffer());
}

/**
 * A stream's reader that goes away cancels the body, and mostly no more is heard of it: not every host aborts the request's
 * signal then. The handler is waiting for its next item, where a cancelled iterator does not reach it; a signal does.
 */
function streaming(handler: UniversalHandler): (request: Request) => Promise<Response> {
  return async (request) => {
    const gone = new AbortController();
    const { signal } = linkSignals(request.signal, gone.signal);
    const response = await createFetchHandler((call) =>
      handler({ ...call, body: bodyOf(request) ?? call.body, signal }),
    )(request);
    const { body } = response;
    return body === null
      ? response
      : new Response(
          watched(body, () => gone.abort()),
          response,
        );
  };
}

/** The same stream, which says so when it is cancelled. */
function watched(body: ReadableStream<Uint8Array>, onCancel: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await reader.read();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    async cancel(reason) {
      onCancel();
      await reader.cancel(reason);
    },
  });
}
