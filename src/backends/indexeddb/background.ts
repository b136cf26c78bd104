import { BrowserTaskHub } from "./browser-task-hub.ts";
import { pause } from "./connection.ts";
import { type HostEnvironment, hostEnvironment } from "./environment.ts";
import type { HubSurroundings, OpenTaskHubOptions } from "./hub-options.ts";

/** What came of a slice of work. */
export interface SliceResult {
  /** Whether this context was the runner at all: when another one runs the hub, there is nothing to do here. */
  readonly ran: boolean;
  /** Whether work is left that could go on now. */
  readonly left: boolean;
}

/** How much work is done at once, in ms: browsers stop a service worker that takes much longer, whatever it has promised. */
const BUDGET_MS = 25_000;

/** How long it may take to learn who runs the hub, in ms. */
const ELECTION_MS = 5000;

/**
 * Runs a hub for a moment: until nothing is left that can go on now, or the budget is used up. For a service worker, which
 * lives for the length of an event. Does nothing when another context runs the hub.
 *
 * @throws as {@link openTaskHub}.
 */
export async function runTaskHubSlice(
  options: OpenTaskHubOptions & { readonly budgetMs?: number },
  surroundings: HubSurroundings = {},
): Promise<SliceResult> {
  const endMs = Date.now() + (options.budgetMs ?? BUDGET_MS);
  const environment = surroundings.environment ?? (await ownEnvironment());
  const hub = new BrowserTaskHub(options, { ...surroundings, environment });
  try {
    await hub.open();
    // A free lock is granted within milliseconds. One that is not is somebody else's, who says so when asked.
    const electedMs = Math.min(Date.now() + ELECTION_MS, endMs);
    while (hub.status.role !== "runner") {
      if (hub.status.runner !== undefined) return { ran: false, left: false };
      // Nobody runs it, or nobody who answers: perhaps the next time.
      if (Date.now() > electedMs) return { ran: false, left: await hub.hasWork() };
      await pause(20);
    }
    let left = await hub.hasWork();
    while (left && Date.now() < endMs) {
      await pause(50);
      left = await hub.hasWork();
    }
    if (left) await hub.backend.drain(Math.max(0, endMs - Date.now()) + 1000);
    return { ran: true, left };
  } finally {
    await hub.close();
  }
}

interface MaybeServiceWorker {
  readonly clients?: {
    matchAll(of: {
      type: "window";
      includeUncontrolled: true;
    }): Promise<readonly { readonly visibilityState?: string }[]>;
  };
}

/** The surroundings of a slice. A service worker can ask whether a person sees any page of its site. */
async function ownEnvironment(): Promise<HostEnvironment> {
  const host = hostEnvironment();
  const { clients } = globalThis as unknown as MaybeServiceWorker;
  if (clients === undefined) return host;
  const windows = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const isSeen = windows.some(({ visibilityState }) => visibilityState === "visible");
  return { ...host, visible: () => isSeen };
}

/** A `sync` or `periodicsync` event of a service worker. */
export interface SyncEventLike {
  readonly tag: string;
  /** The browser will not try again. */
  readonly lastChance?: boolean;
  waitUntil(promise: Promise<unknown>): void;
}

/**
 * Answers a background sync: runs a slice, and has the browser come again while work is left. Ignores other tags.
 *
 * @example
 * // In a service worker:
 * for (const type of ["sync", "periodicsync"]) self.addEventListener(type, (event) => handleSync(event, { name: "shop", registry }));
 */
export function handleSync(event: SyncEventLike, options: OpenTaskHubOptions & { readonly budgetMs?: number }): void {
  if (event.tag !== syncTag(options.name)) return;
  event.waitUntil(
    runTaskHubSlice(options).then(({ left }) => {
      // A rejection is how a service worker asks to be called again.
      if (left && event.lastChance !== true) throw new Error(`work of the hub '${options.name}' is left`);
    }),
  );
}

/** A `push` event of a service worker. */
export interface PushEventLike {
  waitUntil(promise: Promise<unknown>): void;
}

/**
 * Answers a push: runs a slice, so that a server can wake a hub whose site is closed. What the message holds is the app's
 * own business: raise it as an event first, with a client of the same hub, or leave it out.
 *
 * Most browsers want a notification for every push; a rejected slice is not made good, so that it runs on at the next
 * push, sync or visit.
 *
 * @example
 * self.addEventListener("push", (event) => handlePush(event, { name: "shop", registry }));
 */
export function handlePush(event: PushEventLike, options: OpenTaskHubOptions & { readonly budgetMs?: number }): void {
  event.waitUntil(runTaskHubSlice(options));
}

interface MaybeSync {
  readonly sync?: { register(tag: string): Promise<void> };
  readonly periodicSync?: { register(tag: string, options: { minInterval: number }): Promise<void> };
}

/**
 * Asks for the service worker to be woken: once, when there is a network, and from time to time where the site may. Only
 * Chromium does either. Says what was granted.
 *
 * @param minIntervalMs at most so often. Default: once in 12 hours.
 */
export async function requestBackgroundSync(
  registration: ServiceWorkerRegistration,
  hub: string,
  minIntervalMs: number = 12 * 3_600_000,
): Promise<{ readonly sync: boolean; readonly periodicSync: boolean }> {
  const { sync, periodicSync } = registration as ServiceWorkerRegistration & MaybeSync;
  return {
    sync: await granted(sync?.register(syncTag(hub))),
    periodicSync: await granted(periodicSync?.register(syncTag(hub), { minInterval: minIntervalMs })),
  };
}

function syncTag(hub: string): string {
  return `perdura:${hub}`;
}

async function granted(request: Promise<void> | undefined): Promise<boolean> {
  if (request === undefined) return false;
  return request.then(
    () => true,
    () => false,
  );
}
