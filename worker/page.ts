import { markup } from "./page/markup.ts";
import { script } from "./page/script.ts";
import { style } from "./page/style.ts";
import type { Call } from "./router.ts";

let policy: Promise<string> | undefined;

/** Serves the page: one file that asks nothing of anybody but this Worker. Its own script and style are allowed by their hashes, and nothing else. */
export async function servePage({ env }: Call): Promise<Response> {
  policy ??= policyFor(style, script);
  return new Response(markup(style, script, env.PERDURA_EXAMPLE), {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": await policy,
      "cache-control": "no-cache",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
    },
  });
}

async function policyFor(...inline: readonly [style: string, script: string]): Promise<string> {
  const [styleHash, scriptHash] = await Promise.all(inline.map(hashOf));
  return [
    "default-src 'none'",
    `style-src '${styleHash}'`,
    `script-src '${scriptHash}'`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join("; ");
}

async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}`;
}
