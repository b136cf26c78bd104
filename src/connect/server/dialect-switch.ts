import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { Dialect } from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { isMicrosoftBody, type PeekedAnswer, peekAnswer } from "./dialect-peek.ts";
import type { WorkerExchange } from "./local-dispatcher.ts";

/** Which dialect is spoken: one of them, or whichever a request shows itself to be in. */
export type DialectChoice = "dapr" | "microsoft" | "auto";

/**
 * A header by which a client says which dialect it speaks: `dapr` or `microsoft`. It goes before all other signals. A stream of
 * work items is answered with the same header, so that a gateway knows what it carries.
 */
export const DIALECT_HEADER = "durabletask-dialect";

/**
 * The handlers of both dialects as one service, chosen per request, with those of each dialect alone below `/dapr` and
 * `/microsoft` beside them.
 */
export function handlersOf(
  dapr: readonly UniversalHandler[],
  microsoft: readonly UniversalHandler[],
  choice: DialectChoice,
  exchange: WorkerExchange | undefined,
  maxBodyBytes: number,
): UniversalHandler[] {
  const shared = new Map(microsoft.map((handler) => [handler.requestPath, handler]));
  const handlers: UniversalHandler[] = [];
  for (const handler of dapr) {
    const other = shared.get(handler.requestPath);
    shared.delete(handler.requestPath);
    handlers.push(other === undefined ? handler : switching(handler, other, choice, exchange, maxBodyBytes));
  }
  // What is left has only Microsoft.
  handlers.push(...shared.values());
  handlers.push(...dapr.map((handler) => below("/dapr", handler)));
  handlers.push(...microsoft.map((handler) => below("/microsoft", handler)));
  return handlers;
}

function below(prefix: string, handler: UniversalHandler): UniversalHandler {
  return like(handler, (request) => handler(request), `${prefix}${handler.requestPath}`);
}

function like(
  handler: UniversalHandler,
  run: (request: UniversalServerRequest) => Promise<UniversalServerResponse>,
  requestPath: string,
): UniversalHandler {
  const { protocolNames, service, method, allowedMethods, supportedContentType } = handler;
  return Object.assign(run, { protocolNames, service, method, allowedMethods, supportedContentType, requestPath });
}

function switching(
  dapr: UniversalHandler,
  microsoft: UniversalHandler,
  choice: DialectChoice,
  exchange: WorkerExchange | undefined,
  maxBodyBytes: number,
): UniversalHandler {
  const choose = async (request: UniversalServerRequest): Promise<UniversalServerResponse> => {
    const told = request.header.get(DIALECT_HEADER);
    if (told === "dapr") return dapr(request);
    if (told === "microsoft") return microsoft(request);
    if (choice !== "auto") return (choice === "dapr" ? dapr : microsoft)(request);
    const agent = dialectOfAgent(request.header);
    if (agent !== undefined) return (agent === Dialect.DAPR ? dapr : microsoft)(request);
    const peeked = await peek(dapr.method.name, request, exchange, maxBodyBytes).catch((error: unknown) => {
      // The caller went away while it was still sending: nobody is there to be answered.
      throw new ConnectError("the request was not sent to its end", Code.Aborted, undefined, undefined, error);
    });
    return (peeked.dialect === Dialect.MICROSOFT ? microsoft : dapr)(peeked.request);
  };
  return like(dapr, choose, dapr.requestPath);
}

/** What the names of clients tell. Both JS packages of the plain protocol call themselves `durabletask-js`, which tells nothing. */
function dialectOfAgent(header: Headers): Dialect | undefined {
  const agent = header.get("user-agent") ?? "";
  if (/^dapr-|daprclient/i.test(agent)) return Dialect.DAPR;
  // Only the flavour of Azure's scheduler sends this one.
  if (/^durabletask-/i.test(header.get("x-user-agent") ?? "")) return Dialect.MICROSOFT;
  return undefined;
}

/** The calls whose messages the dialects number differently. */
const CONFLICTING: ReadonlySet<string> = new Set([
  "StartInstance",
  "PurgeInstances",
  "GetWorkItems",
  "CompleteOrchestratorTask",
  "CompleteActivityTask",
  "StreamInstanceHistory",
]);

interface Peeked {
  readonly dialect: Dialect | undefined;
  readonly request: UniversalServerRequest;
}

/** Looks into a request's message, and puts the bytes back. */
async function peek(
  method: string,
  request: UniversalServerRequest,
  exchange: WorkerExchange | undefined,
  maxBodyBytes: number,
): Promise<Peeked> {
  if (!CONFLICTING.has(method) || !isByteStream(request.body)) return { dialect: undefined, request };
  const chunks: Uint8Array[] = [];
  let size = 0;
  const rest = request.body[Symbol.asyncIterator]();
  let isWhole = false;
  while (size <= maxBodyBytes + 5) {
    const next = await rest.next();
    if (next.done === true) {
      isWhole = true;
      break;
    }
    chunks.push(next.value);
    size += next.value.length;
  }
  const replayed = { ...request, body: replay(chunks, rest) };
  if (!isWhole) return { dialect: undefined, request: replayed };
  const message = messageOf(joined(chunks, size), request.header);
  if (message === undefined) return { dialect: undefined, request: replayed };
  return { dialect: dialectOfMessage(method, message, exchange), request: replayed };
}

function dialectOfMessage(
  method: string,
  message: Uint8Array,
  exchange: WorkerExchange | undefined,
): Dialect | undefined {
  if (!method.startsWith("Complete") && method !== "StreamInstanceHistory") {
    return isMicrosoftBody(method, message) ? Dialect.MICROSOFT : undefined;
  }
  // An answer is in the dialect of the worker that has the work; its token says so, or who holds the work does.
  const answer: PeekedAnswer = peekAnswer(method, message);
  const fromToken = answer.token === undefined ? undefined : exchange?.dialectOfToken(answer.token);
  return fromToken ?? exchange?.dialectOf(answer.instanceId, answer.taskId);
}

/** The message in a body: bare for Connect's unary calls, in an envelope otherwise. Compressed or JSON: not looked into. */
function messageOf(body: Uint8Array, header: Headers): Uint8Array | undefined {
  const type = header.get("content-type") ?? "";
  if (type.includes("json")) return undefined;
  if (type.startsWith("application/proto")) return header.get("content-encoding") === null ? body : undefined;
  if (body.length < 5 || body[0] !== 0) return undefined;
  const length = new DataView(body.buffer, body.byteOffset).getUint32(1);
  return body.length >= 5 + length ? body.subarray(5, 5 + length) : undefined;
}

function joined(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const [only] = chunks;
  if (only !== undefined && chunks.length === 1) return only;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

async function* replay(chunks: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* chunks;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

function isByteStream(body: UniversalServerRequest["body"]): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}
