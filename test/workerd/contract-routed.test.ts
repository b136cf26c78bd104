/** The client-level contract over the router: one object per instance, so that every message crosses an outbox. */
import { env } from "cloudflare:test";
import { describe, it } from "vitest";
import { taskHubClient } from "../../src/backends/durable-object/index.ts";
import { type ClientSetup, clientContract } from "../../src/testing/index.ts";
import { contractRecorder } from "./contract-recorder.ts";
import { evictedBindings, keptBindings } from "./worker.ts";

let hubs = 0;

const routedSetup: ClientSetup = {
  time: "real",
  canFailUnregistered: false,
  async openHub({ cache }) {
    const bindings = cache === "kept" ? keptBindings(env) : evictedBindings(env);
    const client = taskHubClient(bindings, { hub: `contract-${++hubs}` });
    return {
      client,
      recorder: contractRecorder,
      after: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      until: (promise) => promise,
      close: async () => undefined,
    };
  },
};

describe("Durable Objects through the router", () => {
  clientContract({ describe, it }, routedSetup);
});
