import { Runner } from "../protocol/gen/perdura/model/v1/history_pb.ts";
import type { LiveInstance } from "./live-instance.ts";

/** Up to so many events a history costs next to nothing to send. */
const SMALL_HISTORY = 40;

/** How many events a worker is sent, and replays, in about a millisecond. */
const EVENTS_PER_MS = 20;

/** The longest that a result waits for others, in ms. */
const MAX_JOIN_MS = 100;

/**
 * Until when a remote orchestrator's next turn had better wait, in epoch ms, from the time its last one was committed: about
 * as long as the turn would cost, since a worker is sent the history anew for each. So a wide fan-out joins in few turns, and
 * no result waits longer than it would have taken anyway. `undefined`: no reason to wait.
 */
export function remoteJoinUntil(live: LiveInstance, nowMs: number): number | undefined {
  const { runner, historyLength } = live.record;
  if (runner !== Runner.REMOTE || historyLength <= SMALL_HISTORY) return undefined;
  return nowMs + Math.min(MAX_JOIN_MS, Math.ceil(historyLength / EVENTS_PER_MS));
}

/** Says whether all that waits for the turn are activities' results, and more of them are on their way. */
export function hasMoreToJoin(live: LiveInstance): boolean {
  const isResult = live.inbox.every(({ envelope }) => {
    const kind = envelope.event?.eventType.case;
    return kind === "taskCompleted" || kind === "taskFailed";
  });
  return isResult && live.tasks.size > live.inbox.length;
}
