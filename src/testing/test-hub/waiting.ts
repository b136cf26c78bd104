import { describeWaiting, type OrchestrationMetadata, type WaitingOn } from "../../core/hub/metadata.ts";

/** What an instance waits for, as data and as a sentence. */
export interface TestWaiting extends WaitingOn {
  readonly sentence: string;
}

/** What an instance waits for; the sentence says also why an activity cannot begin. */
export function waitingOf(metadata: OrchestrationMetadata): TestWaiting {
  const { waitingOn } = metadata;
  const reasons = waitingOn.activities.flatMap(({ parkedReason }) => parkedReason ?? []);
  return { ...waitingOn, sentence: [describeWaiting(metadata), ...new Set(reasons)].join("; ") };
}

/** Nothing but what is missing can set it going: time alone does not, however much passes. */
export function isParked({ parked, activities, timers }: WaitingOn): boolean {
  return parked !== undefined || (timers.length === 0 && activities.some((one) => one.parkedReason !== undefined));
}
