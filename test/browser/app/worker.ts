/** A worker that hosts the engine: dedicated, shared, or a service worker. Its hub is named by the query of its address. */
import {
  connectTaskHub,
  handlePush,
  handleSync,
  type PushEventLike,
  runTaskHubSlice,
  type SyncEventLike,
  serveTaskHub,
} from "../../../src/backends/indexeddb/index.ts";
import { silentLogger, TaskRegistry } from "../../../src/core/index.ts";
import { testRegistry } from "./orchestrations.ts";

const parameters = new URL(self.location.href).searchParams;
const options = {
  name: parameters.get("hub") ?? "worker",
  registry: testRegistry(),
  logger: silentLogger(),
  maxDeaths: 1_000_000,
};

// A service worker takes the place of the one before at once, whatever pages that has.
const { skipWaiting } = self as unknown as { skipWaiting?: () => Promise<void> };
if (skipWaiting !== undefined) self.addEventListener("install", () => void skipWaiting.call(self));

if (parameters.has("nested")) {
  // Not the engine, but a client of one in a worker of its own.
  const engine = new Worker(`/worker.js?hub=${options.name}`, { type: "module" });
  const activities = new TaskRegistry().addActivity("ask-page", (_ctx, question: string) => `${question}? a worker`);
  void connectTaskHub(engine, { name: options.name, activities, logger: silentLogger() }).then(async ({ client }) => {
    const id = await client.scheduleNewOrchestration("asker", "who");
    const done = await client.waitForOrchestrationCompletion(id, { timeout: "30s" });
    self.postMessage(client.outputOf(done));
  });
} else if (parameters.has("slice")) {
  // A service worker that works for the length of an event only.
  for (const type of ["sync", "periodicsync"])
    self.addEventListener(type, (event) => handleSync(event as unknown as SyncEventLike, options));
  self.addEventListener("push", (event) => handlePush(event as unknown as PushEventLike, options));
  self.addEventListener("message", ({ data, ports: [port] }: MessageEvent) => {
    if (data === "slice") void runTaskHubSlice(options).then((result) => port?.postMessage(result));
    if (data === "sync") {
      handleSync(
        {
          tag: `perdura:${options.name}`,
          waitUntil: (promise) =>
            void promise.then(
              () => port?.postMessage("done"),
              () => port?.postMessage("again"),
            ),
        },
        { ...options, budgetMs: 200 },
      );
    }
  });
} else void serveTaskHub(options);
