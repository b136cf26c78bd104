/** A Worker without code of its own: all of it is at connected workers. */
import {
  dispatcherObject,
  orchestrationObject,
  type TaskHubBindings,
  taskHubRoutes,
} from "../../src/backends/durable-object/index.ts";
import type { SidecarFetch } from "../../src/connect/index.ts";
import { TaskRegistry } from "../../src/core/index.ts";

export { HubIndexObject } from "../../src/backends/durable-object/index.ts";

export const OrchestrationObject = orchestrationObject({ registry: new TaskRegistry() });
export const DispatcherObject = dispatcherObject();

let serve: SidecarFetch | undefined;

export default {
  fetch(request: Request, env: TaskHubBindings): Promise<Response> | Response {
    serve ??= taskHubRoutes(env);
    return serve(request) ?? new Response(null, { status: 404 });
  },
};
