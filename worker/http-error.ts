import { isPerduraError, type PerduraErrorCode } from "../src/core/index.ts";

/** What the Worker refuses by itself, beside the codes of the engine. */
export type HttpErrorCode =
  | PerduraErrorCode
  | "cross_origin"
  | "digest_mismatch"
  | "internal"
  | "malformed_body"
  | "method_not_allowed"
  | "not_configured"
  | "not_found"
  | "not_published"
  | "overloaded"
  | "transfer_differs"
  | "transfer_incomplete"
  | "transfer_not_found"
  | "unsupported_media_type";

/** An answer that is an error: its status, a stable code for programs, and a sentence for people. */
export class HttpError extends Error {
  readonly status: number;
  readonly code: HttpErrorCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: HttpErrorCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = "HttpError";
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** Which status each error of the engine has over HTTP. What no caller can cause is a 500. */
const STATUS_OF: Readonly<Record<PerduraErrorCode, number>> = {
  invalid_argument: 400,
  payload_not_serializable: 400,
  event_not_rerunnable: 400,
  unauthenticated: 401,
  instance_not_found: 404,
  task_hub_not_found: 404,
  unknown_instance_id: 404,
  unknown_task_id: 404,
  instance_exists: 409,
  instance_completed: 409,
  instance_not_completed: 409,
  instance_not_started: 409,
  task_hub_exists: 409,
  already_registered: 409,
  backend_already_started: 409,
  activity_gated: 409,
  blob_not_found: 404,
  instance_moved: 410,
  payload_too_large: 413,
  aborted: 499,
  unsupported: 501,
  work_item_lock_lost: 503,
  no_worker: 503,
  wait_timed_out: 504,
  not_registered: 500,
  no_failure_details: 500,
  not_initialized: 500,
  task_cancelled: 500,
  task_failed: 500,
  task_timed_out: 500,
  duplicate_event: 500,
  history_decode: 500,
  format_too_new: 500,
  nondeterminism: 500,
  storage: 500,
  storage_blocked: 500,
  storage_newer_schema: 500,
  storage_quota: 500,
  storage_quota_open: 500,
  storage_lost: 500,
  storage_unavailable: 500,
};

/** The answer for whatever was thrown. Nothing of an unknown error but its being one leaves the Worker; the log has it. */
export function errorResponse(thrown: unknown): Response {
  const { status, code, message, headers } = asHttpError(thrown);
  return Response.json({ error: { code, message } }, { status, headers: { "cache-control": "no-store", ...headers } });
}

function asHttpError(thrown: unknown): HttpError {
  if (thrown instanceof HttpError) return thrown;
  if (isPerduraError(thrown) && Object.hasOwn(STATUS_OF, thrown.code)) {
    const status = STATUS_OF[thrown.code];
    if (status >= 500) console.error(thrown);
    return new HttpError(status, thrown.code, thrown.message);
  }
  console.error(thrown);
  // The platform marks its own errors: an object that is overloaded, or that has just moved.
  const { retryable, overloaded } = (thrown ?? {}) as { readonly retryable?: boolean; readonly overloaded?: boolean };
  if (retryable === true || overloaded === true) {
    return new HttpError(503, "overloaded", "the instance cannot be reached now: try again", { "retry-after": "1" });
  }
  return new HttpError(500, "internal", "something failed here, and not by your doing: the Worker's log says what");
}
