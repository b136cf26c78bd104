/**
 * Every error that Perdura throws. Each has a stable `code` (listed with its meaning in docs/errors.md), a message that
 * says what to do, and keeps its `cause`. Codes, not classes, cross process borders: {@link errorFromCode} rebuilds the
 * class on the other side.
 */

/** The stable codes, one per error class. A code never changes its meaning once released. */
export type PerduraErrorCode =
  | "invalid_argument"
  | "instance_not_found"
  | "instance_exists"
  | "instance_completed"
  | "instance_not_completed"
  | "instance_not_started"
  | "no_failure_details"
  | "not_registered"
  | "already_registered"
  | "payload_too_large"
  | "payload_not_serializable"
  | "task_hub_exists"
  | "task_hub_not_found"
  | "not_initialized"
  | "backend_already_started"
  | "work_item_lock_lost"
  | "task_cancelled"
  | "task_failed"
  | "task_timed_out"
  | "unknown_instance_id"
  | "unknown_task_id"
  | "duplicate_event"
  | "history_decode"
  | "format_too_new"
  | "nondeterminism"
  | "event_not_rerunnable"
  | "wait_timed_out"
  | "aborted"
  | "unsupported"
  | "unauthenticated"
  | "no_worker"
  | "activity_gated"
  | "instance_moved"
  | "blob_not_found"
  | "storage"
  | "storage_blocked"
  | "storage_newer_schema"
  | "storage_quota"
  | "storage_quota_open"
  | "storage_lost"
  | "storage_unavailable";

/** Options that every error takes: the cause, kept for those who look. */
export interface PerduraErrorOptions {
  readonly cause?: unknown;
}

const NAMES: Readonly<Record<PerduraErrorCode, string>> = {
  invalid_argument: "InvalidArgumentError",
  instance_not_found: "InstanceNotFoundError",
  instance_exists: "InstanceExistsError",
  instance_completed: "InstanceCompletedError",
  instance_not_completed: "InstanceNotCompletedError",
  instance_not_started: "NotStartedError",
  no_failure_details: "NoFailureDetailsError",
  not_registered: "NotRegisteredError",
  already_registered: "AlreadyRegisteredError",
  payload_too_large: "PayloadTooLargeError",
  payload_not_serializable: "PayloadNotSerializableError",
  task_hub_exists: "TaskHubExistsError",
  task_hub_not_found: "TaskHubNotFoundError",
  not_initialized: "NotInitializedError",
  backend_already_started: "BackendAlreadyStartedError",
  work_item_lock_lost: "WorkItemLockLostError",
  task_cancelled: "TaskCancelledError",
  task_failed: "TaskFailedError",
  task_timed_out: "TaskTimedOutError",
  unknown_instance_id: "UnknownInstanceIdError",
  unknown_task_id: "UnknownTaskIdError",
  duplicate_event: "DuplicateEventError",
  history_decode: "HistoryDecodeError",
  format_too_new: "FormatTooNewError",
  nondeterminism: "NonDeterminismError",
  event_not_rerunnable: "EventNotRerunnableError",
  wait_timed_out: "WaitTimedOutError",
  aborted: "AbortedError",
  unsupported: "UnsupportedError",
  unauthenticated: "UnauthenticatedError",
  no_worker: "NoWorkerError",
  activity_gated: "ActivityGatedError",
  instance_moved: "InstanceMovedError",
  blob_not_found: "BlobNotFoundError",
  storage: "StorageError",
  storage_blocked: "StorageBlockedError",
  storage_newer_schema: "StorageNewerSchemaError",
  storage_quota: "StorageQuotaError",
  storage_quota_open: "StorageQuotaAtOpenError",
  storage_lost: "StorageLostError",
  storage_unavailable: "StorageUnavailableError",
};

/** The base of all errors of this package. Catch it, then look at `code`. */
export class PerduraError extends Error {
  /** Stable code, for programs. */
  readonly code: PerduraErrorCode;

  constructor(code: PerduraErrorCode, message: string, options?: PerduraErrorOptions) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    // From a table, not from the class: minifiers rename classes, and the name ends up in histories.
    this.name = NAMES[code];
  }
}

/** An argument is malformed: an empty id, a non-finite duration, a negative limit. Nothing was changed. */
export class InvalidArgumentError extends PerduraError {
  constructor(message: string, options?: PerduraErrorOptions) {
    super("invalid_argument", message, options);
  }
}

/** No instance of that id exists (or it was purged). */
export class InstanceNotFoundError extends PerduraError {
  constructor(instanceId?: string, options?: PerduraErrorOptions) {
    super(
      "instance_not_found",
      instanceId === undefined ? "no such instance exists" : `no such instance exists: check the id '${instanceId}'`,
      options,
    );
  }
}

/** A start named an id that is taken and whose reuse policy does not allow it to be replaced. */
export class InstanceExistsError extends PerduraError {
  constructor(instanceId: string, options?: PerduraErrorOptions) {
    super(
      "instance_exists",
      `orchestration instance already exists: choose another id than '${instanceId}', pass a reuse policy, or purge it first`,
      options,
    );
  }
}

/** The instance has ended, so that it takes no more events. */
export class InstanceCompletedError extends PerduraError {
  constructor(instanceId: string, status: string, options?: PerduraErrorOptions) {
    super(
      "instance_completed",
      `instance '${instanceId}' has ended (${status}) and takes no more events: start a new one or restart it`,
      options,
    );
  }
}

/** The operation needs an ended instance. */
export class InstanceNotCompletedError extends PerduraError {
  constructor(instanceId?: string, options?: PerduraErrorOptions) {
    super(
      "instance_not_completed",
      instanceId === undefined
        ? "orchestration has not yet completed"
        : `orchestration has not yet completed: wait for '${instanceId}' or terminate it first`,
      options,
    );
  }
}

/** The runtime state holds no start event yet. */
export class NotStartedError extends PerduraError {
  constructor(options?: PerduraErrorOptions) {
    super("instance_not_started", "orchestration has not started", options);
  }
}

/** The orchestration ended without failure details. */
export class NoFailureDetailsError extends PerduraError {
  constructor(options?: PerduraErrorOptions) {
    super("no_failure_details", "orchestration did not report failure details", options);
  }
}

/** A name that this registry does not know. */
export class NotRegisteredError extends PerduraError {
  /** What was looked for. */
  readonly kind: "orchestrator" | "activity";
  /** The name that was not found. */
  readonly taskName: string;

  constructor(kind: "orchestrator" | "activity", name: string, options?: PerduraErrorOptions) {
    super(
      "not_registered",
      `${kind} named '${name}' is not registered: add it to the TaskRegistry of the worker that should run it`,
      options,
    );
    this.kind = kind;
    this.taskName = name;
  }
}

/** A name was added to a registry twice. */
export class AlreadyRegisteredError extends PerduraError {
  constructor(kind: "orchestrator" | "activity", name: string, options?: PerduraErrorOptions) {
    super(
      "already_registered",
      `${kind} named '${name}' is already registered: give one of the two another name`,
      options,
    );
  }
}

/** A payload is above the limit. Nothing was stored. */
export class PayloadTooLargeError extends PerduraError {
  constructor(what: string, bytes: number, limit: number, options?: PerduraErrorOptions) {
    super(
      "payload_too_large",
      `${what} is ${bytes} bytes, above the limit of ${limit}: store the data elsewhere and pass a reference, or raise maxPayloadBytes`,
      options,
    );
  }
}

/** A value could not be turned into text, or a text not into a value. */
export class PayloadNotSerializableError extends PerduraError {
  constructor(what: string, options?: PerduraErrorOptions) {
    super(
      "payload_not_serializable",
      `${what} cannot be converted: pass plain JSON data or another DataConverter`,
      options,
    );
  }
}

/** `createTaskHub` found the hub already there. Its data is untouched. */
export class TaskHubExistsError extends PerduraError {
  constructor(options?: PerduraErrorOptions) {
    super("task_hub_exists", "task hub already exists", options);
  }
}

/** `deleteTaskHub` found no hub. */
export class TaskHubNotFoundError extends PerduraError {
  constructor(options?: PerduraErrorOptions) {
    super("task_hub_not_found", "task hub not found", options);
  }
}

/** The backend was used before `createTaskHub`. */
export class NotInitializedError extends PerduraError {
  constructor(options?: PerduraErrorOptions) {
    super("not_initialized", "backend not initialized: call createTaskHub() first", options);
  }
}

/** `start` was called on a backend that runs. */
export class BackendAlreadyStartedError extends PerduraError {
  constructor(options?: PerduraErrorOptions) {
    super("backend_already_started", "backend is already started", options);
  }
}

/** The writer no longer owns the work item, or the partition: nothing of what it tried to commit was stored. */
export class WorkItemLockLostError extends PerduraError {
  constructor(detail?: string, options?: PerduraErrorOptions) {
    super("work_item_lock_lost", `lock on work-item was lost${detail === undefined ? "" : `: ${detail}`}`, options);
  }
}

/** A durable task was cancelled, or a remote work item handed back. */
export class TaskCancelledError extends PerduraError {
  constructor(message = "the task was canceled", options?: PerduraErrorOptions) {
    super("task_cancelled", message, options);
  }
}

/** An activity attempt, or a whole retried call, ran out of its time. */
export class TaskTimedOutError extends PerduraError {
  constructor(what: string, timeoutMs: number, options?: PerduraErrorOptions) {
    super("task_timed_out", `${what} did not finish within ${timeoutMs} ms`, options);
  }
}

/** A rendezvous was completed or cancelled for an instance that waits for none. */
export class UnknownInstanceIdError extends PerduraError {
  constructor(instanceId: string, options?: PerduraErrorOptions) {
    super("unknown_instance_id", `unknown instance ID: ${instanceId}`, options);
  }
}

/** A rendezvous was completed or cancelled for an activity that nobody waits for. */
export class UnknownTaskIdError extends PerduraError {
  constructor(instanceId: string, taskId: number, options?: PerduraErrorOptions) {
    super("unknown_task_id", `unknown instance ID/task ID combo: ${instanceId}/${taskId}`, options);
  }
}

/** A history event repeats one that is there: a second start, completion or result. */
export class DuplicateEventError extends PerduraError {
  constructor(detail?: string, options?: PerduraErrorOptions) {
    super("duplicate_event", `duplicate event${detail === undefined ? "" : `: ${detail}`}`, options);
  }
}

/** Stored or received bytes are not a message of this package. */
export class HistoryDecodeError extends PerduraError {
  constructor(message: string, options?: PerduraErrorOptions) {
    super("history_decode", message, options);
  }
}

/** The stored data was written by a newer release whose format this one does not know. */
export class FormatTooNewError extends PerduraError {
  constructor(found: number, known: number, options?: PerduraErrorOptions) {
    super(
      "format_too_new",
      `the stored history has format ${found}, this release knows up to ${known}: deploy the newer release again`,
      options,
    );
  }
}

/** What a {@link NonDeterminismError} compared. */
export interface Divergence {
  /** Index of the history event (0-based, within the generation) at which code and history part; -1 where none applies. */
  readonly eventNumber: number;
  /** What history has, in words. */
  readonly recorded: string;
  /** What the code asked for, in words. */
  readonly asked: string;
}

/** The orchestrator's code did something else than its history, or awaited something that is not durable. */
export class NonDeterminismError extends PerduraError {
  /** The two sides, where the error is about a recorded event. */
  readonly divergence: Divergence | undefined;

  constructor(message: string, divergence?: Divergence, options?: PerduraErrorOptions) {
    super("nondeterminism", message, options);
    this.divergence = divergence;
  }
}

/** `rerun` named an event that no run can begin from. */
export class EventNotRerunnableError extends PerduraError {
  constructor(message: string, options?: PerduraErrorOptions) {
    super("event_not_rerunnable", message, options);
  }
}

/** A wait ended before what it waited for. The instance goes on. */
export class WaitTimedOutError extends PerduraError {
  constructor(what: string, timeoutMs: number, options?: PerduraErrorOptions) {
    super("wait_timed_out", `${what} did not happen within ${timeoutMs} ms: wait again, the instance goes on`, options);
  }
}

/** The caller's signal aborted the call. */
export class AbortedError extends PerduraError {
  constructor(message = "the call was aborted", options?: PerduraErrorOptions) {
    super("aborted", message, options);
  }
}

/** This host cannot do that; the message says what can. */
export class UnsupportedError extends PerduraError {
  constructor(message: string, options?: PerduraErrorOptions) {
    super("unsupported", message, options);
  }
}

/** The caller showed no valid credential. */
export class UnauthenticatedError extends PerduraError {
  constructor(message: string, options?: PerduraErrorOptions) {
    super("unauthenticated", message, options);
  }
}

/** No connected worker can run the work now. It is set aside, and tried again when one connects. */
export class NoWorkerError extends PerduraError {
  constructor(message: string, options?: PerduraErrorOptions) {
    super("no_worker", message, options);
  }
}

/** The store failed for a reason of its own; the cause has it. Nothing of the batch was stored unless the message says so. */
export class StorageError extends PerduraError {
  /** @param code a more precise one, for the subclasses. */
  constructor(message: string, options?: PerduraErrorOptions, code: PerduraErrorCode = "storage") {
    super(code, message, options);
  }
}

/** The activity may not run now: its gate is closed. It waits without using up an attempt. */
export class ActivityGatedError extends PerduraError {
  constructor(name: string, until: string, options?: PerduraErrorOptions) {
    super("activity_gated", `activity '${name}' waits until ${until}`, options);
  }
}

/** The instance was handed to another home with `exportInstance({ move: true })`; this copy of it is closed. */
export class InstanceMovedError extends PerduraError {
  constructor(instanceId: string, options?: PerduraErrorOptions) {
    super("instance_moved", `instance '${instanceId}' has moved: go on with it where it was imported`, options);
  }
}

/** A blob that a payload refers to is not kept here: it was removed, purged with its instance, or kept in another browser. */
export class BlobNotFoundError extends PerduraError {
  constructor(instanceId: string, blobId: string, options?: PerduraErrorOptions) {
    super("blob_not_found", `blob '${blobId}' of '${instanceId}' is not kept here: ask for the file again`, options);
  }
}

/** Another page keeps an old version of the database open, so that this one cannot be opened. */
export class StorageBlockedError extends StorageError {
  constructor(name: string, options?: PerduraErrorOptions) {
    super(
      `the database '${name}' is held open by another tab with older code: close or reload the other tabs of this site`,
      options,
      "storage_blocked",
    );
  }
}

/** The database was written by a newer release, or a newer page is upgrading it. Nothing of it was touched. */
export class StorageNewerSchemaError extends StorageError {
  constructor(name: string, options?: PerduraErrorOptions) {
    super(
      `the database '${name}' belongs to a newer version of this app: reload the page`,
      options,
      "storage_newer_schema",
    );
  }
}

/** No room was left for a write. Nothing of the batch was stored; what was stored before is untouched. */
export class StorageQuotaError extends StorageError {
  constructor(what: string, options?: PerduraErrorOptions) {
    super(
      `${what}: the storage quota is used up: free some room (purge ended instances), then try again`,
      options,
      "storage_quota",
    );
  }
}

/** The database could not even be opened for want of room. */
export class StorageQuotaAtOpenError extends StorageError {
  constructor(name: string, options?: PerduraErrorOptions) {
    super(
      `the database '${name}' cannot be opened, since the disk or the storage quota is full: free some room, then reload`,
      options,
      "storage_quota_open",
    );
  }
}

/** The database that was here is gone: cleared by the user, evicted by the browser, or damaged. Its instances are lost. */
export class StorageLostError extends StorageError {
  /** How many of its instances were unfinished at the last count. `undefined`: nothing is left that knows. */
  readonly unfinished: number | undefined;

  constructor(name: string, detail: string, options: PerduraErrorOptions & { readonly unfinished?: number } = {}) {
    const { unfinished } = options;
    super(
      `the database '${name}' was lost (${detail}): its instances cannot be continued here` +
        (unfinished === undefined ? "" : `; ${unfinished} of them were unfinished at the last count`),
      options,
      "storage_lost",
    );
    this.unfinished = unfinished;
  }
}

/** There is no durable storage here: a private window, a blocked origin, or a host without it. */
export class StorageUnavailableError extends StorageError {
  constructor(detail: string, options?: PerduraErrorOptions) {
    super(`no durable storage is available: ${detail}`, options, "storage_unavailable");
  }
}

/** Says whether a value is an error of this package, also when it comes from another copy of it. */
export function isPerduraError(value: unknown): value is PerduraError {
  return value instanceof Error && typeof (value as { code?: unknown }).code === "string" && "name" in value;
}

/** The classes that {@link errorFromCode} can give back; a code without one comes back as the base class. */
const CLASSES: Readonly<Partial<Record<PerduraErrorCode, { readonly prototype: PerduraError }>>> = {
  invalid_argument: InvalidArgumentError,
  instance_not_found: InstanceNotFoundError,
  instance_exists: InstanceExistsError,
  instance_completed: InstanceCompletedError,
  instance_not_completed: InstanceNotCompletedError,
  instance_not_started: NotStartedError,
  no_failure_details: NoFailureDetailsError,
  not_registered: NotRegisteredError,
  already_registered: AlreadyRegisteredError,
  payload_too_large: PayloadTooLargeError,
  payload_not_serializable: PayloadNotSerializableError,
  task_hub_exists: TaskHubExistsError,
  task_hub_not_found: TaskHubNotFoundError,
  not_initialized: NotInitializedError,
  backend_already_started: BackendAlreadyStartedError,
  work_item_lock_lost: WorkItemLockLostError,
  task_cancelled: TaskCancelledError,
  task_timed_out: TaskTimedOutError,
  unknown_instance_id: UnknownInstanceIdError,
  unknown_task_id: UnknownTaskIdError,
  duplicate_event: DuplicateEventError,
  history_decode: HistoryDecodeError,
  format_too_new: FormatTooNewError,
  nondeterminism: NonDeterminismError,
  event_not_rerunnable: EventNotRerunnableError,
  wait_timed_out: WaitTimedOutError,
  aborted: AbortedError,
  unsupported: UnsupportedError,
  unauthenticated: UnauthenticatedError,
  no_worker: NoWorkerError,
  activity_gated: ActivityGatedError,
  instance_moved: InstanceMovedError,
  blob_not_found: BlobNotFoundError,
  storage: StorageError,
  storage_blocked: StorageBlockedError,
  storage_newer_schema: StorageNewerSchemaError,
  storage_quota: StorageQuotaError,
  storage_quota_open: StorageQuotaAtOpenError,
  storage_lost: StorageLostError,
  storage_unavailable: StorageUnavailableError,
};

/**
 * Rebuilds an error that crossed a process border as code and message, so that `instanceof` holds on this side too. Fields
 * beyond these two stay behind.
 */
export function errorFromCode(code: PerduraErrorCode, message: string, options?: PerduraErrorOptions): PerduraError {
  const error = new PerduraError(code, message, options);
  const own = CLASSES[code];
  // Not its constructor: that one words its own message.
  if (own !== undefined) Object.setPrototypeOf(error, own.prototype);
  return error;
}
