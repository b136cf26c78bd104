import { randomUuid } from "../uuid.ts";
import type { Clock, Ids, Timers } from "./ports.ts";

/** The host's own clock. */
export const systemClock: Clock = { now: () => Date.now() };

/** Random UUIDs of the host. */
export const randomIds: Ids = { uuid: randomUuid };

/** The host's own timers. In Node an armed one keeps the process alive: a hub that sleeps has not finished. */
export const systemTimers: Timers = {
  set(ms, run) {
    const handle = setTimeout(run, ms);
    return () => clearTimeout(handle);
  },
};
