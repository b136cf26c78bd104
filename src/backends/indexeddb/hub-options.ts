import type { Backend } from "../../core/hub/backend.ts";
import type { Executor } from "../../core/hub/executor.ts";
import type { InProcessHubOptions } from "../../core/hub/in-process-hub.ts";
import type { Duration } from "../../core/orchestration/duration.ts";
import type { Settle } from "../../core/orchestration/settle.ts";
import type { Clock, Ids, Timers } from "../../core/partition/ports.ts";
import type { DurabilityOptions } from "./durability.ts";
import type { HostEnvironment } from "./environment.ts";
import type { HubEvent } from "./hub-events.ts";
import type { RetentionOptions } from "./retention.ts";
import type { Migration } from "./schema.ts";

/** How a hub of the browser is opened. */
export interface OpenTaskHubOptions extends InProcessHubOptions {
  /** Names the hub within the origin, 1 to 64 of `A-Z a-z 0-9 _ -`. One per user, where several share a browser. */
  readonly name: string;
  /** Whether this context may run orchestrations. Default true; false: it is a client of those that do. */
  readonly run?: boolean;
  /**
   * Hears every event of the hub from its first moment on. The place to show `blocked` and `not-durable` to the person:
   * `openTaskHub` has not resolved then.
   */
  readonly onEvent?: (event: HubEvent) => void;
  readonly durability?: DurabilityOptions;
  /** How long ended instances are kept. Default: until they are purged. */
  readonly retention?: RetentionOptions;
  /** The version of the app's code, to tell old tabs from new ones. Default: empty, all are alike. */
  readonly buildId?: string;
  /** Of two builds, the one with the higher number is the newer, and runs. Default: when this page was loaded. */
  readonly buildOrder?: number;
  /** What to do without durable storage: `"memory"` (default) goes on without, and says so; `"fail"` throws. */
  readonly fallback?: "memory" | "fail";
  /** How long the database may take to open. When half of it has passed in silence, it is asked once more. Default 10 seconds. */
  readonly openTimeout?: Duration;
  /** How long a runner may give no sign of life before its right is taken. Default 15 seconds. */
  readonly silence?: Duration;
  /** How often, at most, that is done. Default once a minute. */
  readonly stealEvery?: Duration;
  /** How long activities may finish before a hand-over to newer code. Default 3 seconds. */
  readonly drain?: Duration;
  /** How many instances are kept in memory between turns. Default 1000. */
  readonly maxLiveInstances?: number;
  /** How often an instance's host may die in a row with work of it in flight before it is parked. Default 5. */
  readonly maxDeaths?: number;
}

/** The host's parts, for tests and for a worker whose page tells it what it cannot see. All have defaults. */
export interface HubSurroundings {
  readonly environment?: HostEnvironment;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly ids?: Ids;
  readonly settle?: Settle;
  /** `null`: as in a browser without Web Locks. */
  readonly locks?: LockManager | null;
  readonly migrations?: readonly Migration[];
  /** Puts an executor over the one of this context, say to send names that it lacks to remote workers. Default: there is no other. */
  readonly compose?: (local: Executor, backend: Backend) => Executor;
}
