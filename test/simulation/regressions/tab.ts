/** A hub over a scripted store under a virtual clock: one tab, or one of several with one store. */
import { MemoryOwnership, MemoryStore, memoryPorts } from "../../../src/backends/memory/index.ts";
import { type InProcessHub, newInProcessHub } from "../../../src/core/hub/in-process-hub.ts";
import { silentLogger } from "../../../src/core/hub/logger.ts";
import type { TaskRegistry } from "../../../src/core/orchestration/registry.ts";
import { Partition } from "../../../src/core/partition/partition.ts";
import type { PartitionPorts } from "../../../src/core/partition/ports.ts";
import type { HistoryEvent } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { VirtualClock } from "../../../src/testing/index.ts";
import { ScriptedStore } from "./scripted-store.ts";

export interface TabOptions {
  readonly registry: TaskRegistry;
  readonly disk?: MemoryStore;
  readonly clock?: VirtualClock;
  readonly ports?: Partial<PartitionPorts>;
  readonly maxDeaths?: number;
}

export interface Tab {
  readonly hub: InProcessHub;
  readonly partition: Partition;
  readonly store: ScriptedStore;
  readonly disk: MemoryStore;
  readonly clock: VirtualClock;
  /** The words of an instance's history, without those that say nothing. */
  history(instanceId: string): Promise<string[]>;
}

/** Opens a tab. It does not run before its `hub.worker` is started. */
export function openTab({ registry, maxDeaths = 5, ...options }: TabOptions): Tab {
  const clock = options.clock ?? new VirtualClock();
  const disk = options.disk ?? new MemoryStore();
  const store = new ScriptedStore(disk);
  const environment = { store: disk, clock, timers: clock, settle: clock.settle };
  const ports = { ...memoryPorts(environment), ownership: new MemoryOwnership(disk), store, ...options.ports };
  const logger = silentLogger();
  const partition = new Partition(ports, { logger, maxPayloadBytes: 1_000_000, maxLiveInstances: 1000, maxDeaths });
  let ids = 0;
  const hub = newInProcessHub(
    partition,
    { registry, logger },
    {
      settle: clock.settle,
      now: () => ports.clock.now(),
      newUuid: () => `00000000-0000-4000-8000-${String(++ids).padStart(12, "0")}`,
      timers: clock,
    },
  );
  const history = async (instanceId: string): Promise<string[]> =>
    (await partition.getInstanceHistory(instanceId)).flatMap(wordOf);
  return { hub, partition, store, disk, clock, history };
}

function wordOf({ eventType: { case: kind, value } }: HistoryEvent): string[] {
  if (kind === "orchestratorStarted") return [];
  if (kind === "eventRaised") return [`${kind} ${value.input}`];
  if (kind === "taskCompleted") return [`${kind} ${value.taskScheduledId}`];
  return [kind ?? "unknown"];
}
