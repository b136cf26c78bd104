import type { ActivityResponse, OrchestratorResponse } from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import type { TurnAnswer, WorkOrder } from "./work-order.ts";
import type { WorkerStream } from "./worker-stream.ts";

/** One order on its way: waiting for a worker, or held by one. */
export interface Ticket {
  readonly order: WorkOrder;
  /** Under which answers find it: the instance id, or instance id and task id. */
  readonly key: string;
  /** Rises with every order, so that what was handed back goes first again. */
  readonly seq: number;
  /** Names the hand-out; an answer with another one is stale. */
  token: string;
  /** Who holds it. */
  stream: WorkerStream | undefined;
  /** It has been sent to some worker, at least once. */
  wasSent: boolean;
  /** How many streams were lost with it in the worker's hands. */
  losses: number;
  /** The worker asked for the whole history, or lost what it kept. */
  needsHistory: boolean;
  /** The worker that has handed it back: it is not its turn now. */
  avoids: WorkerStream | undefined;
  /** Parts of an answer that comes in several. */
  parts: OrchestratorResponse[];
  /** Ends the lease, or the wait for a worker. */
  stopTimer: (() => void) | undefined;
  /** Who waits for the answer. */
  settle: TicketSettle;
}

/** How a ticket ends. */
export interface TicketSettle {
  readonly resolve: (answer: TurnAnswer | ActivityResponse) => void;
  readonly reject: (reason: unknown) => void;
}

/** A ticket that nobody holds yet. */
export function newTicket(order: WorkOrder, key: string, seq: number, settle: TicketSettle): Ticket {
  return {
    order,
    key,
    seq,
    token: "",
    stream: undefined,
    wasSent: false,
    losses: 0,
    needsHistory: false,
    avoids: undefined,
    parts: [],
    stopTimer: undefined,
    settle,
  };
}

/** Tickets of one sort: what was handed back goes before what never was out. */
interface Waiting {
  readonly returned: Set<Ticket>;
  readonly fresh: Set<Ticket>;
}

/** Waiting tickets of all kinds; those of one sort (kind, name, version, dialect) are taken in order. */
export class TicketQueue {
  readonly #sorts = new Map<string, Waiting>();

  add(ticket: Ticket): void {
    const sort = sortOf(ticket.order);
    let waiting = this.#sorts.get(sort);
    if (waiting === undefined) {
      waiting = { returned: new Set(), fresh: new Set() };
      this.#sorts.set(sort, waiting);
    }
    (ticket.wasSent ? waiting.returned : waiting.fresh).add(ticket);
  }

  delete(ticket: Ticket): void {
    const sort = sortOf(ticket.order);
    const waiting = this.#sorts.get(sort);
    if (waiting === undefined) return;
    waiting.returned.delete(ticket);
    waiting.fresh.delete(ticket);
    if (waiting.returned.size + waiting.fresh.size === 0) this.#sorts.delete(sort);
  }

  /** The oldest ticket that the worker takes and has room for. */
  takeFor(stream: WorkerStream): Ticket | undefined {
    let oldest: Ticket | undefined;
    for (const { returned, fresh } of this.#sorts.values()) {
      const first = firstFor(stream, returned) ?? firstFor(stream, fresh);
      if (first === undefined || (oldest !== undefined && oldest.seq < first.seq)) continue;
      if (stream.hasRoomFor(first.order.kind) && stream.accepts(first.order)) oldest = first;
    }
    if (oldest !== undefined) this.delete(oldest);
    return oldest;
  }
}

/** What the worker has just handed back does not hold up what is behind it. */
function firstFor(stream: WorkerStream, tickets: Iterable<Ticket>): Ticket | undefined {
  for (const ticket of tickets) if (ticket.avoids !== stream) return ticket;
  return undefined;
}

function sortOf(order: WorkOrder): string {
  const dialect = order.kind === "turn" ? (order.dialect ?? "") : "";
  return JSON.stringify([order.kind, dialect, order.name, order.version ?? ""]);
}
