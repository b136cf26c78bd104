import { resultKeyOf, resultKeyText } from "../../core/history/dedup.ts";
import type { HistoryEvent } from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import type { Envelope } from "../../core/protocol/gen/perdura/model/v1/store_pb.ts";
import { isTerminal } from "../../core/protocol/status.ts";
import { timestampToMs } from "../../core/protocol/timestamp.ts";
import type { InstanceView } from "./instance-view.ts";
import { Violation } from "./violation.ts";

/** How many messages may wait in one queue of one instance: more than all clients of a run can send. */
const MAX_QUEUE = 400;

/** What a change of the store came from. */
export interface Change {
  readonly instanceId: string;
  readonly before: InstanceView | undefined;
  readonly after: InstanceView | undefined;
  /** A commit by the owner, or an append by anybody. */
  readonly by: "commit" | "append";
  /** The envelope is known to be durable at its target, or to have no effect. */
  readonly wasDelivered: (envelope: Envelope) => boolean;
  /** Somebody may have rewound a run: the turn that is run again sends again what it sent. */
  readonly maySendAgain: boolean;
}

/**
 * Looks at one instance before and after a change that has become durable, and says which promise it breaks. It compares what
 * is stored, not what the engine meant to store.
 *
 * @throws {@link Violation}.
 */
export function checkChange(change: Change): void {
  const { before, after } = change;
  if (after !== undefined) {
    checkShape(change.instanceId, after);
    checkTables(change.instanceId, after);
    checkIndexVersion(change, after);
  }
  if (before !== undefined && after !== undefined && isSameRun(before, after)) checkSameRun(change, before, after);
  else if (after !== undefined) checkNoEffectTwice(change, after.events);
  if (before !== undefined) checkOutbox(change);
}

function isSameRun(before: InstanceView, after: InstanceView): boolean {
  return before.record.incarnation === after.record.incarnation && after.record.purgedAtMs === undefined;
}

function checkShape(instanceId: string, { record, events, segments, inbox, outbox }: InstanceView): void {
  if (record.historyLength !== events.length || record.segmentCount !== segments.length) {
    throw new Violation(
      "record and history agree",
      `'${instanceId}' has ${events.length} events in ${segments.length} segments, its record says ${record.historyLength} in ${record.segmentCount}`,
    );
  }
  if (inbox.size > MAX_QUEUE || outbox.size > MAX_QUEUE) {
    throw new Violation(
      "queues stay bounded",
      `'${instanceId}' has ${inbox.size} in its inbox, ${outbox.size} in its outbox`,
    );
  }
}

/** Pending work in the record is work that history has begun and not resolved. */
function checkTables(instanceId: string, { record, events }: InstanceView): void {
  const open = new Set<string>();
  for (const event of events) {
    const kind = event.eventType.case;
    if (kind === "taskScheduled") open.add(`task:${event.eventId}`);
    if (kind === "timerCreated") open.add(`timer:${event.eventId}`);
    if (kind === "subOrchestrationInstanceCreated") open.add(`child:${event.eventId}`);
    const result = resultKeyOf(event);
    if (result !== undefined) open.delete(resultKeyText(result));
  }
  const listed = [
    ...record.tasks.map(({ id }) => `task:${id}`),
    ...record.timers.map(({ id }) => `timer:${id}`),
    ...record.children.map(({ id }) => `child:${id}`),
  ];
  for (const key of listed) {
    if (!open.has(key))
      throw new Violation(
        "record and history agree",
        `'${instanceId}' waits for ${key}, which is not open in its history`,
      );
  }
  if (isTerminal(record.status) && listed.length > 0) {
    throw new Violation(
      "record and history agree",
      `'${instanceId}' has ended and still waits for ${listed.join(", ")}`,
    );
  }
}

function checkIndexVersion({ instanceId, before }: Change, after: InstanceView): void {
  if (before !== undefined && after.record.indexVersion < before.record.indexVersion) {
    throw new Violation("the index converges", `the index version of '${instanceId}' went back`);
  }
}

function checkSameRun(change: Change, before: InstanceView, after: InstanceView): void {
  const { instanceId, by } = change;
  if (before.record.generation !== after.record.generation) {
    if (after.record.generation < before.record.generation) {
      throw new Violation("a history only grows", `'${instanceId}' went back to generation ${after.record.generation}`);
    }
    checkNoEffectTwice(change, after.events);
    return;
  }
  const isRewind = consumed(before, after).some(({ event }) => event?.eventType.case === "executionRewound");
  const grows = before.segments.every((segment, index) => segment === after.segments[index]);
  if (!grows && !isRewind)
    throw new Violation("a history only grows", `the history of '${instanceId}' lost or changed events`);
  if (by === "append" && before.events.length !== after.events.length) {
    throw new Violation("a history only grows", `an append wrote history of '${instanceId}'`);
  }
  if (isTerminal(before.record.status) && !isTerminal(after.record.status) && !isRewind) {
    throw new Violation("an end is final", `'${instanceId}' goes on after it had ended`);
  }
  if (before.events.length === after.events.length && consumed(before, after).length === 0) return;
  checkNoEffectTwice(change, after.events);
  checkTime(instanceId, after.events);
  if (!isRewind) checkCommands(instanceId, before, after);
}

function consumed(before: InstanceView, after: InstanceView): Envelope[] {
  return [...before.inbox].filter(([seq]) => !after.inbox.has(seq)).map(([, envelope]) => envelope);
}

/** A result, a start, an end and an event are in a history once. */
function checkNoEffectTwice({ instanceId, maySendAgain }: Change, events: readonly HistoryEvent[]): void {
  const seen = new Set<string>();
  for (const event of events) {
    const key = effectOf(event);
    if (key === undefined || (maySendAgain && key.startsWith('event "sent:'))) continue;
    if (seen.has(key)) throw new Violation("no effect twice", `the history of '${instanceId}' has ${key} twice`);
    seen.add(key);
  }
}

function effectOf(event: HistoryEvent): string | undefined {
  const { case: kind, value } = event.eventType;
  if (event.eventId >= 0) return `action ${event.eventId}`;
  if (kind === "executionStarted" || kind === "executionCompleted") return kind;
  // Payloads of one sender are all different; a rerun sends what the run that it was cut from has sent.
  if (kind === "eventRaised") return `event ${value.input} of '${value.senderInstanceId}'`;
  const result = resultKeyOf(event);
  return result === undefined ? undefined : `the result of ${resultKeyText(result)}`;
}

function checkTime(instanceId: string, events: readonly HistoryEvent[]): void {
  let last = 0;
  for (const { eventType, timestamp } of events) {
    if (eventType.case !== "orchestratorStarted" || timestamp === undefined) continue;
    const now = timestampToMs(timestamp);
    if (now < last)
      throw new Violation("turn time never goes back", `in '${instanceId}' it went from ${last} to ${now}`);
    last = now;
  }
}

/** What was accepted leaves the inbox only into history, unless the run has ended before, or it is a result that nobody waits for. */
function checkCommands(instanceId: string, before: InstanceView, after: InstanceView): void {
  if (isTerminal(before.record.status)) return;
  const fresh = after.events.slice(before.events.length);
  for (const { event, carried, generation } of consumed(before, after)) {
    if (event === undefined || carried) continue;
    if (generation !== undefined && generation !== before.record.generation) continue;
    const result = resultKeyOf(event);
    if (result !== undefined) {
      if (!isOpen(before, resultKeyText(result)) || fresh.some((one) => sameResult(one, event))) continue;
    } else if (fresh.some((one) => sameCommand(one, event))) continue;
    throw new Violation(
      "no accepted command is lost",
      `${event.eventType.case} left the inbox of '${instanceId}' without a trace`,
    );
  }
}

function isOpen({ record }: InstanceView, key: string): boolean {
  const [kind, id] = key.split(":");
  const table: readonly { readonly id: number }[] =
    kind === "task" ? record.tasks : kind === "timer" ? record.timers : record.children;
  return table.some((entry) => entry.id === Number(id));
}

function sameResult(one: HistoryEvent, other: HistoryEvent): boolean {
  const [a, b] = [resultKeyOf(one), resultKeyOf(other)];
  return a !== undefined && b !== undefined && resultKeyText(a) === resultKeyText(b);
}

function sameCommand(one: HistoryEvent, other: HistoryEvent): boolean {
  if (one.eventType.case !== other.eventType.case) return false;
  if (one.eventType.case === "eventRaised" && other.eventType.case === "eventRaised") {
    return one.eventType.value.input === other.eventType.value.input;
  }
  return true;
}

/** A message to another instance is forgotten only when its target has it for good. */
function checkOutbox({ instanceId, before, after, wasDelivered }: Change): void {
  for (const [seq, envelope] of before?.outbox ?? []) {
    if (after?.outbox.get(seq) !== undefined || wasDelivered(envelope)) continue;
    throw new Violation(
      "no message is lost",
      `message ${seq} of '${instanceId}' to '${envelope.targetInstanceId}' (${envelope.event?.eventType.case}) is gone and was not delivered`,
    );
  }
}
