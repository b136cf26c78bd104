import type { Server as Http1Server } from "node:http";
import type { Http2Server, ServerHttp2Session } from "node:http2";
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { Logger } from "../../core/hub/logger.ts";

/** A server that listens. */
export interface HttpListener {
  readonly address: AddressInfo;
  /** Takes no more connections, lets open calls end for so long, in ms, and then cuts them. */
  close(graceMs: number): Promise<void>;
}

/** How long a connection may be silent before it is asked whether it lives, in ms; and how long it has to answer. */
const PING_EVERY_MS = 20_000;
const PING_TIMEOUT_MS = 10_000;

/**
 * How much one connection may have in memory, in MB. A worker and all of its answers share one; at Node's own limit of 10 a few
 * payloads of 3 MB that travel at once would close it.
 */
export const MAX_SESSION_MB = 256;

/** What an HTTP/2 client sends first, without TLS to agree on it. */
const PREFACE = "PRI * HTTP/2.0";

/** Serves HTTP/1.1 and HTTP/2 without TLS on one port: a connection's first bytes tell which it is. Resolves when it listens. */
export async function listenHttp(
  http1: Http1Server,
  http2: Http2Server,
  where: { readonly host: string; readonly port: number },
  logger: Logger,
): Promise<HttpListener> {
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  http2.on("session", (session) => {
    sessions.add(session);
    const stopPinging = keepAlive(session, logger);
    session.on("error", (error) => logger.debug("a connection failed", error));
    session.on("close", () => {
      stopPinging();
      sessions.delete(session);
    });
  });
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", (error) => logger.debug("a connection failed", error));
    // The first bytes tell which HTTP it is; whoever serves it gets them as well.
    const route = (): void => {
      const first = socket.read() as Buffer | null;
      if (first === null) return;
      socket.off("readable", route);
      socket.unshift(first);
      const isHttp2 = first.toString("latin1", 0, PREFACE.length) === PREFACE;
      (isHttp2 ? http2 : http1).emit("connection", socket);
    };
    socket.on("readable", route);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(where.port, where.host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  server.on("error", (error) => logger.error("the server failed", error));
  return {
    address: server.address() as AddressInfo,
    async close(graceMs: number): Promise<void> {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.close();
      http1.closeIdleConnections();
      // A session that is done may still wait for its peer to hang up: the connection itself is cut.
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, graceMs);
      await closed;
      clearTimeout(cut);
    },
  };
}

/** Notices a peer that vanished without a word: its streams end, and what they held goes to others. */
function keepAlive(session: ServerHttp2Session, logger: Logger): () => void {
  const timer = setInterval(() => {
    const overdue = setTimeout(() => {
      logger.debug("a connection does not answer; it is closed");
      session.destroy();
    }, PING_TIMEOUT_MS);
    overdue.unref();
    const isSent = !session.destroyed && session.ping(() => clearTimeout(overdue));
    if (!isSent) clearTimeout(overdue);
  }, PING_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
