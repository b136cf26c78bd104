import type { TaskHubClient } from "../src/core/index.ts";
import type { Environment } from "./environment.ts";
import { HttpError } from "./http-error.ts";

/** What a handler is given. */
export interface Call {
  readonly request: Request;
  readonly url: URL;
  readonly env: Environment;
  readonly client: TaskHubClient;
  /** The decoded variable parts of the path, in order. May be empty texts: whoever uses them checks them. */
  readonly params: readonly string[];
}

/** Answers a call, or throws. */
export type Handler = (call: Call) => Response | Promise<Response>;

/** A method, a path whose variable parts are groups, and who answers. */
export type Route = readonly [method: "GET" | "POST" | "PUT" | "DELETE", path: RegExp, handler: Handler];

/**
 * Finds who answers a request; HEAD goes where GET goes.
 *
 * @throws {@link HttpError} 404 for an unknown path, 405 for a known one with another method, 400 for a badly encoded one.
 */
export function route(routes: readonly Route[], request: Request, url: URL): [Handler, readonly string[]] {
  const method = request.method === "HEAD" ? "GET" : request.method;
  const allowed: string[] = [];
  for (const [routeMethod, path, handler] of routes) {
    const match = path.exec(url.pathname);
    if (match === null) continue;
    if (routeMethod === method) return [handler, match.slice(1).map(decode)];
    allowed.push(routeMethod);
  }
  if (allowed.length === 0) throw new HttpError(404, "not_found", `there is nothing at ${url.pathname}`);
  const allow = [...new Set(allowed)].join(", ");
  throw new HttpError(405, "method_not_allowed", `${url.pathname} takes ${allow}, not ${request.method}`, { allow });
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new HttpError(400, "invalid_argument", `'${part}' in the path is badly encoded: percent-encode it as UTF-8`);
  }
}
