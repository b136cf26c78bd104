import { activityTests } from "./client/activities.ts";
import { badInputTests } from "./client/bad-input.ts";
import { continueAsNewTests } from "./client/continue-as-new.ts";
import { externalEventTests } from "./client/external-events.ts";
import { listingTests } from "./client/listing.ts";
import { purgeTests } from "./client/purge.ts";
import { reopeningTests } from "./client/reopening.ts";
import { reuseTests } from "./client/reuse.ts";
import { startingOverTests } from "./client/starting-over.ts";
import { subOrchestrationTests } from "./client/sub-orchestrations.ts";
import { suspendTerminateTests } from "./client/suspend-terminate.ts";
import { timerTests } from "./client/timers.ts";
import { waitingOnTests } from "./client/waiting-on.ts";
import type { ContractRunner } from "./runner.ts";
import type { ClientSetup } from "./setup.ts";

/**
 * Declares the part of the contract suite that needs only a client of a hub whose workers run `contractRegistry()`: it runs
 * over a router to many partitions, and over a remote hub, as well as over a backend in the same process.
 *
 * @example
 * clientContract({ describe, it }, { time: "virtual", openHub: openMyHub });
 */
export function clientContract(runner: ContractRunner, setup: ClientSetup): void {
  const suite = { runner, setup };
  runner.describe("client-level contract", () => {
    activityTests(suite);
    timerTests(suite);
    externalEventTests(suite);
    subOrchestrationTests(suite);
    continueAsNewTests(suite);
    suspendTerminateTests(suite);
    reuseTests(suite);
    purgeTests(suite);
    startingOverTests(suite);
    reopeningTests(suite);
    listingTests(suite);
    badInputTests(suite);
    waitingOnTests(suite);
  });
}
