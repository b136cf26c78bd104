import { AbortedError } from "../../core/errors.ts";
import type { ActivityContext } from "../../core/orchestration/activity-context.ts";
import type { TaskRegistry } from "../../core/orchestration/registry.ts";
import { NonRetriableError } from "../../core/orchestration/task-failed-error.ts";
import type { HostEnvironment, WakeReason } from "./environment.ts";
import {
  type CallFailure,
  type ConnectMessage,
  type FromPage,
  type FromWorker,
  hasLocks,
  holdLock,
  newEngineLock,
  pageLock,
} from "./page-link.ts";

interface Call {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** A page that is connected to this worker. */
interface Page {
  readonly id: string;
  readonly port: MessagePort;
  readonly activities: ReadonlySet<string>;
  readonly calls: Map<number, Call>;
  visible: boolean;
  charging: boolean | undefined;
}

/** The page went away in the middle of a call: another one is asked, with the same execution id. */
class PageGone extends Error {}

/**
 * The pages of a worker that hosts the engine: they run the activities that need a page, and see what a worker cannot see.
 */
export class PageActivities {
  readonly #registry: TaskRegistry;
  readonly #host: HostEnvironment;
  readonly #pages = new Map<string, Page>();
  readonly #wakeListeners = new Set<(reason: WakeReason) => void>();
  readonly #engineLock: string = newEngineLock();
  #holding: Promise<unknown> | undefined;
  #arrivals: (() => void)[] = [];
  #calls = 0;

  /** @param registry gets an activity for every name that a page offers. */
  constructor(registry: TaskRegistry, host: HostEnvironment) {
    this.#registry = registry;
    this.#host = host;
  }

  /** The worker's surroundings, with what its pages see. */
  get environment(): HostEnvironment {
    return {
      online: () => this.#host.online(),
      metered: () => this.#host.metered(),
      visible: () =>
        this.#pages.size === 0 ? this.#host.visible() : [...this.#pages.values()].some(({ visible }) => visible),
      // One device, whichever page says so; a worker cannot ask.
      charging: () =>
        [...this.#pages.values()].find(({ charging }) => charging !== undefined)?.charging ?? this.#host.charging(),
      onWake: (listener) => {
        this.#wakeListeners.add(listener);
        const stop = this.#host.onWake(listener);
        return () => {
          stop();
          this.#wakeListeners.delete(listener);
        };
      },
      onSleep: (sleep, resume) => this.#host.onSleep(sleep, resume),
    };
  }

  /** Takes a page in. */
  connect(message: ConnectMessage, port: MessagePort): void {
    const { pageId, visible, charging } = message;
    const activities = new Set(message.activities);
    const page: Page = { id: pageId, port, activities, calls: new Map(), visible, charging };
    this.#pages.set(pageId, page);
    port.onmessage = ({ data }: MessageEvent<FromPage>) => this.#hear(page, data);
    void this.#welcome(port);
    // Granted when the page is gone, however it went.
    if (hasLocks())
      void navigator.locks.request(pageLock(pageId), async () => this.#leave(page)).catch(() => undefined);
    for (const name of page.activities) {
      if (this.#registry.names("activity").includes(name)) continue;
      this.#registry.addActivity(name, (ctx, input) => this.#run(name, ctx, input), {
        runWhen: () => this.#find(name) !== undefined,
      });
    }
    this.#wake("message");
  }

  /** Lets the page see when this worker ends: a service worker does whenever its browser thinks fit. */
  async #welcome(port: MessagePort): Promise<void> {
    if (!hasLocks()) return;
    try {
      this.#holding ??= holdLock(this.#engineLock);
      await this.#holding;
      port.postMessage({ type: "welcome", engineLock: this.#engineLock } satisfies FromWorker);
    } catch {
      // A host that refuses locks: its pages do not notice its end.
    }
  }

  #find(name: string): Page | undefined {
    const offering = [...this.#pages.values()].filter(({ activities }) => activities.has(name));
    return offering.find(({ visible }) => visible) ?? offering[0];
  }

  async #run(name: string, ctx: ActivityContext, input: unknown): Promise<unknown> {
    for (;;) {
      if (ctx.signal.aborted) throw new AbortedError("the activity was aborted", { cause: ctx.signal.reason });
      const page = this.#find(name);
      if (page === undefined) {
        await new Promise<void>((resolve) => this.#arrivals.push(resolve));
        continue;
      }
      try {
        return await this.#call(page, name, ctx, input);
      } catch (error) {
        if (!(error instanceof PageGone)) throw error;
      }
    }
  }

  #call(page: Page, name: string, ctx: ActivityContext, input: unknown): Promise<unknown> {
    const call = ++this.#calls;
    const { instanceId, taskId, taskExecutionId, attempt, tags } = ctx;
    const send = (message: FromWorker): void => page.port.postMessage(message);
    const onAbort = (): void => send({ type: "abort", call });
    ctx.signal.addEventListener("abort", onAbort, { once: true });
    return new Promise((resolve, reject) => {
      page.calls.set(call, { resolve, reject });
      send({ type: "call", call, name, input, context: { instanceId, name, taskId, taskExecutionId, attempt, tags } });
    }).finally(() => {
      page.calls.delete(call);
      ctx.signal.removeEventListener("abort", onAbort);
    });
  }

  #hear(page: Page, message: FromPage): void {
    switch (message.type) {
      case "wake":
        page.visible = message.visible;
        page.charging = message.charging;
        this.#wake(message.reason);
        break;
      case "hidden":
        page.visible = false;
        break;
      case "bye":
        this.#leave(page);
        break;
      case "result":
        page.calls.get(message.call)?.resolve(message.value);
        break;
      case "failure":
        page.calls.get(message.call)?.reject(errorOf(message.failure));
        break;
    }
  }

  #leave(page: Page): void {
    if (this.#pages.get(page.id) !== page) return;
    this.#pages.delete(page.id);
    page.port.close();
    for (const { reject } of page.calls.values()) reject(new PageGone());
  }

  #wake(reason: WakeReason): void {
    for (const arrived of this.#arrivals.splice(0)) arrived();
    for (const listener of [...this.#wakeListeners]) listener(reason);
  }
}

function errorOf({ name, message, isNonRetriable }: CallFailure): Error {
  const error = isNonRetriable ? new NonRetriableError(message) : new Error(message);
  error.name = name;
  return error;
}
