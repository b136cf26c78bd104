/** A Worker with a little code of its own, that leaves the rest to remote workers. The header `taskhub` names the hub. */
import {
  dispatcherObject,
  orchestrationObject,
  type TaskHubBindings,
  taskHubRoutes,
} from "../../../src/backends/durable-object/index.ts";
import { objectName } from "../../../src/backends/durable-object/object-name.ts";
import { corsRules } from "../../../src/connect/index.ts";
import { silentLogger, TaskRegistry } from "../../../src/core/index.ts";
import { CONTRACT_MAX_PAYLOAD_BYTES } from "../../../src/testing/index.ts";

export { HubIndexObject } from "../../../src/backends/durable-object/index.ts";

const logger = silentLogger();

/** Code of the Worker itself, beside which remote workers have theirs. */
const registry = new TaskRegistry()
  .addActivity("in-object", (_ctx, n: number) => n * 10)
  .addOrchestrator("local-parent", async (ctx, n: number) => {
    const here = (await ctx.callActivity("in-object", n)) as number;
    const there = (await ctx.callActivity("remote", here)) as number;
    return ctx.callSubOrchestrator("remote-child", there);
  });

/** An instance's object that can be made to die, as a deploy or a crash would end it. */
export class OrchestrationObject extends orchestrationObject({ registry, logger, maxParallelActivities: 2 }) {
  async die(): Promise<void> {
    this.ctx.abort("the test ends this object");
  }
}

/** The same with the contract's limit on payloads. */
export const ContractObject = orchestrationObject({
  registry: new TaskRegistry(),
  logger,
  maxPayloadBytes: CONTRACT_MAX_PAYLOAD_BYTES,
  bindings: contractBindings,
});

/** Unregistered names are parked soon, as in a hub of its own, and workers that have gone are missed soon. */
export const DispatcherObject = dispatcherObject({ logger, patienceMs: 150, healthPingMs: 500, sendTimeoutMs: 1000 });

export const ContractDispatcherObject = dispatcherObject({ logger, patienceMs: 150, bindings: contractBindings });

interface Environment extends TaskHubBindings {
  readonly CONTRACT: DurableObjectNamespace;
  readonly CONTRACT_DISPATCHER: DurableObjectNamespace;
}

function contractBindings(env: unknown): TaskHubBindings {
  const { CONTRACT, CONTRACT_DISPATCHER, HUB_INDEX } = env as Environment;
  return { ORCHESTRATIONS: CONTRACT, DISPATCHER: CONTRACT_DISPATCHER, HUB_INDEX };
}

/** The routes of each hub that was asked for. */
const routes = new Map<string, ReturnType<typeof taskHubRoutes>>();

export default {
  async fetch(request: Request, env: Environment): Promise<Response> {
    const cors = corsRules(["https://app.example.com"]);
    const preflight = cors.preflight(request);
    if (preflight !== undefined) return preflight;
    const hub = request.headers.get("taskhub") ?? "default";
    const url = new URL(request.url);
    if (url.pathname === "/die") {
      const name = objectName({ hub, incarnation: 1, instanceId: url.searchParams.get("id") ?? "" });
      const object = env.ORCHESTRATIONS.get(env.ORCHESTRATIONS.idFromName(name));
      await (object as unknown as OrchestrationObject).die().catch(() => undefined);
      return new Response("dead");
    }
    const serve =
      routes.get(hub) ?? taskHubRoutes(hub.startsWith("contract-") ? contractBindings(env) : env, { hub, logger });
    routes.set(hub, serve);
    const served = await serve(request);
    return cors.apply(request, served ?? new Response(null, { status: 404 }));
  },
};
