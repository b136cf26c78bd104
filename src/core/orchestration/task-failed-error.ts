import { PerduraError } from "../errors.ts";
import type { FailureDetails } from "../hub/metadata.ts";

/**
 * An activity or a sub-orchestration failed, after all its retries. Its `cause` is the original error, rebuilt with name,
 * message, stack and its own causes; `failure` is the same as data.
 */
export class TaskFailedError extends PerduraError {
  /** What failed. */
  readonly kind: "activity" | "orchestrator";
  /** Its name. */
  readonly taskName: string;
  /** The id of the action of the last attempt. */
  readonly taskId: number;
  /** The failure as it was recorded. */
  readonly failure: FailureDetails;

  constructor(kind: "activity" | "orchestrator", taskName: string, taskId: number, failure: FailureDetails) {
    super("task_failed", `${kind} '${taskName}' failed: ${failure.errorMessage}`, { cause: errorOf(failure) });
    this.name = "TaskFailedError";
    // The frames would be the engine's, and others in replay than in the first run. The cause has those of the original.
    this.stack = `${this.name}: ${this.message}`;
    this.kind = kind;
    this.taskName = taskName;
    this.taskId = taskId;
    this.failure = failure;
  }

  /** The name of the original error's class, say `"TypeError"`. */
  get errorType(): string {
    return this.failure.errorType;
  }

  /** Whether trying again is pointless: whoever failed said so. */
  get isNonRetriable(): boolean {
    return this.failure.isNonRetriable;
  }
}

/**
 * Throw it in an activity or a sub-orchestration to say that trying again is pointless. Any error whose `isNonRetriable` is
 * true says the same.
 *
 * @example
 * throw new NonRetriableError(`no such order: ${id}`);
 */
export class NonRetriableError extends Error {
  readonly isNonRetriable = true;

  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = "NonRetriableError";
  }
}

/** An error made of recorded details: name, message, stack and causes are those of the original. */
function errorOf(failure: FailureDetails): Error {
  const cause = failure.innerFailure === undefined ? undefined : errorOf(failure.innerFailure);
  const error = new Error(failure.errorMessage, cause === undefined ? undefined : { cause });
  error.name = failure.errorType;
  error.stack = failure.stackTrace ?? `${failure.errorType}: ${failure.errorMessage}`;
  if (failure.isNonRetriable) Object.defineProperty(error, "isNonRetriable", { value: true, enumerable: true });
  return error;
}
