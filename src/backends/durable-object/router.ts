import type { DeliveryOutcome, Router } from "../../core/partition/ports.ts";
import type { Envelope } from "../../core/protocol/gen/perdura/model/v1/store_pb.ts";
import { marshalEnvelope } from "../../core/protocol/marshal.ts";
import type { OrchestrationNamespace } from "./bindings.ts";
import { type ObjectIdentity, objectName } from "./object-name.ts";
import { unwrap } from "./rpc.ts";

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
    return unwrap(target.receive(envelopes.map(marshalEnvelope)));
  }
}
