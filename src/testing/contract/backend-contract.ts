import type { BackendSuite } from "./backend/by-hand.ts";
import { dedupTests } from "./backend/dedup.ts";
import { lifecycleTests } from "./backend/lifecycle.ts";
import { rendezvousTests } from "./backend/rendezvous.ts";
import { workItemTests } from "./backend/work-items.ts";
import { clientContract } from "./client-contract.ts";
import type { ContractRunner } from "./runner.ts";
import type { ContractSetup } from "./setup.ts";

/**
 * Declares the whole suite: what a `Backend` promises to workers, driven by hand, and then all of {@link clientContract}.
 * An implementation that passes keeps the contract.
 *
 * @example
 * backendContract({ describe, it }, { time: "virtual", openHub: openMyHub, openBackend: openMyBackend });
 */
export function backendContract(runner: ContractRunner, setup: ContractSetup): void {
  const suite: BackendSuite = { runner, setup };
  runner.describe("backend-level contract", () => {
    lifecycleTests(suite);
    workItemTests(suite);
    dedupTests(suite);
    rendezvousTests(suite);
  });
  clientContract(runner, setup);
}
