import { randomIds, systemClock } from "../../core/partition/host.ts";
import type { Index, PartitionPorts, Router } from "../../core/partition/ports.ts";
import { ObjectAlarm } from "./alarm.ts";
import { ObjectOwnership } from "./ownership.ts";
import { ObjectScheduler } from "./scheduler.ts";
import { objectSettle } from "./settle.ts";
import { ObjectSignals } from "./signals.ts";
import { ObjectStore } from "./store.ts";

/** A partition's ports over an object's storage, and the parts of them that the object itself drives. */
export interface ObjectPorts {
  readonly ports: PartitionPorts;
  readonly store: ObjectStore;
  readonly alarm: ObjectAlarm;
  readonly scheduler: ObjectScheduler;
}

/**
 * Makes the ports of a partition that lives in an object.
 *
 * @param storage the object's `ctx.storage`.
 * @param options how messages leave the object, and where it is listed; `isImplicitHub`: see {@link ObjectStore}.
 */
export function objectPorts(
  storage: DurableObjectStorage,
  options: { readonly router: Router; readonly index?: Index; readonly isImplicitHub: boolean },
): ObjectPorts {
  const alarm = new ObjectAlarm(storage);
  const store = new ObjectStore(storage, alarm, options.isImplicitHub);
  const scheduler = new ObjectScheduler();
  return {
    store,
    alarm,
    scheduler,
    ports: {
      store,
      ownership: new ObjectOwnership(),
      signals: new ObjectSignals(),
      scheduler,
      router: options.router,
      ...(options.index === undefined ? {} : { index: options.index }),
      settle: objectSettle,
      clock: systemClock,
      ids: randomIds,
    },
  };
}
