import type { Environment } from "./environment.ts";
import { HttpError } from "./http-error.ts";

const COOKIE = "perdura_session";

/**
 * Lets a request pass, or says why not. Without a configured credential nothing passes: a Worker that was deployed and
 * forgotten serves nobody.
 *
 * A program shows the token as `Authorization: Bearer`. A browser opens the page once with `?token=`; what comes back then is
 * a redirect that keeps a cookie, so that the token leaves the address bar. The cookie is derived from the token, and dies
 * with it.
 *
 * @param mayCall says which other sites' pages may write; none by default.
 * @returns an answer to send instead, or `undefined` to go on.
 * @throws {@link HttpError} 403 when no credential is configured, 401 without a right one, 403 for another site's writes.
 */
export async function authorize(
  request: Request,
  url: URL,
  environment: Environment,
  mayCall: (origin: string) => boolean = () => false,
): Promise<Response | undefined> {
  refuseOtherSites(request, url, mayCall);
  if (environment.PERDURA_OPEN === "1") return undefined;
  const token = environment.PERDURA_TOKEN ?? "";
  if (token === "") {
    throw new HttpError(
      403,
      "not_configured",
      "this Worker has no credential and refuses everything but /healthz: set one with `wrangler secret put PERDURA_TOKEN`",
    );
  }
  const [, bearer] = /^Bearer +(.+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
  if (bearer !== undefined && (await equal(bearer, token))) return undefined;
  const cookie = cookieOf(request);
  if (cookie !== undefined && (await equal(cookie, await sessionOf(token)))) return undefined;
  const query = request.method === "GET" ? url.searchParams.get("token") : null;
  if (query !== null && (await equal(query, token))) return withCookie(url, await sessionOf(token));
  throw new HttpError(
    401,
    "unauthenticated",
    "show the token: send `Authorization: Bearer <token>`, or open the page once as /?token=<token>",
    { "www-authenticate": 'Bearer realm="perdura"' },
  );
}

/** Another site must not act with a visitor's cookie, nor on a Worker that runs open on the visitor's own machine. */
function refuseOtherSites(request: Request, url: URL, mayCall: (origin: string) => boolean): void {
  if (request.method === "GET" || request.method === "HEAD") return;
  const origin = request.headers.get("origin");
  if (origin !== null && origin !== url.origin && !mayCall(origin)) {
    throw new HttpError(403, "cross_origin", `a page of ${origin} may not change anything here`);
  }
}

function withCookie(url: URL, session: string): Response {
  const clean = new URL(url);
  clean.searchParams.delete("token");
  const secure = url.protocol === "https:" ? "; Secure" : "";
  return new Response(null, {
    status: 303,
    headers: {
      location: `${clean.pathname}${clean.search}`,
      "set-cookie": `${COOKIE}=${session}; Path=/; HttpOnly; SameSite=Strict${secure}`,
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
    },
  });
}

function cookieOf(request: Request): string | undefined {
  const pairs = (request.headers.get("cookie") ?? "").split(/; */).map((pair) => pair.split("="));
  return pairs.find(([name]) => name === COOKIE)?.[1];
}

const utf8 = new TextEncoder();

/** What the cookie holds: an HMAC, from which nobody finds the token. */
async function sessionOf(token: string): Promise<string> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", utf8.encode(token), algorithm, false, ["sign"]);
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, utf8.encode("perdura session 1")));
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Compares digests, byte by byte to the end: the time that it takes tells nothing, not even a length. */
async function equal(shown: string, wanted: string): Promise<boolean> {
  const [one, other] = await Promise.all(
    [shown, wanted].map(async (text) => new Uint8Array(await crypto.subtle.digest("SHA-256", utf8.encode(text)))),
  );
  if (one === undefined || other === undefined) return false;
  return one.reduce((difference, byte, at) => difference | (byte ^ (other[at] ?? 0)), 0) === 0;
}
