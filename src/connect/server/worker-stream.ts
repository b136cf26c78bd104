import type { Dialect } from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import type { Ticket } from "./ticket.ts";
import type { WorkOrder } from "./work-order.ts";

/** The work that a worker takes, by name and, where the list is not empty, by version. */
export interface NameFilter {
  readonly name: string;
  readonly versions: readonly string[];
}

/** What a worker says of itself when it connects. */
export interface WorkerDescription {
  readonly dialect: Dialect;
  /** Its own limits; 0 where it names none. */
  readonly maxTurns: number;
  readonly maxActivities: number;
  /** The names that it takes; absent: all. */
  readonly orchestrators?: readonly NameFilter[];
  readonly activities?: readonly NameFilter[];
  /** It fetches long histories by itself. */
  readonly streamsHistory: boolean;
  /** It keeps its orchestrators between turns and needs no past events, unless it asks for them. */
  readonly keepsOrchestrators: boolean;
  /** It knows health pings. */
  readonly takesPings: boolean;
  readonly userAgent: string;
  /** Its own name for the stream; absent where it names none. */
  readonly streamName?: string;
  /** Streams of its that it has given up as dead. */
  readonly lostStreams?: readonly string[];
}

/** What decides whether a worker takes an order. */
export interface WorkSort {
  readonly kind: WorkOrder["kind"];
  readonly name: string;
  readonly version?: string;
  /** The dialect that its worker must speak; absent: any. */
  readonly dialect?: Dialect;
}

/** How many instances a stream is taken to keep warm; the longest unused go first. */
const MAX_WARM = 10_000;

/** One connected worker: what it holds, what it is to be sent, and what it has room for. */
export class WorkerStream {
  readonly id: string;
  readonly worker: WorkerDescription;
  /** All that the worker holds, sent or about to be. */
  readonly held: Set<Ticket> = new Set();
  readonly #maxInFlight: number;
  /** Slots that activities may not take, so that turns go on while long activities run. */
  readonly #reserve: number;
  readonly #outbox: Ticket[] = [];
  /** Instances whose orchestrators the worker keeps. */
  readonly #warm = new Set<string>();
  #wake: (() => void) | undefined;
  #turns = 0;
  #activities = 0;
  isClosed = false;

  constructor(id: string, worker: WorkerDescription, maxInFlight: number) {
    this.id = id;
    this.worker = worker;
    this.#maxInFlight = maxInFlight;
    this.#reserve = Math.min(10, Math.floor(maxInFlight / 4));
  }

  /** Says whether the worker has code for the work, room or not. */
  accepts(order: WorkSort): boolean {
    const { dialect, orchestrators, activities } = this.worker;
    if (order.dialect !== undefined && order.dialect !== dialect) return false;
    const filters = order.kind === "turn" ? orchestrators : activities;
    if (filters === undefined) return true;
    const { name, version = "" } = order;
    return filters.some(
      (filter) => filter.name === name && (filter.versions.length === 0 || filter.versions.includes(version)),
    );
  }

  /** Says whether one more of the kind may be handed out. */
  hasRoomFor(kind: WorkOrder["kind"]): boolean {
    if (this.isClosed || this.held.size >= this.#maxInFlight) return false;
    const { maxTurns, maxActivities } = this.worker;
    if (kind === "turn") return maxTurns <= 0 || this.#turns < maxTurns;
    if (this.#activities >= this.#maxInFlight - this.#reserve) return false;
    return maxActivities <= 0 || this.#activities < maxActivities;
  }

  get load(): number {
    return this.held.size;
  }

  keeps(instanceId: string): boolean {
    return this.#warm.has(instanceId);
  }

  noteWarm(instanceId: string): void {
    if (!this.worker.keepsOrchestrators) return;
    this.#warm.delete(instanceId);
    this.#warm.add(instanceId);
    for (const oldest of this.#warm) {
      if (this.#warm.size <= MAX_WARM) break;
      this.#warm.delete(oldest);
    }
  }

  forget(instanceId: string): void {
    this.#warm.delete(instanceId);
  }

  /** Takes the ticket on: it goes out with one of the next {@link next}. */
  hold(ticket: Ticket): void {
    this.held.add(ticket);
    if (ticket.order.kind === "turn") this.#turns++;
    else this.#activities++;
    this.#outbox.push(ticket);
    this.#wake?.();
  }

  /** The worker has no more to do with the ticket. */
  drop(ticket: Ticket): void {
    if (!this.held.delete(ticket)) return;
    if (ticket.order.kind === "turn") this.#turns--;
    else this.#activities--;
    const at = this.#outbox.indexOf(ticket);
    if (at >= 0) this.#outbox.splice(at, 1);
  }

  /** The next ticket to send; `undefined` when none came within `idleMs`, or when the stream is closed. */
  async next(idleMs: number | undefined): Promise<Ticket | undefined> {
    if (this.#outbox.length === 0 && !this.isClosed) {
      await new Promise<void>((resolve) => {
        const timer = idleMs === undefined ? undefined : setTimeout(resolve, idleMs);
        this.#wake = () => {
          if (timer !== undefined) clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    return this.isClosed ? undefined : this.#outbox.shift();
  }

  /** Ends it: {@link next} resolves at once from here on. */
  close(): void {
    this.isClosed = true;
    this.#wake?.();
  }
}
