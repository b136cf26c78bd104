import { HttpError } from "./http-error.ts";

/** The longest JSON body, in bytes: names and reasons fit many times over. */
const MAX_JSON_BYTES = 64 * 1024;

/** How often the limit is read, and thrown away, before the answer: a client that is still sending does not hear it. */
const PATIENCE = 4;

/**
 * Reads a body, however its length was announced. Of one above the limit nothing is kept.
 *
 * @throws {@link HttpError} 413.
 */
export async function readBody(request: Request, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = (): HttpError =>
    new HttpError(413, "payload_too_large", `the body is above the limit of ${limit} bytes: send less at a time`);
  if (Number(request.headers.get("content-length") ?? 0) > limit * PATIENCE) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > limit * PATIENCE) throw tooLarge();
    if (length > limit) chunks.length = 0;
    else chunks.push(chunk);
  }
  if (length > limit) throw tooLarge();
  const body = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}

/**
 * The JSON object of a body, of which only some fields are expected; no body is an empty object.
 *
 * @param fields the names that it may have.
 * @throws {@link HttpError} 400 or 413, saying what to send.
 */
export async function readJsonObject<F extends string>(
  request: Request,
  fields: readonly F[],
): Promise<{ readonly [P in F]?: unknown }> {
  const bytes = await readBody(request, MAX_JSON_BYTES);
  if (bytes.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes));
  } catch {
    throw new HttpError(400, "malformed_body", "the body is not JSON: send an object such as {}, or no body at all");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new HttpError(400, "malformed_body", "the body is not a JSON object: send one such as {}");
  }
  for (const name of Object.keys(value)) {
    if ((fields as readonly string[]).includes(name)) continue;
    throw new HttpError(
      400,
      "invalid_argument",
      `'${name}' means nothing here: use ${fields.join(", ") || "no field"}`,
    );
  }
  return value as { readonly [P in F]?: unknown };
}

/**
 * As {@link readJsonObject}, of texts only.
 *
 * @throws {@link HttpError} 400 or 413, saying what to send.
 */
export async function readTexts<F extends string>(
  request: Request,
  fields: readonly F[],
): Promise<{ readonly [P in F]?: string }> {
  const value = await readJsonObject(request, fields);
  for (const [name, text] of Object.entries(value)) {
    if (typeof text !== "string") throw new HttpError(400, "invalid_argument", `'${name}' must be a text`);
  }
  return value as { readonly [P in F]?: string };
}
