/** The process is there for as long as the hub is open: its own timers will do. */
export { TimerScheduler } from "../memory/scheduler.ts";
