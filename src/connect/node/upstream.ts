import { Agent, type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders, request } from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import { Code, ConnectError } from "@connectrpc/connect";
import { InvalidArgumentError } from "../../core/errors.ts";
import { pause } from "../client/backoff.ts";
import { CALL_ID_HEADER } from "../server/repeated-calls.ts";
import { isFromBefore } from "./upstream-refusal.ts";

/** The body of one request: whole, or, where it is large, its beginning and the rest as it comes. */
export interface CallBody {
  readonly beginning: Buffer;
  readonly rest: AsyncIterator<Buffer> | undefined;
}

/** How long the first pause between two attempts is, in ms, and the longest. */
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1000;
/** When TCP begins to ask whether a silent connection lives, in ms. */
const TCP_KEEP_ALIVE_MS = 20_000;

/**
 * How long a connection without a call is kept for the next one, in ms: shorter than servers do, so that none is closed just when
 * a call is sent on it. (Node applies it to idle connections only; a call may be silent for any time.)
 */
const IDLE_MS = 4000;

/** What may be sent twice, under one name: an answer that the hub has already is dropped there. */
const REPEATABLE = /\/Complete\w+Task$/;

/**
 * The server that calls are forwarded to, over HTTP/1.1. Node's own client, since it has no limit on how long a stream may be
 * silent or an answer may take.
 */
export class Upstream {
  /** Its address, without a slash at the end. */
  readonly url: string;
  readonly #base: URL;
  readonly #agent: Agent;
  readonly #patienceMs: number;

  /** @throws {@link InvalidArgumentError} for an address that is none. */
  constructor(address: string, patienceMs: number) {
    this.#base = baseOf(address);
    this.url = `${this.#base.origin}${this.#base.pathname}`.replace(/\/+$/, "");
    const options = { keepAlive: true, keepAliveMsecs: TCP_KEEP_ALIVE_MS, timeout: IDLE_MS };
    this.#agent = this.#base.protocol === "https:" ? new TlsAgent(options) : new Agent(options);
    this.#patienceMs = patienceMs;
  }

  /**
   * Sends a request and resolves with the head of the answer. Tries again for a while where that cannot do a thing twice:
   * nothing was sent, or the call is an answer to the hub, which workers do not hand in again by themselves.
   *
   * @throws {@link ConnectError} `unavailable` when there is no answer; the signal's reason when that aborts.
   */
  async send(
    path: string,
    headers: OutgoingHttpHeaders,
    body: CallBody,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const untilMs = performance.now() + this.#patienceMs;
    const isRepeatable = REPEATABLE.test(path) && body.rest === undefined;
    const named = isRepeatable ? { ...headers, [CALL_ID_HEADER]: crypto.randomUUID() } : headers;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
      const isLast = performance.now() + pauseMs > untilMs;
      const attempt = this.#attempt(path, named, body, signal);
      try {
        const response = await attempt.response;
        if (isLast || !isRepeatable || !isFromBefore(response.statusCode)) return response;
        response.resume();
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        // The client's own fault.
        if (error instanceof ConnectError) throw error;
        const isSafe = body.rest === undefined && !attempt.wasConnected;
        if (isLast || isUntrusted(error) || !(isSafe || isRepeatable)) throw this.#unreachable(error);
      }
      await pause(pauseMs, signal);
      if (signal.aborted) throw signal.reason;
    }
  }

  /** Closes connections that no call has. */
  close(): void {
    this.#agent.destroy();
  }

  #attempt(path: string, headers: OutgoingHttpHeaders, { beginning, rest }: CallBody, signal: AbortSignal): Attempt {
    const isTls = this.#base.protocol === "https:";
    const sent = (isTls ? tlsRequest : request)({
      protocol: this.#base.protocol,
      // Node takes IPv6 addresses without the brackets that an address has.
      hostname: this.#base.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: this.#base.port,
      method: "POST",
      path: `${this.#base.pathname.replace(/\/+$/, "")}${path}`,
      headers: rest === undefined ? { ...headers, "content-length": beginning.length } : headers,
      agent: this.#agent,
      signal,
    });
    const attempt = new Attempt(sent, isTls ? "secureConnect" : "connect");
    if (rest === undefined) sent.end(beginning);
    else void pump(sent, beginning, rest);
    return attempt;
  }

  #unreachable(error: unknown): ConnectError {
    const { code, message } = error as { code?: string; message?: string };
    const what = [code, message].filter((part) => part !== undefined && part !== "").join(": ");
    const advice = isUntrusted(error)
      ? "its certificate is not one that Node trusts: name the file of its authority in NODE_EXTRA_CA_CERTS"
      : "check that it runs and that --upstream is right";
    const text = `${this.url} cannot be reached or broke off (${what}): ${advice}`;
    return new ConnectError(text, Code.Unavailable, undefined, undefined, error);
  }
}

/** Its certificate is not trusted, is out of date or is another's: that does not pass by itself. */
function isUntrusted(error: unknown): boolean {
  return /CERT|SELF_SIGNED|VERIFY/.test((error as { code?: string }).code ?? "");
}

/** One attempt, and what is known of it when it fails. */
class Attempt {
  readonly response: Promise<IncomingMessage>;
  /** Whether there was a connection, so that something may have been sent. */
  wasConnected = false;

  constructor(sent: ClientRequest, connected: "connect" | "secureConnect") {
    sent.once("socket", (socket) => {
      if (sent.reusedSocket) this.wasConnected = true;
      else
        socket.once(connected, () => {
          this.wasConnected = true;
        });
    });
    this.response = new Promise((resolve, reject) => {
      sent.once("response", (response) => {
        response.on("error", () => undefined);
        resolve(response);
      });
      // Stays on for what comes after the answer's head: whoever reads the answer is told of that too.
      sent.on("error", reject);
    });
  }
}

/** Sends a large body no faster than the upstream takes it. */
async function pump(sent: ClientRequest, beginning: Buffer, rest: AsyncIterator<Buffer>): Promise<void> {
  try {
    sent.write(beginning);
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
      if (sent.writableNeedDrain) await drained(sent);
      if (sent.destroyed) return;
      sent.write(next.value);
    }
    sent.end();
  } catch (error) {
    sent.destroy(error as Error);
  }
}

/** Resolves when more may be written, or when nothing can be any more. */
function drained(sent: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      sent.off("drain", done);
      sent.off("close", done);
      resolve();
    };
    sent.on("drain", done);
    sent.on("close", done);
  });
}

function baseOf(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new InvalidArgumentError(`the upstream is '${address}': give an address, as in https://hub.example.com`);
  if (url.username !== "" || url.search !== "" || url.hash !== "")
    throw new InvalidArgumentError("the upstream's address may have a path, but no user, query or fragment");
  return url;
}
