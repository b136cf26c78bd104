import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import type { IncomingHttpHeaders as Http2Headers } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { DIALECT_HEADER } from "../server/dialect-switch.ts";

/** What belongs to one connection and not to a call. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What the gateway says itself, on either side. */
const OWN: ReadonlySet<string> = new Set([
  "accept",
  "accept-encoding",
  "content-encoding",
  "content-length",
  "content-type",
  // Without it the upstream compresses nothing: a compressed last frame could not be read without a library for it.
  "grpc-accept-encoding",
  "x-grpc-web",
]);

/** What the gateway adds to each request. */
export interface AddedHeaders {
  readonly token: string | undefined;
  readonly dialect: "dapr" | "microsoft" | undefined;
}

/**
 * A native gRPC request's content type as gRPC-Web's; `undefined` for one that is no gRPC. The messages within are framed alike.
 */
export function webContentType(contentType: string | undefined): string | undefined {
  const [, suffix] = /^application\/grpc(?:\+([a-z0-9.-]+))?$/i.exec(contentType?.split(";")[0]?.trim() ?? "") ?? [];
  if (suffix !== undefined) return `application/grpc-web+${suffix}`;
  return /^application\/grpc\s*(;|$)/i.test(contentType ?? "") ? "application/grpc-web+proto" : undefined;
}

/**
 * What goes to the upstream: the client's metadata, and what the gateway adds.
 *
 * @throws {@link ConnectError} `invalid_argument` for metadata that no header may hold.
 */
export function requestHeaders(from: Http2Headers, contentType: string, added: AddedHeaders): OutgoingHttpHeaders {
  const headers = endToEnd(from);
  for (const [name, value] of Object.entries(headers)) {
    if (!isPrintable(value))
      throw new ConnectError(
        `the metadata '${name}' is not of printable characters: give it a name that ends in -bin, and encode it`,
        Code.InvalidArgument,
      );
  }
  headers["content-type"] = contentType;
  headers.accept = contentType;
  headers["accept-encoding"] = "identity";
  headers["x-grpc-web"] = "1";
  if (added.token !== undefined) headers.authorization = `Bearer ${added.token}`;
  if (added.dialect !== undefined) headers[DIALECT_HEADER] ??= added.dialect;
  return headers;
}

/** What goes back to the client: the upstream's headers without those of the connection. */
export function responseHeaders(from: IncomingHttpHeaders): OutgoingHttpHeaders {
  const printable = Object.entries(endToEnd(from)).filter(([, value]) => isPrintable(value));
  return { ...Object.fromEntries(printable), "content-type": grpcContentType(from["content-type"]) };
}

/** Trailers that HTTP/2 can carry: what an upstream says in its last frame is bytes of its own choice. */
export function cleanTrailers(from: Headers): OutgoingHttpHeaders {
  const trailers: OutgoingHttpHeaders = {};
  from.forEach((value, name) => {
    if (isEndToEnd(name) && isPrintable(value)) trailers[name] = value;
  });
  return trailers;
}

/** Whether the answer is gRPC-Web, binary and not as text. */
export function isGrpcWeb(contentType: string | undefined): boolean {
  return /^application\/grpc-web(\+[a-z0-9.-]+)?\s*(;|$)/i.test(contentType ?? "");
}

function grpcContentType(web: string | undefined): string {
  return (web ?? "application/grpc-web+proto").replace(/^application\/grpc-web/i, "application/grpc");
}

function endToEnd(from: IncomingHttpHeaders | Http2Headers): OutgoingHttpHeaders {
  const named = (from.connection ?? "").toLowerCase().split(/\s*,\s*/);
  const headers: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(from)) {
    if (value !== undefined && isEndToEnd(name) && !named.includes(name)) headers[name] = value;
  }
  return headers;
}

function isPrintable(value: OutgoingHttpHeaders[string]): boolean {
  return [value ?? ""].flat().every((text) => /^[\t\x20-\x7e]*$/.test(String(text)));
}

function isEndToEnd(name: string): boolean {
  return !name.startsWith(":") && !HOP_BY_HOP.has(name) && !OWN.has(name);
}
