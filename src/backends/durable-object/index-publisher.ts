import { toBinary } from "@bufbuild/protobuf";
import type { Index } from "../../core/partition/ports.ts";
import { type IndexEntry, IndexEntrySchema } from "../../core/protocol/gen/perdura/model/v1/store_pb.ts";
import type { HubIndexNamespace } from "./bindings.ts";
import type { ObjectIdentity } from "./object-name.ts";
import { unwrap } from "./rpc.ts";

/** Tells the hub's index object of an instance. */
export class IndexPublisher implements Index {
  readonly #self: () => ObjectIdentity;
  readonly #indexes: HubIndexNamespace;

  constructor(self: () => ObjectIdentity, indexes: HubIndexNamespace) {
    this.#self = self;
    this.#indexes = indexes;
  }

  async publish(entry: IndexEntry): Promise<number | undefined> {
    const { hub, incarnation } = this.#self();
    const index = this.#indexes.get(this.#indexes.idFromName(hub));
    return unwrap(index.publish(incarnation, toBinary(IndexEntrySchema, entry)));
  }
}
