import { create, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";

/** Makes messages in which every field is set, with values that are all different. */
export class MessageMaker {
  #counter = 0;
  readonly #skips: (message: DescMessage, field: DescField) => boolean;

  /** @param skips fields to leave unset. */
  constructor(skips: (message: DescMessage, field: DescField) => boolean = () => false) {
    this.#skips = skips;
  }

  /** One message for each member of the type's oneofs; one for a type without. */
  all(desc: DescMessage): Message[] {
    const widest = Math.max(1, ...desc.oneofs.map(({ fields }) => fields.length));
    return Array.from({ length: widest }, (_, choice) => this.#make(desc, choice, 0));
  }

  #make(desc: DescMessage, choice: number, depth: number): Message {
    const message = create(desc);
    const target = reflect(desc, message, false);
    for (const field of desc.fields) {
      if (this.#skips(desc, field)) continue;
      if (field.oneof !== undefined && field.oneof.fields[choice % field.oneof.fields.length] !== field) continue;
      if (field.message !== undefined && depth > 3) continue;
      const value = this.#value(field, depth);
      if (field.fieldKind === "list") {
        for (const item of [value, this.#value(field, depth)]) target.get(field).add(item as never);
      } else if (field.fieldKind === "map") target.get(field).set(`key ${++this.#counter}` as never, value as never);
      else target.set(field, value as never);
    }
    return message;
  }

  #value(field: DescField, depth: number): unknown {
    const n = ++this.#counter;
    const { message } = field;
    if (message !== undefined) {
      if (message.typeName === "google.protobuf.Value")
        return reflect(message, create(message, { kind: { case: "stringValue", value: `v ${n}` } } as never));
      return reflect(message, this.#make(message, n, depth + 1));
    }
    if (field.enum !== undefined) return field.enum.values[n % Math.min(field.enum.values.length, 8)]?.number;
    switch (field.scalar) {
      case ScalarType.STRING:
        return `text ${n} é`;
      case ScalarType.BOOL:
        return true;
      case ScalarType.BYTES:
        return new Uint8Array([n % 256, 7]);
      case ScalarType.INT64:
      case ScalarType.UINT64:
      case ScalarType.SINT64:
        return BigInt(n);
      case ScalarType.DOUBLE:
      case ScalarType.FLOAT:
        return n + 0.5;
      default:
        return n % 900;
    }
  }
}

/** A class of messages as google-protobuf generates it. */
export interface ForeignClass {
  deserializeBinary(bytes: Uint8Array): { serializeBinary(): Uint8Array; toObject(): Record<string, unknown> };
  readonly prototype: object;
}

/** Says whether the class has the field: generated getters are named after it. */
export function knows(type: ForeignClass, field: DescField): boolean {
  const bare = field.name.toLowerCase();
  const suffix = field.fieldKind === "list" ? "list" : field.fieldKind === "map" ? "map" : "";
  return Object.getOwnPropertyNames(type.prototype).some((name) => name.toLowerCase() === `get${bare}${suffix}`);
}
