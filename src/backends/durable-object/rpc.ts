import { errorFromCode, isPerduraError, type PerduraErrorCode } from "../../core/errors.ts";

/**
 * The answer of an object's method. Errors travel as data: a thrown one would lose its code on the way, and would be logged
 * by the platform as if the object had crashed.
 */
export type RpcAnswer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: PerduraErrorCode; readonly message: string };

/** Runs a method's body and packs what comes of it. Errors that are not ours are thrown on: they are the platform's. */
export async function answer<T>(run: () => Promise<T>): Promise<RpcAnswer<T>> {
  try {
    return { ok: true, value: await run() };
  } catch (error) {
    if (!isPerduraError(error)) throw error;
    return { ok: false, code: error.code, message: error.message };
  }
}

/** Unpacks an answer. @throws the error that the object answered. */
export async function unwrap<T>(call: Promise<RpcAnswer<T>>): Promise<T> {
  const result = await call;
  if (result.ok) return result.value;
  throw errorFromCode(result.code, result.message);
}
