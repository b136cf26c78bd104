import { cors } from "@connectrpc/connect";
import { ERROR_CODE_HEADER } from "../protocol/connect-errors.ts";
import { DIALECT_HEADER } from "./dialect-switch.ts";

/** How long a browser may remember a preflight's answer, in seconds: two hours, which is all that Chromium allows. */
const MAX_AGE_S = 7200;

/** Lets pages of some other origins call the routes, and no others. */
export interface CorsRules {
  /** Whether pages of that origin may. */
  allows(origin: string): boolean;
  /** Answers a preflight; `undefined` for a request that is none. One of an origin that may not gets no leave. */
  preflight(request: Request): Response | undefined;
  /** The answer as the page that asked may see it: unchanged where it may not. */
  apply(request: Request, response: Response): Response;
}

/**
 * Makes rules for cross-origin calls of the executor protocol, by Connect and gRPC-Web clients with a bearer token. Cookies
 * are not allowed to travel.
 *
 * @param origins the allow-list, each like `https://app.example.com`; `*` stands for all.
 */
export function corsRules(origins: readonly string[]): CorsRules {
  const allowed = new Set(origins);
  const allows = (origin: string): boolean => allowed.has("*") || allowed.has(origin);
  const originOf = (request: Request): string | undefined => {
    const origin = request.headers.get("origin");
    return origin !== null && allows(origin) ? origin : undefined;
  };
  return {
    allows,
    preflight(request) {
      if (request.method !== "OPTIONS" || !request.headers.has("access-control-request-method")) return undefined;
      const headers = new Headers({ vary: "origin" });
      const origin = originOf(request);
      if (origin !== undefined) {
        headers.set("access-control-allow-origin", origin);
        headers.set("access-control-allow-methods", cors.allowedMethods.join(", "));
        headers.set(
          "access-control-allow-headers",
          [...cors.allowedHeaders, "authorization", DIALECT_HEADER].join(", "),
        );
        headers.set("access-control-max-age", String(MAX_AGE_S));
      }
      return new Response(null, { status: 204, headers });
    },
    apply(request, response) {
      const origin = originOf(request);
      const shown = new Response(response.body, response);
      shown.headers.append("vary", "origin");
      if (origin === undefined) return shown;
      shown.headers.set("access-control-allow-origin", origin);
      shown.headers.set("access-control-expose-headers", [...cors.exposedHeaders, ERROR_CODE_HEADER].join(", "));
      return shown;
    },
  };
}
