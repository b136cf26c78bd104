import type { GateKeeper } from "../../core/orchestration/run-when.ts";

/** Why a hub is to look at what is due, beside its own timer. */
export type WakeReason =
  | "visible"
  | "online"
  | "pageshow"
  | "unfrozen"
  | "message"
  | "sync"
  | "push"
  | "charging"
  | "asleep";

/** What a hub knows of the host that it runs in, and of its page. A test, or the page of a worker, gives its own. */
export interface HostEnvironment {
  /** Whether the host believes that it is online. */
  online(): boolean;
  /** Whether a person can see the page. `undefined`: nobody here knows. */
  visible(): boolean | undefined;
  /** Whether the connection is one to be sparing with. `undefined`: this browser does not say. */
  metered(): boolean | undefined;
  /** Whether the device is charging. `undefined`: this browser does not say. */
  charging(): boolean | undefined;
  /** Calls the listener when one of the above may have changed, or the host has come back. */
  onWake(listener: (reason: WakeReason) => void): () => void;
  /** Calls the listeners when the page goes into the back/forward cache, and when it comes back. */
  onSleep(sleep: () => void, resume: () => void): () => void;
}

/** The gates of activities, as the surroundings have it. What a host cannot tell does not hold an activity back. */
export function gateKeeperOf(environment: HostEnvironment): GateKeeper {
  return {
    isOpen(gate) {
      if (gate === "online") return environment.online();
      if (gate === "visible") return environment.visible() !== false;
      if (gate === "charging") return environment.charging() !== false;
      return environment.metered() !== true;
    },
  };
}

/** What some hosts have and the types of none promise. */
interface MaybeConnection extends EventTarget {
  readonly saveData?: boolean;
  readonly type?: string;
}

/** Chromium only. */
interface BatteryManager extends EventTarget {
  readonly charging: boolean;
}

interface MaybeHost {
  readonly document?: Document;
  readonly navigator?: Navigator & {
    readonly connection?: MaybeConnection;
    getBattery?(): Promise<BatteryManager>;
  };
  addEventListener?(type: string, listener: (event: Event) => void): void;
  removeEventListener?(type: string, listener: (event: Event) => void): void;
}

/** The host itself, page or worker. What it lacks counts as unknown. */
export function hostEnvironment(host: MaybeHost = globalThis as unknown as MaybeHost): HostEnvironment {
  const { document } = host;
  const connection = host.navigator?.connection;
  const charge = new Charge();
  // A frame may be forbidden to ask: then nothing is known.
  void host.navigator?.getBattery?.().then(
    (battery) => charge.follow(battery),
    () => undefined,
  );
  return {
    online: () => host.navigator?.onLine !== false,
    visible: () => (document === undefined ? undefined : document.visibilityState === "visible"),
    metered: () => {
      if (connection?.saveData === true || connection?.type === "cellular") return true;
      return connection?.saveData === undefined && connection?.type === undefined ? undefined : false;
    },
    charging: () => charge.state,
    onWake(listener) {
      const stops = [
        listen(document, "visibilitychange", () => {
          if (document?.visibilityState === "visible") listener("visible");
        }),
        listen(document, "resume", () => listener("unfrozen")),
        listen(host, "online", () => listener("online")),
        listen(host, "pageshow", () => listener("pageshow")),
        listen(connection, "change", () => listener("online")),
        listen(charge, "change", () => listener("charging")),
      ];
      return () => {
        for (const stop of stops) stop();
      };
    },
    onSleep(sleep, resume) {
      const stops = [
        listen(host, "pagehide", (event) => {
          if ((event as PageTransitionEvent).persisted) sleep();
        }),
        listen(host, "pageshow", (event) => {
          if ((event as PageTransitionEvent).persisted) resume();
        }),
      ];
      return () => {
        for (const stop of stops) stop();
      };
    },
  };
}

/** What the battery says, from the moment on that it does. Tells of a `change`, the first answer included. */
class Charge extends EventTarget {
  state: boolean | undefined = undefined;

  follow(battery: BatteryManager): void {
    const look = (): void => {
      this.state = battery.charging;
      this.dispatchEvent(new Event("change"));
    };
    battery.addEventListener("chargingchange", look);
    look();
  }
}

type Target = Pick<MaybeHost, "addEventListener" | "removeEventListener"> | undefined;

function listen(target: Target, type: string, listener: (event: Event) => void): () => void {
  target?.addEventListener?.(type, listener);
  return () => target?.removeEventListener?.(type, listener);
}
