/** A Worker with a little code of its own, that leaves the rest to remote workers. The header `taskhub` names the hub. */
import {
  dispatcherObject,
  orchestrationObject,
  type TaskHubBindings,
  taskHubClient,
  taskHubRoutes,
} from "../../../src/backends/durable-object/index.ts";
import { corsRules } from "../../../src/connect/index.ts";
import { silentLogger, TaskRegistry } from "../../../src/core/index.ts";
import { CONTRACT_MAX_PAYLOAD_BYTES } from "../../../src/testing/index.ts";

export { HubIndexObject } from "../../../src/backends/durable-object/index.ts";

const logger = silentLogger();

/** Code of the Worker itself, beside which remote workers have theirs. */
const registry = new TaskRegistry()
  .addActivity("in-object", (_ctx, n: number) => n * 10)
  .addOrchestrator("local-parent", async (ctx, n: number) => {
    const here = await ctx.callActivity<number>("in-object", n);
    const there = await ctx.callActivity<number>("remote", here);
    return ctx.callSubOrchestrator<number>("remote-child", there);
  });

export const OrchestrationObject = orchestrationObject({
  registry,
  logger,
  maxPayloadBytes: CONTRACT_MAX_PAYLOAD_BYTES,
  maxParallelActivities: 2,
});

/** Unregistered names are parked soon, as in a hub of its own. */
export const DispatcherObject = dispatcherObject({ logger, patienceMs: 150 });

export default {
  async fetch(request: Request, env: TaskHubBindings): Promise<Response> {
    const cors = corsRules(["https://app.example.com"]);
    const preflight = cors.preflight(request);
    if (preflight !== undefined) return preflight;
    const hub = request.headers.get("taskhub") ?? "default";
    const url = new URL(request.url);
    if (url.pathname === "/local-client") {
      const client = taskHubClient(env, { hub });
      return Response.json(await client.fetchOrchestrationMetadata(url.searchParams.get("id") ?? ""));
    }
    const served = await taskHubRoutes(env, { hub, logger })(request);
    return cors.apply(request, served ?? new Response(null, { status: 404 }));
  },
};
