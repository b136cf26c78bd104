import { PerduraError } from "../../core/errors.ts";
import { defaultLogger } from "../../core/hub/logger.ts";
import type { TaskRegistry } from "../../core/orchestration/registry.ts";
import { NonRetriableError } from "../../core/orchestration/task-failed-error.ts";
import { randomIds } from "../../core/partition/host.ts";
import { pause } from "./connection.ts";
import type { HostEnvironment, WakeReason } from "./environment.ts";
import {
  type CallContext,
  type ConnectMessage,
  type FromPage,
  type FromWorker,
  holdLock,
  pageLock,
} from "./page-link.ts";

/** What takes a page's wish to be connected. */
type Target = Pick<MessagePort, "postMessage">;

/** The page's end of its connection to the worker that hosts the engine. */
export class PageLink {
  readonly #worker: Target;
  readonly #registration: ServiceWorkerRegistration | undefined;
  readonly #hub: string;
  readonly #pageId: string;
  readonly #activities: TaskRegistry;
  readonly #environment: HostEnvironment;
  readonly #running = new Map<number, AbortController>();
  readonly #stops: (() => void)[] = [];
  readonly #closing = new AbortController();
  #port: MessagePort | undefined;

  private constructor(
    worker: Target,
    registration: ServiceWorkerRegistration | undefined,
    hub: string,
    pageId: string,
    activities: TaskRegistry,
    environment: HostEnvironment,
  ) {
    this.#worker = worker;
    this.#registration = registration;
    this.#hub = hub;
    this.#pageId = pageId;
    this.#activities = activities;
    this.#environment = environment;
  }

  /** Connects the page. Its life shows by a lock that it holds. */
  static async open(
    worker: Target,
    hub: string,
    activities: TaskRegistry,
    environment: HostEnvironment,
  ): Promise<PageLink> {
    const pageId = randomIds.uuid();
    const free = await holdLock(pageLock(pageId));
    const link = new PageLink(worker, await registrationOf(worker), hub, pageId, activities, environment);
    link.#stops.push(free);
    link.#listen();
    link.#connect();
    return link;
  }

  #listen(): void {
    // A worker may be connected to another one, too.
    const page = "document" in globalThis ? document : undefined;
    const onHidden = (): void => {
      if (page?.visibilityState === "hidden") this.#send({ type: "hidden" });
    };
    page?.addEventListener("visibilitychange", onHidden);
    // Its lock tells of its end, too; this is for browsers without locks.
    const onGone = (event: PageTransitionEvent): void => {
      if (!event.persisted) this.#send({ type: "bye" });
    };
    globalThis.addEventListener("pagehide", onGone);
    this.#stops.push(
      () => page?.removeEventListener("visibilitychange", onHidden),
      () => globalThis.removeEventListener("pagehide", onGone),
      this.#environment.onWake((reason) => this.wake(reason)),
    );
  }

  #connect(): void {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#hear(data);
    const message: ConnectMessage = {
      perdura: "connect",
      hub: this.#hub,
      pageId: this.#pageId,
      activities: this.#activities.names("activity"),
      visible: this.#environment.visible() ?? true,
      charging: this.#environment.charging(),
    };
    // A service worker that a newer version has replaced hears nothing any more: that version does.
    const worker = this.#registration?.active ?? this.#worker;
    worker.postMessage(message, [port2]);
  }

  #hear(message: FromWorker): void {
    if (message.type === "welcome") void this.#follow(message.engineLock);
    else if (message.type === "abort")
      this.#running.get(message.call)?.abort(new PerduraError("aborted", "the engine no longer waits"));
    else void this.#run(message.call, message.context, message.input);
  }

  /**
   * Waits for the engine's end. A service worker that was stopped is started by the message that connects this page again;
   * a worker that was terminated hears nothing any more.
   */
  async #follow(engineLock: string): Promise<void> {
    const { signal } = this.#closing;
    try {
      await navigator.locks.request(engineLock, { mode: "shared", signal }, () => undefined);
    } catch {
      return;
    }
    if (signal.aborted) return;
    this.#abandon();
    this.#port?.close();
    if (this.#registration !== undefined) await untilNobodyWaits(this.#registration);
    if (!signal.aborted) this.#connect();
  }

  /** Nobody waits any more for what runs here: an engine that wants it begins it again. */
  #abandon(): void {
    for (const controller of this.#running.values()) controller.abort();
    this.#running.clear();
  }

  /** Has the engine look at what is due. */
  wake(reason: WakeReason): void {
    const environment = this.#environment;
    this.#send({ type: "wake", reason, visible: environment.visible() ?? true, charging: environment.charging() });
  }

  /** Leaves. What runs here is begun again in another page. */
  close(): void {
    this.#closing.abort();
    for (const stop of this.#stops.splice(0)) stop();
    this.#abandon();
    this.#send({ type: "bye" });
    this.#port?.close();
  }

  #send(message: FromPage): void {
    this.#port?.postMessage(message);
  }

  async #run(call: number, context: CallContext, input: unknown): Promise<void> {
    const controller = new AbortController();
    const port = this.#port;
    // An answer is for the engine that asked.
    const answer = (message: FromPage): void => port?.postMessage(message);
    this.#running.set(call, controller);
    try {
      const fn = this.#activities.activity(context.name);
      if (fn === undefined) throw new Error(`the page does not offer '${context.name}' any more`);
      const value = await fn({ ...context, signal: controller.signal, log: defaultLogger("warn") }, input as never);
      answer({ type: "result", call, value });
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      answer({
        type: "failure",
        call,
        failure: { name, message, isNonRetriable: error instanceof NonRetriableError },
      });
    } finally {
      if (this.#running.get(call) === controller) this.#running.delete(call);
    }
  }
}

/** How long a newer version may take to follow the one that ended, in ms: one whose app has it wait for pages to close does not. */
const SUCCESSION_MS = 1000;

/** A message to the version that ended would start it anew, in the way of the one that is about to take its place. */
async function untilNobodyWaits(registration: ServiceWorkerRegistration): Promise<void> {
  const endMs = Date.now() + SUCCESSION_MS;
  while (registration.waiting !== null && Date.now() < endMs) await pause(20);
}

/** Where this worker is registered, when it is a service worker. */
async function registrationOf(worker: Target): Promise<ServiceWorkerRegistration | undefined> {
  if (!("scriptURL" in worker)) return undefined;
  const registrations = await navigator.serviceWorker.getRegistrations().catch(() => []);
  return registrations.find(({ active, waiting, installing }) =>
    [active, waiting, installing].some((other) => other === worker),
  );
}
