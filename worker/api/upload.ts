import { InvalidArgumentError, toMilliseconds } from "../../src/core/index.ts";
import { readBody } from "../body.ts";
import type { FileContent } from "../files/files-object.ts";
import { HttpError } from "../http-error.ts";

const MAX_FILES = 200;
const MAX_FILE_BYTES = 4 * 1024 * 1024;
const MAX_TOTAL_BYTES = 32 * 1024 * 1024;
const MAX_PATH_BYTES = 512;
/** What the form's boundaries and headers may add to the contents. */
const MAX_FORM_OVERHEAD = 512 * 1024;
const MAX_TIMEOUT_MS = 365 * 86_400_000;
const DEFAULT_TIMEOUT_MS = 600_000;

/** A checked upload. */
export interface Upload {
  readonly files: readonly FileContent[];
  /** The wanted instance id, if one was given. */
  readonly id: string | undefined;
  readonly approvalTimeoutMs: number;
}

/**
 * Reads the form of `POST /publish`: each part with a file name is a file, which the name gives its path; the fields `id` and
 * `approvalTimeout` are optional.
 *
 * @throws {@link HttpError} 400, 413 or 415, or {@link InvalidArgumentError}, saying what to send.
 */
export async function readUpload(request: Request): Promise<Upload> {
  const form = await readForm(request);
  const files = new Map<string, FileContent>();
  let id: string | undefined;
  let approvalTimeoutMs = DEFAULT_TIMEOUT_MS;
  for (const [field, value] of form) {
    if (typeof value !== "string") {
      const file = await readFile(value);
      if (files.has(file.path))
        throw new InvalidArgumentError(`'${file.path}' comes twice: give each file its own path`);
      files.set(file.path, file);
      if (files.size > MAX_FILES) throw tooLarge(`there are more than ${MAX_FILES} files`);
    } else if (field === "id") id = value;
    else if (field === "approvalTimeout") approvalTimeoutMs = timeoutOf(value);
    else throw new InvalidArgumentError(`the field '${field}' means nothing here: use id, approvalTimeout, and files`);
  }
  if (files.size === 0)
    throw new InvalidArgumentError("there is no file in the form: send at least one, with a file name");
  const total = [...files.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
  if (total > MAX_TOTAL_BYTES) throw tooLarge(`the files have ${total} bytes, above the limit of ${MAX_TOTAL_BYTES}`);
  return { files: [...files.values()], id, approvalTimeoutMs };
}

async function readForm(request: Request): Promise<FormData> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^multipart\/form-data\b/i.test(type)) {
    throw new HttpError(415, "unsupported_media_type", "send the files as multipart/form-data, one part each");
  }
  const body = await readBody(request, MAX_TOTAL_BYTES + MAX_FORM_OVERHEAD);
  try {
    return await new Response(body, { headers: { "content-type": type } }).formData();
  } catch {
    throw new HttpError(400, "malformed_body", "the body is not the multipart form that its content-type announces");
  }
}

async function readFile(file: File): Promise<FileContent> {
  const path = checkPath(file.name);
  if (file.size > MAX_FILE_BYTES) {
    throw tooLarge(`'${path}' has ${file.size} bytes, above the limit of ${MAX_FILE_BYTES} for a file`);
  }
  return { path, bytes: new Uint8Array(await file.arrayBuffer()) };
}

/** Paths become addresses: relative, with slashes, and none that leads elsewhere. */
function checkPath(path: string): string {
  const isRelative = path.split("/").every((segment) => segment !== "" && segment !== "." && segment !== "..");
  if (!isRelative || /[\\\p{Control}\p{Surrogate}]/u.test(path)) {
    throw new InvalidArgumentError(`'${path.slice(0, 100)}' is no relative path: name files like docs/guide.md`);
  }
  if (new TextEncoder().encode(path).length > MAX_PATH_BYTES) {
    throw new InvalidArgumentError(
      `the path '${path.slice(0, 40)}…' is longer than ${MAX_PATH_BYTES} bytes: shorten it`,
    );
  }
  return path;
}

function timeoutOf(text: string): number {
  const ms = toMilliseconds(text, "approvalTimeout");
  if (ms < 1 || ms > MAX_TIMEOUT_MS) {
    throw new InvalidArgumentError(`approvalTimeout is ${ms} ms: give a time from 1ms to 365d`);
  }
  return ms;
}

function tooLarge(what: string): HttpError {
  return new HttpError(413, "payload_too_large", `${what}: publish less at a time`);
}
