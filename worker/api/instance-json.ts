import { describeWaiting, type FailureDetails, type OrchestrationMetadata } from "../../src/core/index.ts";

/** A failure without its stack traces: those are for the log. */
export interface PublicFailure {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly innerFailure?: PublicFailure;
}

/** An instance as clients see it: payloads as values, times in ISO 8601, and a sentence of what it waits for. */
export function instanceJson(metadata: OrchestrationMetadata): Readonly<Record<string, unknown>> {
  const { customStatus, input, output, failureDetails, ...rest } = metadata;
  return {
    ...rest,
    waiting: describeWaiting(metadata),
    customStatus: payloadValue(customStatus),
    input: payloadValue(input),
    output: payloadValue(output),
    failure: failureDetails === undefined ? undefined : publicFailure(failureDetails),
  };
}

/** The value of a payload; a text that is no JSON stays as it is. */
export function payloadValue(payload: string | undefined): unknown {
  if (payload === undefined) return undefined;
  try {
    return JSON.parse(payload);
  } catch {
    return payload;
  }
}

function publicFailure({ errorType, errorMessage, innerFailure }: FailureDetails): PublicFailure {
  return {
    errorType,
    errorMessage,
    ...(innerFailure === undefined ? {} : { innerFailure: publicFailure(innerFailure) }),
  };
}
