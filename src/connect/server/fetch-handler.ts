import { createFetchHandler, type UniversalHandler } from "@connectrpc/connect/protocol";

/** Answers a request of the protocol; `undefined` for one that is none. */
export type SidecarFetch = (request: Request) => Promise<Response> | undefined;

/**
 * The service for hosts that speak in `Request` and `Response`: a Worker, an object in one, a service worker. There it is
 * Connect and gRPC-Web; native gRPC needs trailers, which these hosts do not have.
 *
 * @param prefix what paths begin with before `/TaskHubSidecarService/`.
 */
export function createSidecarFetch(handlers: readonly UniversalHandler[], prefix = ""): SidecarFetch {
  const byPath = new Map(handlers.map((handler) => [`${prefix}${handler.requestPath}`, createFetchHandler(handler)]));
  return (request) => byPath.get(new URL(request.url).pathname)?.(request);
}
