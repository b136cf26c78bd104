/** A service worker that serves its hub to the pages of its site. Its hub is named by the query of its address. */
import { openTaskHub } from "../../../src/backends/indexeddb/index.ts";
import { serveTaskHubRoutes } from "../../../src/connect/index.ts";
import { silentLogger, TaskRegistry } from "../../../src/core/index.ts";

interface LifeEvent extends Event {
  waitUntil(promise: Promise<unknown>): void;
  readonly request: Request;
  respondWith(response: Response): void;
}

const host = globalThis as unknown as {
  addEventListener(type: string, listener: (event: LifeEvent) => void): void;
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
};

/** Code that runs here, beside which pages have theirs. */
const registry = new TaskRegistry()
  .addActivity("in-worker", (_ctx, n: number) => n * 10)
  .addOrchestrator("mixed", async (ctx, n: number) => {
    const here = (await ctx.callActivity("in-worker", n)) as number;
    const there = (await ctx.callActivity("in-page", here)) as number;
    return ctx.callSubOrchestrator("page-child", there);
  });

const logger = silentLogger();
const name = new URL(self.location.href).searchParams.get("hub") ?? "remote";
serveTaskHubRoutes({
  registry,
  logger,
  healthPingMs: 1000,
  open: (surroundings) => openTaskHub({ name, registry, logger }, surroundings),
});

host.addEventListener("install", (event) => event.waitUntil(host.skipWaiting()));
host.addEventListener("activate", (event) => event.waitUntil(host.clients.claim()));

/** Tells one life of this service worker from the next. */
const life = crypto.randomUUID();
host.addEventListener("fetch", (event) => {
  if (new URL(event.request.url).pathname === "/life") event.respondWith(new Response(life));
});
