import type { MessageInitShape } from "@bufbuild/protobuf";
import { defined } from "./defined.ts";
import type { TaskFailureDetailsSchema } from "./gen/perdura/model/v1/history_pb.ts";

/** An error as data: a message, or the fields of one. */
export type FailureDetailsInit = MessageInitShape<typeof TaskFailureDetailsSchema>;

/**
 * How many levels of `innerFailure` a failure keeps. Decoders of both dialects give up at a nesting of 100, so that a
 * deeper failure could be written and never read again.
 */
export const MAX_FAILURE_DEPTH = 64;

/**
 * The failure with no more than {@link MAX_FAILURE_DEPTH} levels; the inmost ones are dropped. What is given stays as
 * it is, and is returned itself when it is not too deep.
 */
export function limitFailureDepth<T extends FailureDetailsInit | undefined>(failure: T): T | FailureDetailsInit {
  const levels: FailureDetailsInit[] = [];
  for (let level: FailureDetailsInit | undefined = failure; level !== undefined; level = level.innerFailure) {
    if (levels.length === MAX_FAILURE_DEPTH) return rebuild(levels);
    levels.push(level);
  }
  return failure;
}

function rebuild(levels: readonly FailureDetailsInit[]): FailureDetailsInit {
  return levels.reduceRight<FailureDetailsInit | undefined>(
    (innerFailure, level) => defined({ ...level, innerFailure }) as FailureDetailsInit,
    undefined,
  ) as FailureDetailsInit;
}
