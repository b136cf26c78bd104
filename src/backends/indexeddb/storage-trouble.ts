import {
  PerduraError,
  StorageError,
  StorageNewerSchemaError,
  StorageQuotaAtOpenError,
  StorageQuotaError,
  StorageUnavailableError,
} from "../../core/errors.ts";

/** What a failed use of the database comes to. */
export interface Trouble {
  readonly error: Error;
  /** The handle is worth nothing any more, and a new one may do. */
  readonly reopen: boolean;
}

/** Names a failed open. Browsers word it differently: by name where there is a standard one. */
export function openTrouble(name: string, cause: unknown): Trouble {
  if (cause instanceof PerduraError) return { error: cause, reopen: false };
  switch (nameOf(cause)) {
    case "VersionError":
      return { error: new StorageNewerSchemaError(name, { cause }), reopen: false };
    case "QuotaExceededError":
      return { error: new StorageQuotaAtOpenError(name, { cause }), reopen: false };
    case "SecurityError":
      return { error: new StorageUnavailableError("this page may not use IndexedDB", { cause }), reopen: false };
    case "InvalidStateError":
      // Firefox, where it keeps nothing: "a mutation operation was attempted on a database that did not allow mutations".
      return { error: new StorageUnavailableError("this window keeps no databases", { cause }), reopen: false };
    default:
      return {
        error: new StorageError(`the database '${name}' cannot be opened: ${wordsOf(cause)}`, { cause }),
        reopen: true,
      };
  }
}

/** Names what made a transaction fail. The transaction has left nothing behind. */
export function transactionTrouble(name: string, cause: unknown): Trouble {
  if (cause instanceof PerduraError) return { error: cause, reopen: false };
  switch (nameOf(cause)) {
    case "QuotaExceededError":
      return { error: new StorageQuotaError(`the database '${name}' took no more`, { cause }), reopen: false };
    // The connection is closing, was lost ("Connection to Indexed Database server lost"), or its backing store failed.
    case "InvalidStateError":
    case "AbortError":
    case "UnknownError":
    case "TransactionInactiveError":
    case "NotFoundError":
      return { error: new StorageError(`the database '${name}' failed: ${wordsOf(cause)}`, { cause }), reopen: true };
    default:
      // Whatever the caller's code threw is the caller's.
      if (!(cause instanceof DOMException) && cause instanceof Error) return { error: cause, reopen: false };
      return { error: new StorageError(`the database '${name}' failed: ${wordsOf(cause)}`, { cause }), reopen: false };
  }
}

function nameOf(cause: unknown): string {
  return cause instanceof Error || cause instanceof DOMException ? cause.name : "";
}

/** Abort reasons can be `null`. */
function wordsOf(cause: unknown): string {
  if (cause instanceof Error || cause instanceof DOMException) return cause.message || cause.name;
  return cause === null || cause === undefined ? "no reason given" : String(cause);
}
