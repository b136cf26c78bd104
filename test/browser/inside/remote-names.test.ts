import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import type { TaskHub } from "../../../src/backends/indexeddb/index.ts";
import { CompositeExecutor, RemoteExecutor } from "../../../src/connect/index.ts";
import { ActivityResponseSchema } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { basicRegistry, newHubName, openHub, until } from "./hubs.ts";

/** As a service worker, which the browser ends when it thinks fit, with the pages of the site for its workers. */
it("what is at workers elsewhere does not count as what ends this context, however often that ends", async () => {
  const name = newHubName();
  const registry = basicRegistry().addOrchestrator("far", async (ctx) => ctx.callActivity("far-away"));
  let begun = 0;
  const life = (result?: string): Promise<TaskHub> => {
    const remote = new RemoteExecutor({
      dispatchTurn: () => Promise.reject(new Error("all turns are here")),
      release: () => undefined,
      dispatchActivity: ({ instanceId, request: { taskId } }, signal) => {
        begun++;
        if (result !== undefined)
          return Promise.resolve(create(ActivityResponseSchema, { instanceId, taskId, result }));
        return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
      },
    });
    const compose = (local: ConstructorParameters<typeof CompositeExecutor>[1]): CompositeExecutor =>
      new CompositeExecutor(registry, local, remote);
    return openHub({ name, registry, drain: 0 }, { compose });
  };
  let hub = await life();
  const id = await hub.client.scheduleNewOrchestration("far");
  // More often than the host of an activity may die over it.
  for (let lives = 1; lives <= 7; lives++) {
    await until(() => begun === lives);
    await hub.close();
    hub = await life(lives === 7 ? '"here"' : undefined);
  }
  expect((await hub.client.waitForOrchestrationCompletion(id, { timeout: "5s" })).output).toBe('"here"');
});
