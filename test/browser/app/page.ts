/** What a driven page offers to the test that drives it, as `window.app`. */
import {
  connectTaskHub,
  type EngineWorker,
  type OpenTaskHubOptions,
  openTaskHub,
  requestPersistence,
  type TaskHub,
} from "../../../src/backends/indexeddb/index.ts";
import { silentLogger, TaskRegistry } from "../../../src/core/index.ts";
import * as orchestrations from "./orchestrations.ts";

const seen: { readonly type: string; readonly detail: string }[] = [];
let hub: TaskHub | undefined;

let dedicated: Worker | undefined;
const asked: string[] = [];

/** Registers a service worker; the one that was there before, at another address, is waited out. */
async function activeWorker(address: string, options: RegistrationOptions): Promise<ServiceWorker> {
  const registration = await navigator.serviceWorker.register(address, { type: "module", ...options });
  for (;;) {
    const { active } = registration;
    if (active?.state === "activated" && active.scriptURL.endsWith(address)) return active;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function current(): TaskHub {
  if (hub === undefined) throw new Error("no hub is open in this page");
  return hub;
}

const app = {
  orchestrations,
  /** How often the page came back from the back/forward cache. */
  returns: 0,
  /** Events that the hub told of. */
  seen,
  get hub(): TaskHub {
    return current();
  },
  async open(name: string, options: Partial<OpenTaskHubOptions> = {}): Promise<void> {
    hub = await openTaskHub({ registry: orchestrations.testRegistry(), name, logger: silentLogger(), ...options });
    for (const type of [
      "role",
      "blocked",
      "healed",
      "quota",
      "lost",
      "not-durable",
      "closed",
      "resumed",
      "stolen",
      "handed-over",
    ] as const) {
      hub.events.on(type, (event) =>
        seen.push({ type, detail: "error" in event ? event.error.code : JSON.stringify(event) }),
      );
    }
  },
  /** Opens the hub over a worker, and offers it an activity that needs the page. */
  async openOver(kind: "dedicated" | "shared" | "service", name: string): Promise<void> {
    const url = `/worker.js?hub=${name}`;
    const activities = new TaskRegistry().addActivity("ask-page", async (ctx, question: string) => {
      asked.push(`${ctx.attempt}:${ctx.taskExecutionId === "" ? "none" : "id"}`);
      if (question === "hang") await new Promise(() => undefined);
      if (question === "fail") throw new RangeError("no answer");
      return `${question}? ${document.title}`;
    });
    let worker: EngineWorker;
    if (kind === "dedicated") {
      dedicated = new Worker(url, { type: "module" });
      worker = dedicated;
    } else if (kind === "shared") {
      const shared = new SharedWorker(url, { type: "module" });
      shared.port.start();
      worker = shared;
    } else {
      worker = await activeWorker(url, { scope: `/${name}/` });
    }
    hub = await connectTaskHub(worker, { name, activities, logger: silentLogger() });
  },
  /** Terminates the dedicated worker in the middle of whatever it does. */
  terminate(): void {
    dedicated?.terminate();
  },
  /** Registers another version of the service worker that {@link openOver} opened, and waits until it has taken its place. */
  async replaceServiceWorker(name: string): Promise<void> {
    await activeWorker(`/worker.js?hub=${name}&version=2`, { scope: `/${name}/` });
  },
  asked,
  requestPersistence,
  /** Registers the service worker that works for the length of an event. */
  async registerSlice(name: string): Promise<void> {
    await activeWorker(`/worker.js?hub=${name}&slice`, { scope: "/slice" });
  },
  /** Has a service worker run a slice of the hub. */
  async slice(name: string, what: "slice" | "sync"): Promise<unknown> {
    const active = await activeWorker(`/worker.js?hub=${name}&slice`, { scope: "/slice" });
    const { port1, port2 } = new MessageChannel();
    return new Promise((resolve) => {
      port1.onmessage = ({ data }) => resolve(data);
      active.postMessage(what, [port2]);
    });
  },
  async close(): Promise<void> {
    await current().close();
  },
  status(): unknown {
    const { lastError, ...status } = current().status;
    return { ...status, lastError: lastError?.error.message };
  },
  start(name: string, input: unknown, instanceId: string): Promise<string> {
    return current().client.scheduleNewOrchestration(name, input, { instanceId, idempotencyKey: instanceId });
  },
  async raise(instanceId: string, event: string, payload: unknown, idempotencyKey: string): Promise<void> {
    await current().client.raiseEvent(instanceId, event, payload, { idempotencyKey });
  },
  async wait(instanceId: string, timeout: "5s" | "30s" | "60s" = "30s"): Promise<{ status: string; output: unknown }> {
    const done = await current().client.waitForOrchestrationCompletion(instanceId, { timeout });
    return { status: done.runtimeStatus, output: done.output === undefined ? undefined : JSON.parse(done.output) };
  },
  async metadata(instanceId: string): Promise<unknown> {
    return current().client.fetchOrchestrationMetadata(instanceId);
  },
  async history(instanceId: string): Promise<string[]> {
    const events = await current().client.getInstanceHistory(instanceId);
    return events.map(({ eventType, eventId }) => {
      const of = eventType.case === "taskCompleted" || eventType.case === "timerFired" ? eventType.value : undefined;
      const about = of === undefined ? eventId : "taskScheduledId" in of ? of.taskScheduledId : of.timerId;
      return `${eventType.case ?? "?"}#${about}`;
    });
  },
  /** Fills the storage with something that does not compress, as an orchestration's history. */
  bulky(kilobytes: number): string {
    const bytes = crypto.getRandomValues(new Uint8Array(1024));
    let text = "";
    for (let n = 0; n < kilobytes; n++)
      text += btoa(String.fromCharCode(...crypto.getRandomValues(bytes))).slice(0, 1024);
    return text;
  },
  /** Rejections as plain data: errors lose their fields on the way to the driver. */
  async attempt<T>(
    run: () => Promise<T>,
  ): Promise<{ ok: true; value: T } | { ok: false; code: string; message: string }> {
    try {
      return { ok: true, value: await run() };
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      return { ok: false, code: code ?? (error as Error).name, message };
    }
  },
};

/** The type of `window.app`. */
export type App = typeof app;

declare global {
  interface Window {
    app: App;
  }
}

window.app = app;
window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted) app.returns++;
});
