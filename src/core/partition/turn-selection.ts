import { timerFired } from "../protocol/events.ts";
import type { HistoryEvent } from "../protocol/gen/perdura/model/v1/history_pb.ts";
import type { Envelope, InstanceRecord } from "../protocol/gen/perdura/model/v1/store_pb.ts";
import { timestampToMsCeil } from "../protocol/timestamp.ts";
import type { LiveInstance, QueuedEnvelope, StagedResult } from "./live-instance.ts";
import { nextTimerMs } from "./record.ts";

/** How many events one turn takes at most; the rest is for the next one. The reference's number. */
export const MAX_EVENTS_PER_TURN = 1000;

/** What a turn is made of. */
export interface TurnSelection {
  readonly events: readonly HistoryEvent[];
  /** Inbox items that the turn's commit consumes; some of them stand for no event any more. */
  readonly consumed: readonly QueuedEnvelope[];
  readonly staged: readonly StagedResult[];
}

/**
 * Picks the events of the next turn: waiting ones in order of arrival, timers where their time falls among them, then staged
 * results. Before the start event of a generation has been run nothing else is delivered: it would make a history that
 * begins without a start. Returns `undefined` when there is nothing to do now.
 */
export function selectTurn(live: LiveInstance, nowMs: number): TurnSelection | undefined {
  const awaitsStart = live.record.historyLength === 0;
  const isTerminated =
    awaitsStart && live.inbox.some(({ envelope }) => kindOf(envelope.event) === "executionTerminated");
  const visible = live.inbox.filter(
    ({ envelope }) => isTerminated || envelope.visibleAtMs === undefined || envelope.visibleAtMs <= nowMs,
  );
  if (awaitsStart && !visible.some(({ envelope }) => kindOf(envelope.event) === "executionStarted")) return undefined;
  const ordered = visible.toSorted((one, other) => rank(one) - rank(other) || one.seq - other.seq);
  const consumed = ordered.slice(0, MAX_EVENTS_PER_TURN);
  const events: HistoryEvent[] = [];
  const timers = awaitsStart ? [] : dueTimers(live, nowMs);
  for (const { envelope } of consumed) {
    while (timers[0] !== undefined && timers[0].fireAtMs <= envelope.createdAtMs) {
      const timer = timers.shift();
      if (timer !== undefined) events.push(timer.event);
    }
    // A result that was meant for a former generation, or another run, has no effect any more.
    if (envelope.event !== undefined && isMeantFor(envelope, live.record)) events.push(envelope.event);
  }
  for (const timer of timers) events.push(timer.event);
  const staged = awaitsStart ? [] : live.staged.slice(0, MAX_EVENTS_PER_TURN);
  for (const result of staged) {
    if (result.generation === live.record.generation) events.push(result.event);
  }
  if (events.length === 0 && consumed.length === 0 && staged.length === 0 && !live.turnAsked) return undefined;
  return { events, consumed, staged };
}

/**
 * When the instance is next to be looked at, if nothing happens before: the earliest timer or delayed start.
 */
export function nextLookMs(record: InstanceRecord, inbox: readonly QueuedEnvelope[]): number | undefined {
  const moments = [nextTimerMs(record), ...inbox.map(({ envelope }) => envelope.visibleAtMs)];
  const known = moments.filter((moment) => moment !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

function kindOf(event: HistoryEvent | undefined): string | undefined {
  return event?.eventType.case;
}

/** Is the message for the generation that the record is of? */
export function isMeantFor(envelope: Envelope, record: InstanceRecord): boolean {
  const { generation, targetExecutionId } = envelope;
  if (generation !== undefined && generation !== record.generation) return false;
  return targetExecutionId === undefined || targetExecutionId === record.executionId;
}

/** The start goes first, then what a former generation carried over, then all else as it came. */
function rank({ envelope }: QueuedEnvelope): number {
  if (kindOf(envelope.event) === "executionStarted") return 0;
  return envelope.carried ? 1 : 2;
}

function dueTimers(live: LiveInstance, nowMs: number): { readonly fireAtMs: number; readonly event: HistoryEvent }[] {
  const due: { fireAtMs: number; id: number; event: HistoryEvent }[] = [];
  for (const { id, fireAt } of live.record.timers) {
    if (fireAt === undefined) continue;
    const fireAtMs = timestampToMsCeil(fireAt);
    if (fireAtMs <= nowMs) due.push({ fireAtMs, id, event: timerFired({ timerId: id, fireAt }, nowMs) });
  }
  return due.sort((one, other) => one.fireAtMs - other.fireAtMs || one.id - other.id);
}
