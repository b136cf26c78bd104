/** The Worker that is deployed: it publishes sets of files, as a sample of what orchestrations are for. */
import { dispatcherObject, orchestrationObject, taskHubClient } from "../src/backends/durable-object/index.ts";
import { isDurableTaskRequest } from "../src/connect/index.ts";
import { instanceRoutes } from "./api/instances.ts";
import { publicationRoutes } from "./api/publications.ts";
import { publishRoutes } from "./api/publish.ts";
import { transferRoutes } from "./api/transfers.ts";
import { authorize } from "./authorize.ts";
import type { Environment } from "./environment.ts";
import { errorResponse } from "./http-error.ts";
import { servePage } from "./page.ts";
import { serveProtocol } from "./protocol.ts";
import { registry } from "./publish/registry.ts";
import { type Route, route } from "./router.ts";

export { HubIndexObject } from "../src/backends/durable-object/index.ts";
export { FilesObject } from "./files/files-object.ts";
export { TransferObject } from "./transfers/transfer-object.ts";

/** Where remote workers connect. */
export const DispatcherObject = dispatcherObject();

/** Holds one orchestration instance each. */
export const OrchestrationObject = orchestrationObject({ registry, maxParallelActivities: 4 });

const routes: readonly Route[] = [
  ["GET", /^\/$/, servePage],
  ...publishRoutes,
  ...instanceRoutes,
  ...publicationRoutes,
  ...transferRoutes,
];

async function answer(request: Request, env: Environment): Promise<Response> {
  const url = new URL(request.url);
  if (url.pathname === "/healthz") return Response.json({ ok: true, service: "perdura" });
  if (isDurableTaskRequest(url.pathname)) return serveProtocol(request, url, env);
  const instead = await authorize(request, url, env);
  if (instead !== undefined) return instead;
  const [handler, params] = route(routes, request, url);
  return handler({ request, url, env, params, client: taskHubClient(env, { registry }) });
}

export default {
  async fetch(request: Request, env: Environment): Promise<Response> {
    try {
      return await answer(request, env);
    } catch (error) {
      return errorResponse(error);
    }
  },
};
