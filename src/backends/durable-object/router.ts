import type { DeliveryOutcome, Router } from "../../core/partition/ports.ts";
import type { Envelope } from "../../core/protocol/gen/perdura/model/v1/store_pb.ts";
import { marshalEnvelope } from "../../core/protocol/marshal.ts";
import type { OrchestrationNamespace } from "./bindings.ts";
import { type ObjectIdentity, objectName } from "./object-name.ts";
import { unwrap } from "./rpc.ts";

/** How many bytes go in one call, about: an RPC message takes 32 MiB at most, and a payload 4 of them. */
const CALL_BYTES = 8 * 1024 * 1024;

/** As many messages as fit one call, from the front, one at least; the rest goes in the next. */
function fitting(messages: readonly Uint8Array[]): readonly Uint8Array[] {
  let bytes = 0;
  const end = messages.findIndex((message, index) => {
    bytes += message.length;
    return index > 0 && bytes > CALL_BYTES;
  });
  return end < 0 ? messages : messages.slice(0, end);
}

/** Brings messages to the objects of other instances of the same hub. */
export class ObjectRouter implements Router {
  readonly #self: () => ObjectIdentity;
  readonly #objects: OrchestrationNamespace;

  constructor(self: () => ObjectIdentity, objects: OrchestrationNamespace) {
    this.#self = self;
    this.#objects = objects;
  }

  isLocal(instanceId: string): boolean {
    return instanceId === this.#self().instanceId;
  }

  async deliver(targetInstanceId: string, envelopes: readonly Envelope[]): Promise<readonly DeliveryOutcome[]> {
    const name = objectName({ ...this.#self(), instanceId: targetInstanceId });
    const target = this.#objects.get(this.#objects.idFromName(name));
    return unwrap(target.receive(fitting(envelopes.map(marshalEnvelope))));
  }
}
