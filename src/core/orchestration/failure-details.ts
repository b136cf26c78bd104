import type { FailureDetails } from "../hub/metadata.ts";
import type { TaskFailureDetails } from "../protocol/gen/perdura/model/v1/history_pb.ts";

/** How many causes of an error are kept. Chains may be long, and may be rings. */
const MAX_CAUSES = 16;
/** How much of a message and of a stack is kept: a failure must always fit into history. */
const MAX_TEXT = 32_768;

/**
 * What is recorded of a thrown value: class name, message, stack, whether retrying is pointless, and the chain of causes. Any
 * value will do, also one that is no Error or throws when it is looked at.
 */
export function failureDetailsOf(thrown: unknown): FailureDetails {
  return detailsOf(thrown, new Set(), MAX_CAUSES);
}

/** The plain form of recorded details. Missing details (some workers send none) are a failure without a message. */
export function failureDetailsFromMessage(message: TaskFailureDetails | undefined): FailureDetails {
  return plainOf(message, MAX_CAUSES);
}

function plainOf(message: TaskFailureDetails | undefined, causes: number): FailureDetails {
  const inner = causes > 0 ? message?.innerFailure : undefined;
  return {
    errorType: message?.errorType || "Error",
    errorMessage: message?.errorMessage ?? "it failed without details",
    ...(message?.stackTrace === undefined ? {} : { stackTrace: message.stackTrace }),
    ...(inner === undefined ? {} : { innerFailure: plainOf(inner, causes - 1) }),
    isNonRetriable: message?.isNonRetriable ?? false,
  };
}

function detailsOf(thrown: unknown, seen: Set<unknown>, causes: number): FailureDetails {
  if (!isError(thrown)) {
    return {
      errorType: typeOfValue(thrown),
      errorMessage: bounded(textOfValue(thrown)),
      isNonRetriable: flagOf(thrown),
    };
  }
  seen.add(thrown);
  const cause = read(thrown, "cause");
  const stack = read(thrown, "stack");
  const follow = cause !== undefined && cause !== null && causes > 0 && !seen.has(cause);
  return {
    errorType: bounded(nameOfError(thrown)),
    errorMessage: bounded(textOfValue(read(thrown, "message"))),
    ...(typeof stack === "string" ? { stackTrace: bounded(stack) } : {}),
    ...(follow ? { innerFailure: detailsOf(cause, seen, causes - 1) } : {}),
    isNonRetriable: flagOf(thrown),
  };
}

/** Also of a proxy that answers nothing. */
function isError(thrown: unknown): thrown is Error {
  try {
    return thrown instanceof Error;
  } catch {
    return false;
  }
}

/** `class Declined extends Error {}` leaves `name` at "Error": the class says more. */
function nameOfError(error: Error): string {
  const name = read(error, "name");
  if (typeof name === "string" && name !== "" && name !== "Error") return name;
  const own = (read(error, "constructor") as { readonly name?: unknown } | undefined)?.name;
  return typeof own === "string" && own !== "" ? own : "Error";
}

function typeOfValue(value: unknown): string {
  if (value === null) return "null";
  if (typeof value !== "object") return typeof value;
  const name = read(value, "name");
  return typeof name === "string" && name !== "" ? bounded(name) : "object";
}

function textOfValue(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    const message = typeof value === "object" && value !== null ? read(value, "message") : undefined;
    if (typeof message === "string") return message;
    return (typeof value === "object" ? JSON.stringify(value) : String(value)) ?? String(value);
  } catch {
    return "a value that cannot be shown";
  }
}

function flagOf(value: unknown): boolean {
  return typeof value === "object" && value !== null && read(value, "isNonRetriable") === true;
}

/** A property of a value that may have getters that throw. */
function read(value: object, key: string): unknown {
  try {
    return (value as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

function bounded(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}… (${text.length - MAX_TEXT} more characters)`;
}
