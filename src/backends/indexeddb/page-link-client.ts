import { PerduraError } from "../../core/errors.ts";
import { defaultLogger } from "../../core/hub/logger.ts";
import type { TaskRegistry } from "../../core/orchestration/registry.ts";
import { NonRetriableError } from "../../core/orchestration/task-failed-error.ts";
import type { HostEnvironment, WakeReason } from "./environment.ts";
import { browserIds } from "./ids.ts";
import {
  type CallContext,
  type ConnectMessage,
  type FromPage,
  type FromWorker,
  hasLocks,
  pageLock,
} from "./page-link.ts";

/** The page's end of its connection to the worker that hosts the engine. */
export class PageLink {
  readonly #port: MessagePort;
  readonly #activities: TaskRegistry;
  readonly #environment: HostEnvironment;
  readonly #running = new Map<number, AbortController>();
  readonly #stops: (() => void)[] = [];

  private constructor(port: MessagePort, activities: TaskRegistry, environment: HostEnvironment, free: () => void) {
    this.#port = port;
    this.#activities = activities;
    this.#environment = environment;
    port.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.type === "abort")
        this.#running.get(data.call)?.abort(new PerduraError("aborted", "the engine no longer waits"));
      else void this.#run(data.call, data.context, data.input);
    };
    const onHidden = (): void => {
      if (document.visibilityState === "hidden") this.#send({ type: "hidden" });
    };
    document.addEventListener("visibilitychange", onHidden);
    // Its lock tells of its end, too; this is for browsers without locks.
    const onGone = (event: PageTransitionEvent): void => {
      if (!event.persisted) this.#send({ type: "bye" });
    };
    window.addEventListener("pagehide", onGone);
    this.#stops.push(
      () => document.removeEventListener("visibilitychange", onHidden),
      () => window.removeEventListener("pagehide", onGone),
      environment.onWake((reason) => this.wake(reason)),
      free,
    );
  }

  /** Connects the page. Its life shows by a lock that it holds. */
  static async open(
    worker: Pick<MessagePort, "postMessage">,
    hub: string,
    activities: TaskRegistry,
    environment: HostEnvironment,
  ): Promise<PageLink> {
    const pageId = browserIds.uuid();
    const free = await holdLock(pageLock(pageId));
    const { port1, port2 } = new MessageChannel();
    const link = new PageLink(port1, activities, environment, free);
    const visible = environment.visible() ?? true;
    const message: ConnectMessage = {
      perdura: "connect",
      hub,
      pageId,
      activities: activities.names("activity"),
      visible,
      charging: environment.charging(),
    };
    worker.postMessage(message, [port2]);
    return link;
  }

  /** Has the engine look at what is due. */
  wake(reason: WakeReason): void {
    const environment = this.#environment;
    this.#send({ type: "wake", reason, visible: environment.visible() ?? true, charging: environment.charging() });
  }

  /** Leaves. What runs here is begun again in another page. */
  close(): void {
    for (const stop of this.#stops.splice(0)) stop();
    for (const controller of this.#running.values()) controller.abort();
    this.#send({ type: "bye" });
    this.#port.close();
  }

  #send(message: FromPage): void {
    this.#port.postMessage(message);
  }

  async #run(call: number, context: CallContext, input: unknown): Promise<void> {
    const controller = new AbortController();
    this.#running.set(call, controller);
    try {
      const fn = this.#activities.activity(context.name);
      if (fn === undefined) throw new Error(`the page does not offer '${context.name}' any more`);
      const value = await fn({ ...context, signal: controller.signal, log: defaultLogger("warn") }, input as never);
      this.#send({ type: "result", call, value });
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      this.#send({
        type: "failure",
        call,
        failure: { name, message, isNonRetriable: error instanceof NonRetriableError },
      });
    } finally {
      this.#running.delete(call);
    }
  }
}

/** Takes a lock and holds it until the returned function is called, or the page is gone. */
async function holdLock(name: string): Promise<() => void> {
  if (!hasLocks()) return () => undefined;
  return new Promise((resolve, reject) => {
    navigator.locks.request(name, () => new Promise<void>((release) => resolve(() => release()))).catch(reject);
  });
}
