import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Logger } from "../../core/hub/logger.ts";
import { orchestratorRequest } from "../../core/protocol/actions.ts";
import {
  type ActivityRequest,
  CachedHistorySchema,
  type OrchestratorRequest,
} from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import type { WorkerExchange } from "./local-dispatcher.ts";
import type { Ticket } from "./ticket.ts";
import type { TurnOrder } from "./work-order.ts";
import type { WorkerDescription, WorkerStream } from "./worker-stream.ts";

/** What is sent on a stream, before it is put into a dialect's words. */
export type OutgoingItem =
  | { readonly kind: "turn"; readonly request: OrchestratorRequest; readonly token: string }
  | { readonly kind: "activity"; readonly request: ActivityRequest; readonly token: string }
  | { readonly kind: "ping" };

/** Who has connected, for the callbacks of a host. */
export interface WorkerConnection {
  readonly worker: WorkerDescription;
  readonly header: Headers;
}

/** How streams of work items behave. */
export interface WorkItemStreamOptions {
  readonly logger: Logger;
  /** Called before a stream is served; an error refuses it with `unavailable`. */
  readonly onConnect?: (connection: WorkerConnection) => void | Promise<void>;
  /** Called when a stream has ended, also one that was refused. */
  readonly onDisconnect?: (connection: WorkerConnection) => void | Promise<void>;
  /** How long one item may take to be sent, in ms; then the stream ends and others get what it held. Default: no limit. */
  readonly sendTimeoutMs?: number;
  /** Ends all streams with `canceled`, "shutting down". */
  readonly shutdownSignal?: AbortSignal;
  /**
   * How long a stream may be silent before it is sent a health ping, in ms. Default 30 seconds. Dapr's workers, which only log
   * pings, get none.
   */
  readonly healthPingMs?: number;
  /** Dapr's workers get pings too: for hosts that notice a lost connection only when something is sent. Default false. */
  readonly pingAll?: boolean;
  /** From how many past events on a worker that can is made to fetch them as a stream. Default 100. */
  readonly streamHistoryFrom?: number;
}

/** Serves one worker's stream: yields what it is to be sent, for as long as it is connected. */
export async function* workItems(
  exchange: WorkerExchange,
  connection: WorkerConnection,
  options: WorkItemStreamOptions,
  signal: AbortSignal,
): AsyncGenerator<OutgoingItem> {
  const { worker } = connection;
  const { shutdownSignal, onConnect, logger } = options;
  let stream: WorkerStream | undefined;
  // The transport may sit in the middle of a send when the worker goes away: what it held is free at once all the same.
  const onGone = (): void => {
    if (stream !== undefined) exchange.detach(stream);
  };
  const watch = new SendWatch(options.sendTimeoutMs, () => {
    logger.warn(`the stream of '${worker.userAgent}' does not take what it is sent; what it held goes to others`);
    onGone();
  });
  signal.addEventListener("abort", onGone, { once: true });
  shutdownSignal?.addEventListener("abort", onGone, { once: true });
  try {
    await refuseUnless(async () => onConnect?.(connection));
    stream = exchange.attach(worker);
    if (signal.aborted || shutdownSignal?.aborted === true) onGone();
    const pingMs = worker.takesPings || options.pingAll === true ? (options.healthPingMs ?? 30_000) : undefined;
    while (!stream.isClosed) {
      const ticket = await stream.next(pingMs);
      if (stream.isClosed) break;
      const item = ticket === undefined ? ({ kind: "ping" } as const) : await itemOf(exchange, stream, ticket, options);
      if (item === undefined) continue;
      watch.begin();
      yield item;
      watch.end();
    }
    if (watch.timedOut) throw new ConnectError("timed out while sending work item", Code.Unknown);
    if (shutdownSignal?.aborted === true || !signal.aborted) throw new ConnectError("shutting down", Code.Canceled);
  } finally {
    watch.end();
    signal.removeEventListener("abort", onGone);
    shutdownSignal?.removeEventListener("abort", onGone);
    onGone();
    try {
      await options.onDisconnect?.(connection);
    } catch (error) {
      logger.warn("the disconnect callback failed", error);
    }
  }
}

async function refuseUnless(connect: () => Promise<void>): Promise<void> {
  try {
    await connect();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConnectError(`unable to establish work item stream at this time: ${reason}`, Code.Unavailable);
  }
}

async function itemOf(
  exchange: WorkerExchange,
  stream: WorkerStream,
  ticket: Ticket,
  options: WorkItemStreamOptions,
): Promise<OutgoingItem | undefined> {
  const { order, token } = ticket;
  if (order.kind === "activity") {
    exchange.noteSent(ticket);
    return { kind: "activity", request: order.request, token };
  }
  try {
    const request = await requestOf(stream, ticket, order, options.streamHistoryFrom ?? 100);
    // Taken back while its history was read.
    if (ticket.token !== token) return undefined;
    exchange.noteSent(ticket);
    return { kind: "turn", request, token };
  } catch (error) {
    exchange.fail(ticket, error);
    return undefined;
  }
}

async function requestOf(
  stream: WorkerStream,
  ticket: Ticket,
  order: TurnOrder,
  streamHistoryFrom: number,
): Promise<OrchestratorRequest> {
  const { instanceId, executionId, pastEvents, newEvents } = order;
  const { keepsOrchestrators, streamsHistory } = stream.worker;
  const fields = { instanceId, executionId, newEvents };
  if (keepsOrchestrators && pastEvents.length > 0) {
    const cachedHistory = create(CachedHistorySchema, { eventCount: pastEvents.length });
    return orchestratorRequest({ ...fields, requiresHistoryStreaming: true, cachedHistory });
  }
  if (streamsHistory && pastEvents.length >= streamHistoryFrom && !ticket.needsHistory) {
    return orchestratorRequest({ ...fields, requiresHistoryStreaming: true });
  }
  const past = pastEvents.length === 0 ? [] : await pastEvents.read();
  return orchestratorRequest({ ...fields, pastEvents: past });
}

/** Notices a send that takes too long. */
class SendWatch {
  readonly #limitMs: number | undefined;
  readonly #onTimeout: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  timedOut = false;

  constructor(limitMs: number | undefined, onTimeout: () => void) {
    this.#limitMs = limitMs;
    this.#onTimeout = onTimeout;
  }

  begin(): void {
    if (this.#limitMs === undefined) return;
    this.#timer = setTimeout(() => {
      this.timedOut = true;
      this.#onTimeout();
    }, this.#limitMs);
  }

  end(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
