import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { AbortedError } from "../../core/errors.ts";
import { toConnectError } from "../protocol/connect-errors.ts";

/** Runs a unary call; its errors become the protocol's. A wait that ran into the caller's deadline says so. */
export async function call<T>(context: HandlerContext, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { signal } = context;
    if (error instanceof AbortedError && signal.aborted && signal.reason instanceof ConnectError) throw signal.reason;
    if (error instanceof AbortedError && signal.aborted) throw new ConnectError("the call was canceled", Code.Canceled);
    throw toConnectError(error);
  }
}

/** Puts the reference's words before the errors of one step of a call. */
export async function prefixed<T>(prefix: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof AbortedError ? error : toConnectError(error, prefix);
  }
}

/** What the reference puts before the errors of some calls. */
export const PREFIXES: {
  readonly create: string;
  readonly terminate: string;
  readonly purge: string;
} = {
  create: "failed to create orchestration instance: ",
  terminate: "failed to submit termination request: ",
  purge: "failed to purge orchestration state: ",
};
