/** A worker that hosts the engine: dedicated, shared, or a service worker. Its hub is named by the query of its address. */
import {
  handlePush,
  handleSync,
  type PushEventLike,
  runTaskHubSlice,
  type SyncEventLike,
  serveTaskHub,
} from "../../../src/backends/indexeddb/index.ts";
import { silentLogger } from "../../../src/core/index.ts";
import { testRegistry } from "./orchestrations.ts";

const parameters = new URL(self.location.href).searchParams;
const options = {
  name: parameters.get("hub") ?? "worker",
  registry: testRegistry(),
  logger: silentLogger(),
  maxDeaths: 1_000_000,
};

if (parameters.has("slice")) {
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
