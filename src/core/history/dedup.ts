import type { HistoryEvent } from "../protocol/gen/perdura/model/v1/history_pb.ts";

/** The three kinds of durable work that a later event resolves. */
export type ResultKind = "task" | "timer" | "child";

/** What a result event resolves: the kind of work and the id of the action that began it. */
export interface ResultKey {
  readonly kind: ResultKind;
  readonly id: number;
}

/** The key of a result event, or `undefined` for an event that resolves nothing. */
export function resultKeyOf(event: HistoryEvent): ResultKey | undefined {
  const { case: kind, value } = event.eventType;
  switch (kind) {
    case "taskCompleted":
    case "taskFailed":
      return { kind: "task", id: value.taskScheduledId };
    case "timerFired":
      return { kind: "timer", id: value.timerId };
    case "subOrchestrationInstanceCompleted":
    case "subOrchestrationInstanceFailed":
      return { kind: "child", id: value.taskScheduledId };
    default:
      return undefined;
  }
}

/** The text form of a result key, for sets and inbox keys. */
export function resultKeyText(key: ResultKey): string {
  return `${key.kind}:${key.id}`;
}

/**
 * Which results an instance's generation has had: the first resolution of a (kind, id) wins, every later one is a
 * duplicate (section 2.1 of the reference's later rules).
 *
 * It has two forms. Built from events, it lists what it saw. Built from an instance's pending tables it stays small however
 * long the history: every id below `nextId` is resolved unless it is pending, since ids are handed out once.
 */
export class ResolvedResults {
  readonly #seen = new Set<string>();
  readonly #nextId: number;
  readonly #pending: ReadonlySet<string>;

  private constructor(nextId: number, pending: ReadonlySet<string>) {
    this.#nextId = nextId;
    this.#pending = pending;
  }

  /** Nothing is resolved yet. */
  static empty(): ResolvedResults {
    return new ResolvedResults(0, new Set());
  }

  /**
   * Every id below `nextId` is resolved, but for the pending ones.
   *
   * @param nextId one above the highest action id of the generation.
   * @param pending what still waits for its result.
   */
  static fromPending(nextId: number, pending: Iterable<ResultKey>): ResolvedResults {
    return new ResolvedResults(nextId, new Set(Array.from(pending, resultKeyText)));
  }

  /** Notes a result. Returns false when it was there already: the event is a duplicate. */
  add(key: ResultKey): boolean {
    const text = resultKeyText(key);
    if (this.#seen.has(text)) return false;
    if (key.id < this.#nextId && !this.#pending.has(text)) return false;
    this.#seen.add(text);
    return true;
  }
}
