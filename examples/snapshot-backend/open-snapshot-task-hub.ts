import {
  type Clock,
  DEFAULT_MAX_PAYLOAD_BYTES,
  defaultLogger,
  type InProcessHub,
  type InProcessHubOptions,
  messageChannelSettle,
  newInProcessHub,
  Partition,
  type PartitionPorts,
  randomIds,
  type Settle,
  systemClock,
  systemTimers,
  type Timers,
} from "perdura";
import { LocalRouter, MemorySignals, TimerScheduler } from "perdura/memory";
import type { SnapshotStore } from "./snapshot-store.ts";

/** Time, for tests that have their own. */
export interface SnapshotTime {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly settle: Settle;
}

const realTime: SnapshotTime = { clock: systemClock, timers: systemTimers, settle: messageChannelSettle() };

/** A backend over a store: only store and ownership are its own, all else is what memory has. */
export function newSnapshotBackend(
  store: SnapshotStore,
  options: Pick<InProcessHubOptions, "logger" | "maxPayloadBytes">,
  { clock, timers, settle }: SnapshotTime = realTime,
): Partition {
  const { logger = defaultLogger("warn"), maxPayloadBytes = DEFAULT_MAX_PAYLOAD_BYTES } = options;
  const ports: PartitionPorts = {
    store,
    // Nobody tells an owner that it was followed by another: the store refuses its commits.
    ownership: {
      acquire: async () => ({
        epoch: store.nextEpoch(),
        lost: new AbortController().signal,
        release: async () => undefined,
      }),
    },
    signals: new MemorySignals(),
    scheduler: new TimerScheduler(clock, timers),
    router: new LocalRouter(),
    settle,
    clock,
    ids: randomIds,
  };
  return new Partition(ports, { logger, maxPayloadBytes, maxLiveInstances: 1000, maxDeaths: 5 });
}

/** Opens the hub that the file holds, or a new one, and starts its workers. */
export async function openSnapshotTaskHub(
  store: SnapshotStore,
  options: InProcessHubOptions,
  time: SnapshotTime = realTime,
): Promise<InProcessHub> {
  const { clock, timers, settle } = time;
  const host = { settle, now: () => clock.now(), newUuid: () => randomIds.uuid(), timers };
  const hub = newInProcessHub(newSnapshotBackend(store, options, time), options, host);
  await hub.worker.start();
  return hub;
}
