import { isDurableTaskRequest } from "../../connect/protocol/services.ts";
import { createConnectHandlers, type RouteOptions } from "../../connect/server/connect-executor.ts";
import { createSidecarFetch, type SidecarFetch } from "../../connect/server/fetch-handler.ts";
import type { TaskHubBindings } from "./bindings.ts";
import { RoutedHub } from "./routed-hub.ts";

/** How a Worker serves the executor protocol. */
export interface TaskHubRouteOptions
  extends Pick<RouteOptions, "dialect" | "logger" | "maxMessageBytes" | "now" | "router" | "skipWaitForInstanceStart"> {
  /** The hub's name: `[A-Za-z0-9_-]{1,64}`. Default `default`. */
  readonly hub?: string;
}

/** The calls that workers make: they belong where their streams end. */
const WORKER_CALL =
  /^(?:\/(?:dapr|microsoft))?\/TaskHubSidecarService\/(?:GetWorkItems|Complete\w+Task|AbandonTask\w+|StreamInstanceHistory)$/;

/**
 * The executor protocol for a Worker, to be made once, not for each request: `/TaskHubSidecarService/<Method>` and the same below `/dapr` and `/microsoft`. Clients'
 * calls go to the instances' own objects, workers' calls to the hub's dispatcher object. Who may call, and from which sites,
 * is for the Worker to see to before it asks this.
 *
 * @example
 * import { env } from "cloudflare:workers";
 * const serve = taskHubRoutes(env);
 * export default { fetch: (request) => serve(request) ?? new Response(null, { status: 404 }) };
 *
 * @throws {@link InvalidArgumentError} for a bad hub name.
 */
export function taskHubRoutes(env: TaskHubBindings, options: TaskHubRouteOptions = {}): SidecarFetch {
  const hub = new RoutedHub(env, options.hub ?? "default");
  let serve: SidecarFetch | undefined;
  return (request) => {
    const { pathname } = new URL(request.url);
    if (!isDurableTaskRequest(pathname)) return undefined;
    if (!WORKER_CALL.test(pathname)) {
      serve ??= createSidecarFetch(createConnectHandlers(hub, undefined, options));
      return serve(request);
    }
    return hub.dispatcher().then((dispatcher) => dispatcher.fetch(request));
  };
}
