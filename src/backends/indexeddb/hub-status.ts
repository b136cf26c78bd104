import type { HostCapabilities } from "./host-capabilities.ts";
import type { StorageEstimateBytes } from "./persistence.ts";
import type { RunnerInfo } from "./signals.ts";

/** How a hub is, at the moment it was asked. */
export interface HubStatus {
  /**
   * `runner`: orchestrations run in this context. `follower`: they run in another one, or wait for this one to be elected.
   * `client`: this context does not want to run any. `asleep`: the page is in the back/forward cache. `closed`: for good.
   */
  readonly role: "runner" | "follower" | "client" | "asleep" | "closed";
  /** False: everything is in memory, and gone with this page. */
  readonly durable: boolean;
  /** Whether the browser has promised not to evict this site's storage, as of the last look; `undefined`: not known. */
  readonly persisted: boolean | undefined;
  /** How much room this site has, as of the last look; `undefined`: not known. */
  readonly estimate: StorageEstimateBytes | undefined;
  /** What this context can do for the hub. */
  readonly host: HostCapabilities;
  /** What the runner, wherever it is, last said of itself. */
  readonly runner: RunnerInfo | undefined;
  /** This context's epoch while it is the runner. */
  readonly epoch: number | undefined;
  /** How often a broken connection was opened anew. */
  readonly reopened: number;
  /** How often this context found that it had been asleep. */
  readonly suspensions: number;
  /** Whether new starts are refused for want of room. */
  readonly full: boolean;
  /** What went wrong last, and when. */
  readonly lastError: { readonly at: Date; readonly error: Error } | undefined;
}
