import type { IncomingMessage } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeFromHttpStatus } from "@connectrpc/connect/protocol-grpc";

/** How much of an answer that is no gRPC is read to quote from it, in bytes. */
const MAX_QUOTED_BYTES = 4096;

/** What an answer that is no gRPC means for the call, and what to do about it. Reads the answer. */
export async function refusalOf(response: IncomingMessage, url: string): Promise<ConnectError> {
  const status = response.statusCode ?? 0;
  const said = await quote(response);
  return new ConnectError(`${url} answered ${status}${said}: ${adviceFor(status, response)}`, codeOf(status));
}

/** Whether the answer comes from something before the Worker, which may not have seen the request. */
export function isFromBefore(status: number | undefined): boolean {
  return status !== undefined && ((status >= 502 && status <= 504) || (status >= 520 && status <= 530));
}

function codeOf(status: number): Code {
  if (status === 413) return Code.ResourceExhausted;
  if (status === 405 || status === 415) return Code.Unimplemented;
  return isFromBefore(status) ? Code.Unavailable : codeFromHttpStatus(status);
}

function adviceFor(status: number, response: IncomingMessage): string {
  if (status === 401)
    return "give the gateway the token that the Worker has, in the environment variable PERDURA_TOKEN or with --token";
  if (status === 403)
    return "the Worker has no credential configured (wrangler secret put PERDURA_TOKEN), or something before it refuses the gateway";
  if (status === 404 || status === 405 || status === 415)
    return "nothing there serves the executor protocol: check --upstream, with the path if the routes are below one";
  if (status === 413) return "the message is larger than the upstream takes";
  if (status === 429) return "too many requests: try again later";
  if (isFromBefore(status)) return "the Worker cannot be reached now: try again later";
  const { location } = response.headers;
  if (location !== undefined)
    return `it sends callers on to ${printable(location)}: give --upstream the address itself, and let the gateway past a login page`;
  return "that is not gRPC: check that --upstream is the Worker itself";
}

/** What the answer says for people: the message of a JSON error, or a line of plain text. No page. */
async function quote(response: IncomingMessage): Promise<string> {
  const type = response.headers["content-type"] ?? "";
  if (!/json|text\/plain/.test(type)) {
    response.destroy();
    return type === "" ? "" : ` with ${printable(type)}`;
  }
  let text = "";
  try {
    response.setEncoding("utf8");
    for await (const piece of response) {
      text += piece;
      if (text.length >= MAX_QUOTED_BYTES) break;
    }
  } catch {
    // What came before the connection broke says enough.
  }
  const said = printable(messageOf(text) ?? text.split("\n")[0] ?? "");
  return said === "" ? "" : ` ("${said}")`;
}

function messageOf(text: string): string | undefined {
  try {
    const body = JSON.parse(text) as { message?: unknown; error?: { message?: unknown } } | null;
    const message = body?.error?.message ?? body?.message;
    return typeof message === "string" ? message : undefined;
  } catch {
    return undefined;
  }
}

function printable(text: string): string {
  return text
    .replace(/[^\x20-\x7e]+/g, " ")
    .slice(0, 200)
    .trim();
}
