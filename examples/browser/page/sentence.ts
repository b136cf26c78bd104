import { orchestrationMetadataIsComplete, type WaitingOn } from "perdura";
import type { Upload } from "../upload/uploads.ts";

/** What people call the activities. */
const DOING: Readonly<Record<string, string>> = {
  hash: "hashing the file",
  declare: "asking the Worker what it has",
  send: "sending chunks",
  finish: "having the Worker check the whole",
  discard: "deleting what was sent",
  forget: "tidying up",
};

/** What an upload waits for now, or how it ended, in a sentence. */
export function sentenceOf({ metadata, progress, result }: Upload, nowMs: number): string {
  if (result?.status === "stored") return "The Worker has it, and its hash is right.";
  if (result?.status === "cancelled") return "Cancelled: what was sent is deleted.";
  if (metadata.runtimeStatus === "FAILED")
    return `Failed: ${metadata.failureDetails?.errorMessage ?? "no reason given"}`;
  if (orchestrationMetadataIsComplete(metadata)) {
    return "Stopped. What the Worker has of it, it deletes after a week.";
  }
  const waits = waitsOf(metadata.waitingOn, nowMs);
  if (metadata.runtimeStatus === "SUSPENDED") waits.unshift("being resumed");
  if (waits.length > 0) return `Waits for ${waits.join(", and ")}.`;
  const doing = new Set(metadata.waitingOn.activities.map(({ name }) => DOING[name] ?? name));
  const now = doing.size > 0 ? [...doing].join(" and ") : progress.phase;
  return `${now.charAt(0).toUpperCase()}${now.slice(1)}.`;
}

/** What it cannot get by itself: a network, the next attempt's time, a person, newer code. */
function waitsOf({ activities, timers, events, parked }: WaitingOn, nowMs: number): string[] {
  const waits: string[] = [];
  if (parked !== undefined) waits.push(parked.message);
  const gates = new Set(activities.flatMap(({ parkedReason }) => parkedReason ?? []));
  for (const reason of gates) waits.push(/online/.test(reason) ? "a network" : reason);
  const retries = timers.filter(({ purpose }) => purpose === "activity-retry");
  if (retries.length > 0) {
    const next = Math.min(...retries.map(({ fireAt }) => fireAt.getTime()));
    const attempt = Math.max(...retries.map(({ nextAttempt = 1 }) => nextAttempt));
    waits.push(`attempt ${attempt}, in ${Math.max(0, Math.ceil((next - nowMs) / 1000))} s`);
  }
  if (events.some(({ name }) => name === "confirm")) waits.push("your confirmation");
  return [...new Set(waits)];
}
