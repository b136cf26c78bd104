import type { EventWaitInfo } from "../history/orchestrator-answer.ts";
import type { HistoryEvent } from "../protocol/gen/perdura/model/v1/history_pb.ts";

/** How a wait with a time limit ended. */
export type EventResult<T> =
  | { readonly timedOut: true; readonly value?: undefined }
  | { readonly timedOut: false; readonly value: T };

/** One open wait. */
export interface EventWaiter {
  /** The name as the code wrote it. */
  readonly name: string;
  /** Epoch ms of its time limit, when it has one. */
  readonly deadlineMs: number | undefined;
  /** Takes the event's payload. */
  deliver(input: string | undefined): void;
}

interface BufferedEvent {
  readonly order: number;
  readonly event: HistoryEvent;
  readonly input: string | undefined;
}

/**
 * The external events of a generation. Names match whatever their case. Per name, events and waits meet first come, first
 * served; events that nobody waits for are kept for the life of the generation.
 */
export class ExternalEvents {
  readonly #waiters = new Map<string, EventWaiter[]>();
  readonly #buffered = new Map<string, Fifo<BufferedEvent>>();
  #arrived = 0;

  /** An event arrived: the oldest wait of its name takes it, or it is kept. */
  raise(name: string, input: string | undefined, event: HistoryEvent): void {
    const key = keyOf(name);
    const waiters = this.#waiters.get(key);
    const waiter = waiters?.shift();
    if (waiters?.length === 0) this.#waiters.delete(key);
    if (waiter !== undefined) {
      waiter.deliver(input);
      return;
    }
    this.keep(name, input, event);
  }

  /** Keeps an event without offering it to a wait: the code has returned and takes no more. */
  keep(name: string, input: string | undefined, event: HistoryEvent): void {
    const key = keyOf(name);
    const entry: BufferedEvent = { order: this.#arrived++, event, input };
    let kept = this.#buffered.get(key);
    if (kept === undefined) {
      kept = new Fifo();
      this.#buffered.set(key, kept);
    }
    kept.push(entry);
  }

  /** Takes the oldest kept event of a name, if there is one. */
  take(name: string): { readonly input: string | undefined } | undefined {
    const key = keyOf(name);
    const kept = this.#buffered.get(key);
    const entry = kept?.shift();
    if (kept?.isEmpty === true) this.#buffered.delete(key);
    return entry;
  }

  /** Opens a wait. */
  wait(waiter: EventWaiter): void {
    const key = keyOf(waiter.name);
    const waiters = this.#waiters.get(key);
    if (waiters === undefined) this.#waiters.set(key, [waiter]);
    else waiters.push(waiter);
  }

  /** Closes a wait: it takes no event any more. */
  drop(waiter: EventWaiter): void {
    const key = keyOf(waiter.name);
    const left = (this.#waiters.get(key) ?? []).filter((each) => each !== waiter);
    if (left.length === 0) this.#waiters.delete(key);
    else this.#waiters.set(key, left);
  }

  /** The events that nobody took, in the order of their arrival. */
  unconsumed(): readonly HistoryEvent[] {
    return [...this.#buffered.values()]
      .flatMap((kept) => kept.rest())
      .sort((one, other) => one.order - other.order)
      .map(({ event }) => event);
  }

  /** The open waits, by name, for those who ask what the instance waits for. */
  waits(): readonly EventWaitInfo[] {
    return [...this.#waiters.values()].map((waiters) => {
      const deadlines = waiters.flatMap(({ deadlineMs }) => (deadlineMs === undefined ? [] : [deadlineMs]));
      return {
        name: waiters[0]?.name ?? "",
        count: waiters.length,
        ...(deadlines.length === 0 ? {} : { deadlineMs: deadlines.reduce((least, each) => Math.min(least, each)) }),
      };
    });
  }
}

/** A queue whose `shift` does not move the rest: a burst of events may be thousands long. */
class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#items.length;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.isEmpty) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  rest(): readonly T[] {
    return this.#items.slice(this.#head) as T[];
  }
}

/** Upper case without a locale: what a name matches must not depend on where the code runs. */
function keyOf(name: string): string {
  return name.toUpperCase();
}
