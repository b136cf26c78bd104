import { type CallOptions, type Client, createClient, type Transport } from "@connectrpc/connect";
import { daprService } from "../protocol/services.ts";
import { DIALECT_HEADER } from "../server/dialect-switch.ts";

/** The generated client of the service, in the dialect that Perdura's own client and worker speak. */
export type SidecarClient = Client<typeof daprService>;

/** Makes the generated client. */
export function newSidecarClient(transport: Transport): SidecarClient {
  return createClient(daprService, transport);
}

/** What every call carries: which dialect it is in, so that a server of both need not guess. */
export function callOptions(signal?: AbortSignal, timeoutMs?: number): CallOptions {
  return {
    headers: { [DIALECT_HEADER]: "dapr" },
    ...(signal === undefined ? {} : { signal }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}
