import { Code, ConnectError } from "@connectrpc/connect";
import {
  AbortedError,
  InvalidArgumentError,
  NotRegisteredError,
  NoWorkerError,
  TaskCancelledError,
  UnknownInstanceIdError,
  UnknownTaskIdError,
} from "../../core/errors.ts";
import type { HistoryView } from "../../core/history/history-view.ts";
import type { Logger } from "../../core/hub/logger.ts";
import { getActivityExecutionKey } from "../../core/hub/work-item.ts";
import { hostTimers } from "../../core/orchestration/activity-runner.ts";
import {
  type ActivityRequest,
  type ActivityResponse,
  Dialect,
  type OrchestratorResponse,
} from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { joinParts } from "./response-parts.ts";
import { newTicket, type Ticket, TicketQueue, type TicketSettle } from "./ticket.ts";
import type { ActivityOrder, Dispatcher, TurnAnswer, TurnOrder, WorkOrder } from "./work-order.ts";
import { type WorkerDescription, WorkerStream } from "./worker-stream.ts";

/** How work is handed out. */
export interface LocalDispatcherOptions {
  readonly logger: Logger;
  /** How many items one worker may hold at once; less where it names less itself. Default 100. */
  readonly maxInFlight?: number;
  /** How long a worker may hold a turn although it stays connected, in ms: its answer is then taken as lost. Default 10 minutes. */
  readonly turnLeaseMs?: number;
  /** The same for an activity. Default 24 hours, since activities may be long and are not run twice while their worker lives. */
  readonly activityLeaseMs?: number | ((activity: ActivityRequest) => number);
  /** How long work waits for a worker that takes it to connect, in ms, before it is set aside. Default 30 seconds. */
  readonly patienceMs?: number;
  /** How many workers in a row may be lost while they hold an item, before it is set aside. Default 5. */
  readonly maxLosses?: number;
  /** How many workers may be connected at once; the next one is refused. Default 1000. */
  readonly maxStreams?: number;
  /** Called when a worker has connected: what it takes of that which was set aside may go on. */
  readonly onWorker?: (stream: WorkerStream) => void;
}

/** The side of a dispatcher that serves workers' streams and takes their answers. */
export interface WorkerExchange {
  /** A worker has connected. @throws {@link ConnectError} `resource_exhausted` when there are too many. */
  attach(worker: WorkerDescription): WorkerStream;
  /** It is gone: what it held goes to others. */
  detach(stream: WorkerStream): void;
  /** Marks a ticket as sent. */
  noteSent(ticket: Ticket): void;
  /** The ticket cannot be sent: its work cannot be read. */
  fail(ticket: Ticket, reason: unknown): void;
  /** Takes a turn's answer. @throws {@link UnknownInstanceIdError} when nobody waits for one. */
  completeTurn(response: OrchestratorResponse, dialect: Dialect): void;
  /** Takes an activity's answer. @throws {@link UnknownTaskIdError} when nobody waits for it. */
  completeActivity(response: ActivityResponse): void;
  /** A worker hands an item back. An unknown token is none of ours any more, which is fine. */
  abandon(token: string): void;
  /** The past of the instance's turn that is being worked on. */
  pastEventsOf(instanceId: string): HistoryView | undefined;
  /** The dialect of the worker that holds the instance's turn, or one of its activities. */
  dialectOf(instanceId: string, taskId?: number): Dialect | undefined;
  /** The dialect that a completion token belongs to. */
  dialectOfToken(token: string): Dialect | undefined;
}

/** Dispatches to workers whose streams end in this process. */
export class LocalDispatcher implements Dispatcher, WorkerExchange {
  readonly #options: Required<Omit<LocalDispatcherOptions, "onWorker">> & Pick<LocalDispatcherOptions, "onWorker">;
  readonly #streams = new Set<WorkerStream>();
  readonly #queue = new TicketQueue();
  readonly #turns = new Map<string, Ticket>();
  readonly #activities = new Map<string, Ticket>();
  readonly #byToken = new Map<string, Ticket>();
  #seq = 0;
  #stopped = false;

  constructor(options: LocalDispatcherOptions) {
    this.#options = {
      maxInFlight: 100,
      turnLeaseMs: 600_000,
      activityLeaseMs: 86_400_000,
      patienceMs: 30_000,
      maxLosses: 5,
      maxStreams: 1000,
      ...options,
    };
    const { maxInFlight } = this.#options;
    if (!Number.isSafeInteger(maxInFlight) || maxInFlight < 1) {
      throw new InvalidArgumentError(`maxInFlight is ${maxInFlight}: give a whole number of at least 1`);
    }
  }

  /** How many workers are connected. */
  get workers(): number {
    return this.#streams.size;
  }

  dispatchTurn(order: TurnOrder, signal?: AbortSignal): Promise<TurnAnswer> {
    return this.#dispatch(order, order.instanceId, this.#turns, signal) as Promise<TurnAnswer>;
  }

  dispatchActivity(order: ActivityOrder, signal?: AbortSignal): Promise<ActivityResponse> {
    const key = getActivityExecutionKey(order.instanceId, order.request.taskId);
    return this.#dispatch(order, key, this.#activities, signal) as Promise<ActivityResponse>;
  }

  release(instanceId: string): void {
    for (const stream of this.#streams) stream.forget(instanceId);
  }

  #dispatch(
    order: WorkOrder,
    key: string,
    pending: Map<string, Ticket>,
    signal: AbortSignal | undefined,
  ): Promise<TurnAnswer | ActivityResponse> {
    if (this.#stopped) return Promise.reject(new AbortedError("the dispatcher has stopped"));
    if (signal?.aborted === true) return Promise.reject(new AbortedError());
    return new Promise((resolve, reject) => {
      const leave = (): void => signal?.removeEventListener("abort", onAbort);
      const settle: TicketSettle = {
        resolve: (answer) => {
          leave();
          resolve(answer);
        },
        reject: (reason) => {
          leave();
          reject(reason);
        },
      };
      const onAbort = (): void => {
        const ticket = pending.get(key);
        if (ticket?.settle === settle) this.#end(ticket, new AbortedError());
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      if (this.#adopt(pending.get(key), order, settle)) return;
      const ticket = newTicket(order, key, ++this.#seq, settle);
      // Registered before it is handed out: a fast worker's answer always finds it.
      pending.set(key, ticket);
      this.#offer(ticket);
    });
  }

  /**
   * What became of an order of the same key, whose sender has forgotten it: the worker that makes the same attempt need not
   * begin anew, and answers the new sender. Anything else makes room.
   */
  #adopt(former: Ticket | undefined, order: WorkOrder, settle: TicketSettle): boolean {
    if (former === undefined) return false;
    const reason = new TaskCancelledError("task was cancelled: it was dispatched again");
    if (!isSameAttempt(former.order, order)) {
      this.#end(former, reason);
      return false;
    }
    former.settle.reject(reason);
    former.settle = settle;
    return true;
  }

  #offer(ticket: Ticket): void {
    const stream = this.#choose(ticket);
    if (stream === undefined) {
      this.#queue.add(ticket);
      this.#awaitWorker(ticket);
    } else {
      this.#hand(ticket, stream);
    }
  }

  /** The worker that keeps the instance's orchestrator, else the one with the least to do. */
  #choose({ order, avoids }: Ticket): WorkerStream | undefined {
    let best: WorkerStream | undefined;
    for (const stream of this.#streams) {
      if (stream === avoids || !stream.hasRoomFor(order.kind) || !stream.accepts(order)) continue;
      if (order.kind === "turn" && stream.keeps(order.instanceId)) return stream;
      if (best === undefined || stream.load < best.load) best = stream;
    }
    return best;
  }

  /** While no connected worker takes it, an item waits only so long. */
  #awaitWorker(ticket: Ticket): void {
    const { order } = ticket;
    const patienceMs = order.patienceMs ?? this.#options.patienceMs;
    ticket.stopTimer = hostTimers.set(patienceMs, () => {
      if ([...this.#streams].some((stream) => stream.accepts(order))) {
        // There is one: it is only busy.
        this.#awaitWorker(ticket);
        return;
      }
      this.#end(ticket, this.#nobodyTakes(order));
    });
  }

  /** Why an item has found no worker: none has the code, or there is none at all. */
  #nobodyTakes(order: WorkOrder): Error {
    const what = order.kind === "turn" ? "orchestrator" : "activity";
    const dialect = order.kind === "turn" ? order.dialect : undefined;
    const speaks = [...this.#streams].filter((stream) => dialect === undefined || stream.worker.dialect === dialect);
    if (speaks.length > 0) return new NotRegisteredError(what, order.name);
    const kind = dialect === undefined ? "worker" : `worker of ${dialectName(dialect)} dialect`;
    return new NoWorkerError(`no ${kind} is connected to run ${what} '${order.name}': connect one that has it`);
  }

  #hand(ticket: Ticket, stream: WorkerStream): void {
    ticket.stopTimer?.();
    ticket.stream = stream;
    ticket.parts = [];
    ticket.token = `${dialectName(stream.worker.dialect)}:${crypto.randomUUID()}`;
    this.#byToken.set(ticket.token, ticket);
    ticket.stopTimer = hostTimers.set(this.#leaseMs(ticket.order), () => {
      this.#options.logger.warn(`${ticket.key}: no answer within its lease; handed out again`);
      this.#takeBack(ticket);
      this.#offer(ticket);
      this.#refill(stream);
    });
    stream.hold(ticket);
  }

  #leaseMs(order: WorkOrder): number {
    if (order.kind === "turn") return this.#options.turnLeaseMs;
    const { activityLeaseMs } = this.#options;
    return typeof activityLeaseMs === "function" ? activityLeaseMs(order.request) : activityLeaseMs;
  }

  /** Takes the ticket out of its holder's hands. */
  #takeBack(ticket: Ticket): void {
    ticket.stopTimer?.();
    ticket.stopTimer = undefined;
    this.#byToken.delete(ticket.token);
    ticket.token = "";
    const { stream } = ticket;
    ticket.stream = undefined;
    if (stream === undefined) this.#queue.delete(ticket);
    else stream.drop(ticket);
  }

  #end(ticket: Ticket, reason: Error): void {
    const { stream } = ticket;
    this.#forget(ticket);
    ticket.settle.reject(reason);
    if (stream !== undefined) this.#refill(stream);
  }

  #forget(ticket: Ticket): void {
    this.#takeBack(ticket);
    const pending = ticket.order.kind === "turn" ? this.#turns : this.#activities;
    if (pending.get(ticket.key) === ticket) pending.delete(ticket.key);
  }

  #refill(stream: WorkerStream): void {
    for (let ticket = this.#queue.takeFor(stream); ticket !== undefined; ticket = this.#queue.takeFor(stream)) {
      this.#hand(ticket, stream);
    }
  }

  attach(worker: WorkerDescription): WorkerStream {
    const stream = new WorkerStream(crypto.randomUUID(), worker, this.#options.maxInFlight);
    if (this.#stopped) {
      stream.close();
      return stream;
    }
    this.#dropLost(worker);
    const { maxStreams } = this.#options;
    if (this.#streams.size >= maxStreams) {
      throw new ConnectError(`${maxStreams} workers are connected already: try again later`, Code.ResourceExhausted);
    }
    this.#streams.add(stream);
    this.#refill(stream);
    this.#options.onWorker?.(stream);
    return stream;
  }

  /** Not every host hears of a connection that dies in silence: the worker says so when it comes again. */
  #dropLost({ lostStreams }: WorkerDescription): void {
    if (lostStreams === undefined) return;
    const lost = new Set(lostStreams);
    for (const stream of [...this.#streams]) {
      const { streamName } = stream.worker;
      if (streamName !== undefined && lost.has(streamName)) this.detach(stream);
    }
  }

  detach(stream: WorkerStream): void {
    if (!this.#streams.delete(stream)) return;
    stream.close();
    for (const ticket of [...stream.held]) {
      const wasOut = ticket.wasSent;
      this.#takeBack(ticket);
      if (wasOut && ++ticket.losses > this.#options.maxLosses) {
        const what =
          ticket.order.kind === "turn" ? `the turn of '${ticket.order.instanceId}'` : `activity '${ticket.order.name}'`;
        this.#end(
          ticket,
          new NoWorkerError(
            `${what} was in the hands of ${ticket.losses} workers whose connection ended: see whether it is what ends them ` +
              "(a message above the worker's size limit, a crash)",
          ),
        );
        continue;
      }
      this.#offer(ticket);
    }
  }

  noteSent(ticket: Ticket): void {
    ticket.wasSent = true;
    if (ticket.order.kind === "turn") ticket.stream?.noteWarm(ticket.order.instanceId);
  }

  fail(ticket: Ticket, reason: unknown): void {
    this.#end(ticket, reason instanceof Error ? reason : new Error(String(reason)));
  }

  completeTurn(response: OrchestratorResponse, dialect: Dialect): void {
    const ticket = this.#turns.get(response.instanceId);
    if (ticket === undefined || !ticket.wasSent) throw new UnknownInstanceIdError(response.instanceId);
    if (this.#isStale(ticket, response.completionToken)) return;
    if (response.requiresHistory) {
      ticket.needsHistory = true;
      this.#again(ticket);
      return;
    }
    if (response.isPartial || ticket.parts.length > 0) {
      // A part that was sent again, since its sender could not know whether it had arrived.
      const { chunkIndex } = response;
      if (chunkIndex !== undefined && ticket.parts.some((part) => part.chunkIndex === chunkIndex)) return;
      if (ticket.parts.length >= MAX_PARTS)
        throw new InvalidArgumentError(`an answer may have ${MAX_PARTS} parts at most`);
      ticket.parts.push(response);
      if (response.isPartial) return;
    }
    const whole = ticket.parts.length > 0 ? joinParts(ticket.parts) : response;
    this.#answered(ticket, { response: whole, dialect: ticket.stream?.worker.dialect ?? dialect });
  }

  completeActivity(response: ActivityResponse): void {
    const ticket = this.#activities.get(getActivityExecutionKey(response.instanceId, response.taskId));
    if (ticket === undefined || !ticket.wasSent) throw new UnknownTaskIdError(response.instanceId, response.taskId);
    if (this.#isStale(ticket, response.completionToken)) return;
    this.#answered(ticket, response);
  }

  #answered(ticket: Ticket, answer: TurnAnswer | ActivityResponse): void {
    const { stream } = ticket;
    this.#forget(ticket);
    ticket.settle.resolve(answer);
    if (stream !== undefined) this.#refill(stream);
  }

  /** An answer to another hand-out than the current one. Workers that know no tokens are taken at their word. */
  #isStale(ticket: Ticket, token: string): boolean {
    if (token === "" || token === ticket.token) return false;
    this.#options.logger.debug(`${ticket.key}: a stale answer is dropped`);
    return true;
  }

  abandon(token: string): void {
    const ticket = this.#byToken.get(token);
    if (ticket === undefined) return;
    const { stream } = ticket;
    this.#takeBack(ticket);
    // Not at once to the one that has just handed it back, unless there is no other after a while.
    ticket.avoids = stream;
    hostTimers.set(ABANDON_DELAY_MS, () => {
      ticket.avoids = undefined;
      if (stream !== undefined) this.#refill(stream);
    });
    this.#offer(ticket);
    if (stream !== undefined) this.#refill(stream);
  }

  /** Sends the ticket once more to the worker that holds it. */
  #again(ticket: Ticket): void {
    const { stream } = ticket;
    this.#takeBack(ticket);
    if (stream === undefined || stream.isClosed) this.#offer(ticket);
    else this.#hand(ticket, stream);
  }

  pastEventsOf(instanceId: string): HistoryView | undefined {
    const order = this.#turns.get(instanceId)?.order;
    return order?.kind === "turn" ? order.pastEvents : undefined;
  }

  dialectOf(instanceId: string, taskId?: number): Dialect | undefined {
    const key = taskId === undefined ? instanceId : getActivityExecutionKey(instanceId, taskId);
    const ticket = (taskId === undefined ? this.#turns : this.#activities).get(key);
    return ticket?.stream?.worker.dialect;
  }

  dialectOfToken(token: string): Dialect | undefined {
    if (token.startsWith("microsoft:")) return Dialect.MICROSOFT;
    return token.startsWith("dapr:") ? Dialect.DAPR : undefined;
  }

  /** Ends all streams; every order is rejected. */
  stop(): void {
    this.#stopped = true;
    for (const stream of [...this.#streams]) {
      this.#streams.delete(stream);
      stream.close();
    }
    for (const ticket of [...this.#turns.values(), ...this.#activities.values()]) {
      this.#end(ticket, new AbortedError("the dispatcher has stopped"));
    }
  }
}

/** Is it the same attempt of the same activity? Turns are never the same: more may have arrived meanwhile. */
function isSameAttempt(one: WorkOrder, other: WorkOrder): boolean {
  if (one.kind !== "activity" || other.kind !== "activity") return false;
  const { taskExecutionId, attempt } = one.request;
  return (
    taskExecutionId !== "" && taskExecutionId === other.request.taskExecutionId && attempt === other.request.attempt
  );
}

/** How many parts an answer may come in. */
const MAX_PARTS = 256;

/** How long an item that a worker has handed back rests, in ms: it might be handed back again and again. */
const ABANDON_DELAY_MS = 1000;

function dialectName(dialect: Dialect): string {
  return dialect === Dialect.MICROSOFT ? "microsoft" : "dapr";
}
