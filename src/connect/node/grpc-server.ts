import { createServer as createHttp1Server } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { Logger } from "../../core/hub/logger.ts";
import { type HttpListener, listenHttp, MAX_SESSION_MB } from "./http-listener.ts";

/** Serves Connect and gRPC-Web over HTTP/1.1 and HTTP/2, and native gRPC over HTTP/2, all without TLS on one port. */
export async function listenGrpc(
  routes: (router: ConnectRouter) => ConnectRouter,
  where: { readonly host: string; readonly port: number },
  logger: Logger,
): Promise<HttpListener> {
  const handler = connectNodeAdapter({ routes });
  const http1 = createHttp1Server(handler);
  const http2 = createHttp2Server({ maxSessionMemory: MAX_SESSION_MB }, handler);
  return listenHttp(http1, http2, where, logger);
}
