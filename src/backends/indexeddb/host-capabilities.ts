/** What kind of context a hub lives in. `other`: none that this library knows. */
export type HostKind = "page" | "dedicated-worker" | "shared-worker" | "service-worker" | "other";

/** What this context can do for a hub. What is missing is made up for, later or less well: docs/browser.md says how. */
export interface HostCapabilities {
  readonly kind: HostKind;
  /** Web Locks elect the runner; without them a lease in the database does, some seconds later. */
  readonly webLocks: boolean;
  /** Contexts can wake each other at once; without it they find news when they next look, every half a minute. */
  readonly broadcast: boolean;
  /** Somebody can see this context. */
  readonly visibility: boolean;
  /** The browser says whether the connection is one to be sparing with. */
  readonly connection: boolean;
  /** The browser says whether the device is charging. */
  readonly battery: boolean;
  /** A service worker can be woken when the network is back. */
  readonly backgroundSync: boolean;
  /** A service worker can be woken from time to time. */
  readonly periodicSync: boolean;
  /** A service worker can be woken by a server. */
  readonly push: boolean;
  /** The browser says how much room there is. */
  readonly estimate: boolean;
  /** This context can ask for its storage to be kept. */
  readonly persist: boolean;
}

interface MaybeHost {
  readonly document?: unknown;
  readonly navigator?: {
    readonly locks?: unknown;
    readonly connection?: unknown;
    readonly getBattery?: unknown;
    readonly storage?: { readonly estimate?: unknown; readonly persist?: unknown };
  };
  readonly [name: string]: unknown;
}

/** Looks at what the host has. */
export function hostCapabilities(host: MaybeHost = globalThis as unknown as MaybeHost): HostCapabilities {
  const { navigator } = host;
  // A registration's own properties show by its prototype, without any registration.
  const registration = (host.ServiceWorkerRegistration as { readonly prototype?: object } | undefined)?.prototype ?? {};
  return {
    kind: kindOf(host),
    webLocks: isThere(navigator?.locks),
    broadcast: isThere(host.BroadcastChannel),
    visibility: isThere(host.document),
    connection: isThere(navigator?.connection),
    battery: isThere(navigator?.getBattery),
    backgroundSync: "sync" in registration,
    periodicSync: "periodicSync" in registration,
    push: "pushManager" in registration,
    estimate: isThere(navigator?.storage?.estimate),
    persist: isThere(navigator?.storage?.persist),
  };
}

function kindOf(host: MaybeHost): HostKind {
  if (isThere(host.document)) return "page";
  const is = (name: string): boolean => {
    const scope = host[name];
    return typeof scope === "function" && host instanceof scope;
  };
  if (is("DedicatedWorkerGlobalScope")) return "dedicated-worker";
  if (is("SharedWorkerGlobalScope")) return "shared-worker";
  if (is("ServiceWorkerGlobalScope")) return "service-worker";
  return "other";
}

function isThere(part: unknown): boolean {
  return part !== undefined && part !== null;
}
