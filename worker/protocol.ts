import { env as environment } from "cloudflare:workers";
import { taskHubRoutes } from "../src/backends/durable-object/index.ts";
import { corsRules } from "../src/connect/index.ts";
import { authorize } from "./authorize.ts";
import type { Environment } from "./environment.ts";
import { errorResponse, HttpError } from "./http-error.ts";

/** Made once: they are the same for every request. */
const bound = environment as unknown as Environment;
const serve = taskHubRoutes(bound);
const cors = corsRules(originsOf(bound));

/**
 * Serves the executor protocol to remote workers and clients: `/TaskHubSidecarService/<Method>`. They show the token as the
 * other callers do; pages of the origins in `PERDURA_ORIGINS` may too.
 */
export async function serveProtocol(request: Request, url: URL, env: Environment): Promise<Response> {
  const preflight = cors.preflight(request);
  if (preflight !== undefined) return preflight;
  try {
    const instead = await authorize(request, url, env, (origin) => cors.allows(origin));
    const response = instead ?? (await serve(request));
    if (response === undefined) throw new HttpError(404, "not_found", `there is no method at ${url.pathname}`);
    return cors.apply(request, response);
  } catch (error) {
    return cors.apply(request, errorResponse(error));
  }
}

function originsOf({ PERDURA_ORIGINS = "" }: Environment): string[] {
  return PERDURA_ORIGINS.split(",")
    .map((origin) => origin.trim())
    .filter((origin) => origin !== "");
}
