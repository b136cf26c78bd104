import { Code, ConnectError } from "@connectrpc/connect";
import {
  AbortedError,
  errorFromCode,
  isPerduraError,
  PerduraError,
  type PerduraErrorCode,
  StorageError,
} from "../../core/errors.ts";

/** The header or trailer that carries a {@link PerduraErrorCode} beside the protocol's own code. */
export const ERROR_CODE_HEADER = "perdura-error-code";

const CODES: Readonly<Partial<Record<PerduraErrorCode, Code>>> = {
  invalid_argument: Code.InvalidArgument,
  instance_not_found: Code.NotFound,
  instance_exists: Code.AlreadyExists,
  instance_completed: Code.FailedPrecondition,
  instance_not_completed: Code.FailedPrecondition,
  instance_not_started: Code.FailedPrecondition,
  no_failure_details: Code.FailedPrecondition,
  payload_too_large: Code.ResourceExhausted,
  task_hub_exists: Code.AlreadyExists,
  task_hub_not_found: Code.NotFound,
  not_initialized: Code.FailedPrecondition,
  not_registered: Code.FailedPrecondition,
  work_item_lock_lost: Code.Aborted,
  task_cancelled: Code.Aborted,
  unknown_instance_id: Code.NotFound,
  unknown_task_id: Code.NotFound,
  event_not_rerunnable: Code.NotFound,
  wait_timed_out: Code.DeadlineExceeded,
  aborted: Code.Canceled,
  unsupported: Code.Unimplemented,
  unauthenticated: Code.Unauthenticated,
  no_worker: Code.Unavailable,
  instance_moved: Code.FailedPrecondition,
  blob_not_found: Code.NotFound,
};

/**
 * An error as the protocol tells it: the fitting code, and the text that the Go reference's clients look for.
 *
 * @param prefix what the reference puts before the text of this call's errors.
 */
export function toConnectError(error: unknown, prefix = ""): ConnectError {
  if (error instanceof ConnectError) return error;
  if (!isPerduraError(error)) return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
  const code = CODES[error.code] ?? (error instanceof StorageError ? Code.Unavailable : Code.Unknown);
  return new ConnectError(`${prefix}${error.message}`, code, { [ERROR_CODE_HEADER]: error.code }, undefined, error);
}

/** What the reference puts before some errors; not part of the error's own message. */
const PREFIX =
  /^(failed to create orchestration instance|failed to submit termination request|failed to purge orchestration state): /;

/**
 * The error that the other side threw, as its own class again. A failure of the transport itself becomes a
 * {@link StorageError}: the hub was not reached, and nothing is known of what it did.
 */
export function fromConnectError(thrown: unknown): PerduraError {
  if (thrown instanceof PerduraError) return thrown;
  const error = ConnectError.from(thrown);
  const code = error.metadata.get(ERROR_CODE_HEADER);
  if (code !== null)
    return errorFromCode(code as PerduraErrorCode, error.rawMessage.replace(PREFIX, ""), { cause: error });
  const options = { cause: error };
  switch (error.code) {
    case Code.Canceled:
      return new AbortedError("the call was aborted", options);
    case Code.InvalidArgument:
      return errorFromCode("invalid_argument", error.rawMessage, options);
    case Code.Unauthenticated:
    case Code.PermissionDenied:
      return errorFromCode("unauthenticated", error.rawMessage, options);
    case Code.Unimplemented:
      return errorFromCode("unsupported", error.rawMessage, options);
    case Code.ResourceExhausted:
      return errorFromCode("payload_too_large", error.rawMessage, options);
    default:
      return new StorageError(`the hub could not be reached or could not answer: ${error.message}`, options);
  }
}
