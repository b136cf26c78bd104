/**
 * Sends one file in chunks, and goes on after any interruption. The sender chooses the id, long and random enough that nobody
 * else does.
 *
 * | call | does |
 * |---|---|
 * | `PUT /api/transfers/{id}` with `{ name, bytes, chunkBytes, sha256 }` | declares the file |
 * | `GET /api/transfers/{id}` | says which chunks are missing |
 * | `PUT /api/transfers/{id}/chunks/{index}` with the bytes, and `Content-Digest` | stores one |
 * | `POST /api/transfers/{id}/finish` | checks the hash of the whole; from then on the file is kept |
 * | `GET /api/transfers/{id}/content` | gives the file |
 * | `DELETE /api/transfers/{id}` | deletes all of it, finished or not |
 *
 * All answer the status but the last two, and all may be made again. What is not finished within a week is deleted.
 */
import { InvalidArgumentError } from "../../src/core/index.ts";
import { readBody, readJsonObject } from "../body.ts";
import { HttpError, type HttpErrorCode } from "../http-error.ts";
import type { Call, Handler, Route } from "../router.ts";
import { checkContentDigest } from "../transfers/content-digest.ts";
import { chunksOf, type Declaration, type Refusal, type TransferStatus } from "../transfers/model.ts";
import type { TransferObject } from "../transfers/transfer-object.ts";

const MAX_FILE_BYTES = 64 * 1024 * 1024;
/** One chunk is one row, which takes 2 MB at most. */
const MAX_CHUNK_BYTES = 1024 * 1024;
const MAX_CHUNKS = 1024;
const MAX_NAME_BYTES = 255;

const ID = /^[A-Za-z0-9_-]{16,64}$/;
const SHA256 = /^[0-9a-f]{64}$/;

const STATUS_OF: Readonly<Record<Refusal["refused"], readonly [status: number, code: HttpErrorCode]>> = {
  "not found": [404, "transfer_not_found"],
  different: [409, "transfer_differs"],
  incomplete: [409, "transfer_incomplete"],
  invalid: [400, "invalid_argument"],
  corrupt: [422, "digest_mismatch"],
};

const declare: Handler = async (call) => {
  const declaration = declarationOf(await readJsonObject(call.request, ["name", "bytes", "chunkBytes", "sha256"]));
  return statusResponse(await transferOf(call).declare(declaration));
};

const status: Handler = async (call) => statusResponse(await transferOf(call).status());

const putChunk: Handler = async (call) => {
  const transfer = transferOf(call);
  const index = indexOf(call.params[1] ?? "");
  const body = await readBody(call.request, MAX_CHUNK_BYTES);
  const sha256 = await checkContentDigest(call.request, body);
  return statusResponse(await transfer.put(index, body, sha256));
};

const finish: Handler = async (call) => statusResponse(await transferOf(call).finish());

const content: Handler = async (call) => {
  const transfer = transferOf(call);
  const { name, bytes, sha256, finished } = accepted(await transfer.status());
  if (!finished) throw new HttpError(409, "transfer_incomplete", "the file is not finished yet: ask again when it is");
  const etag = `"${sha256}"`;
  const headers = {
    "cache-control": "private, no-cache",
    "content-type": "application/octet-stream",
    // For saving only: whoever sent it may not script against this Worker with a visitor's cookie.
    "content-disposition": `attachment; filename*=UTF-8''${headerEncoded(name)}`,
    "content-security-policy": "sandbox; default-src 'none'",
    "x-content-type-options": "nosniff",
    etag,
  };
  if (call.request.headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers });
  const { readable, writable } = new FixedLengthStream(bytes);
  void (await transfer.content()).pipeTo(writable).catch(() => undefined);
  return new Response(readable, { headers });
};

const discard: Handler = async (call) => {
  await transferOf(call).discard();
  return new Response(null, { status: 204 });
};

/** @throws {@link InvalidArgumentError} for an id that is none. */
function transferOf({ env, params: [id = ""] }: Call): DurableObjectStub<TransferObject> {
  if (!ID.test(id)) throw new InvalidArgumentError("a transfer's id has 16 to 64 letters, digits, '-' and '_'");
  return env.TRANSFERS.get(env.TRANSFERS.idFromName(id));
}

/** RFC 8187 allows less than addresses do. */
function headerEncoded(text: string): string {
  const percent = (char: string): string => `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text).replace(/['()*]/g, percent);
}

function indexOf(text: string): number {
  if (!/^(0|[1-9]\d{0,5})$/.test(text)) throw new InvalidArgumentError("chunks are counted from 0, in digits only");
  return Number(text);
}

/** @throws {@link InvalidArgumentError} or {@link HttpError} 413, saying what to declare. */
function declarationOf({ name, bytes, chunkBytes, sha256 }: Readonly<Record<string, unknown>>): Declaration {
  if (typeof name !== "string" || name === "" || /[\p{Control}\p{Surrogate}]/u.test(name)) {
    throw new InvalidArgumentError("'name' must be the file's name, without control characters");
  }
  if (new TextEncoder().encode(name).length > MAX_NAME_BYTES) {
    throw new InvalidArgumentError(`'name' is longer than ${MAX_NAME_BYTES} bytes: shorten it`);
  }
  if (typeof bytes !== "number" || !Number.isInteger(bytes) || bytes < 0) {
    throw new InvalidArgumentError("'bytes' must be a whole number from 0");
  }
  if (bytes > MAX_FILE_BYTES) {
    throw new HttpError(413, "payload_too_large", `a file may have ${MAX_FILE_BYTES} bytes: this one has ${bytes}`);
  }
  if (
    typeof chunkBytes !== "number" ||
    !Number.isInteger(chunkBytes) ||
    chunkBytes < 1 ||
    chunkBytes > MAX_CHUNK_BYTES
  ) {
    throw new InvalidArgumentError(`'chunkBytes' must be a whole number from 1 to ${MAX_CHUNK_BYTES}`);
  }
  if (typeof sha256 !== "string" || !SHA256.test(sha256)) {
    throw new InvalidArgumentError("'sha256' must be 64 lower-case hex digits");
  }
  const declaration = { name, bytes, chunkBytes, sha256 };
  if (chunksOf(declaration) > MAX_CHUNKS) {
    throw new InvalidArgumentError(`that makes more than ${MAX_CHUNKS} chunks: use a larger 'chunkBytes'`);
  }
  return declaration;
}

/** @throws {@link HttpError} for a refusal. */
function accepted(answer: TransferStatus | Refusal): TransferStatus {
  if (!("refused" in answer)) return answer;
  const [code, name] = STATUS_OF[answer.refused];
  throw new HttpError(code, name, answer.why);
}

function statusResponse(answer: TransferStatus | Refusal): Response {
  return Response.json(accepted(answer), { headers: { "cache-control": "no-store" } });
}

/** Where files are sent in chunks. */
export const transferRoutes: readonly Route[] = [
  ["PUT", /^\/api\/transfers\/([^/]*)$/, declare],
  ["GET", /^\/api\/transfers\/([^/]*)$/, status],
  ["DELETE", /^\/api\/transfers\/([^/]*)$/, discard],
  ["PUT", /^\/api\/transfers\/([^/]*)\/chunks\/([^/]*)$/, putChunk],
  ["POST", /^\/api\/transfers\/([^/]*)\/finish$/, finish],
  ["GET", /^\/api\/transfers\/([^/]*)\/content$/, content],
];
