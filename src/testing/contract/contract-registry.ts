import { type AnyTaskReference, TaskRegistry } from "../../core/orchestration/registry.ts";
import { contractActivities, lateActivity } from "./activities.ts";
import { activityOrchestrators } from "./client/activities.ts";
import { badInputOrchestrators } from "./client/bad-input.ts";
import { continueAsNewOrchestrators } from "./client/continue-as-new.ts";
import { eventOrchestrators } from "./client/external-events.ts";
import { purgeOrchestrators } from "./client/purge.ts";
import { reopeningOrchestrators } from "./client/reopening.ts";
import { startingOverOrchestrators } from "./client/starting-over.ts";
import { subOrchestrationOrchestrators } from "./client/sub-orchestrations.ts";
import { suspendTerminateOrchestrators } from "./client/suspend-terminate.ts";
import { timerOrchestrators } from "./client/timers.ts";
import { lateOrchestrator, waitingOnOrchestrators } from "./client/waiting-on.ts";
import { type ContractRecorder, MemoryRecorder } from "./recorder.ts";

/** What the code of the suite is given by its surroundings. */
export interface ContractRegistryOptions {
  /** Default: a new one in memory, which nobody can read. */
  readonly recorder?: ContractRecorder;
  /** Sleeps in the time of the hub; default real time. */
  readonly sleep?: (ms: number) => Promise<void>;
}

/**
 * All code that the client-level suite runs, so that a host that must know its code in advance can register it. What
 * `lateReferences` has is left out.
 */
export function contractRegistry(options: ContractRegistryOptions = {}): TaskRegistry {
  const { recorder = new MemoryRecorder(), sleep = sleepReally } = options;
  return new TaskRegistry().add(
    ...contractActivities({ recorder, sleep }),
    ...activityOrchestrators,
    ...timerOrchestrators,
    ...eventOrchestrators,
    ...continueAsNewOrchestrators,
    ...subOrchestrationOrchestrators,
    ...suspendTerminateOrchestrators,
    ...purgeOrchestrators,
    ...reopeningOrchestrators,
    ...startingOverOrchestrators,
    ...badInputOrchestrators,
    ...waitingOnOrchestrators,
  );
}

/** The code that arrives later than its calls. */
export function lateReferences(options: ContractRegistryOptions = {}): readonly AnyTaskReference[] {
  return [lateOrchestrator, lateActivity({ recorder: options.recorder ?? new MemoryRecorder() })];
}

function sleepReally(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
