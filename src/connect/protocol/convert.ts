import { create, type DescField, type DescMessage, type Message, type MessageShape } from "@bufbuild/protobuf";

type Fields = Record<string, unknown>;
type Oneof = { readonly case: string | undefined; readonly value?: unknown };
type Copy = (source: Fields, target: Fields) => void;

/** Copies of a pair of message types, made once; by source type, then target type. */
export class MessageConverter {
  readonly #plans = new WeakMap<DescMessage, WeakMap<DescMessage, readonly Copy[]>>();

  /**
   * The same message in another schema, field by field of the same name: the model's names are those of both dialects, whatever
   * their numbers are. What the target does not have is left out; a oneof whose case it does not have comes out unset. Nothing
   * is changed in the source; well-known types are shared with it.
   */
  convert<To extends DescMessage>(from: DescMessage, to: To, message: Message): MessageShape<To> {
    if ((from as DescMessage) === to) return message as MessageShape<To>;
    const target = create(to as DescMessage);
    for (const copy of this.#plan(from, to)) copy(message as unknown as Fields, target as unknown as Fields);
    return target as MessageShape<To>;
  }

  #plan(from: DescMessage, to: DescMessage): readonly Copy[] {
    let plans = this.#plans.get(from);
    if (plans === undefined) {
      plans = new WeakMap();
      this.#plans.set(from, plans);
    }
    let plan = plans.get(to);
    if (plan === undefined) {
      plan = this.#make(from, to);
      plans.set(to, plan);
    }
    return plan;
  }

  #make(from: DescMessage, to: DescMessage): readonly Copy[] {
    const copies: Copy[] = [];
    for (const field of from.fields) {
      const other = to.field[field.localName];
      if (field.oneof !== undefined || other === undefined || other.oneof !== undefined || !isAlike(field, other))
        continue;
      const one = this.#value(field, other);
      copies.push((source, target) => {
        const value = source[field.localName];
        if (value !== undefined) target[field.localName] = one(value);
      });
    }
    for (const oneof of from.oneofs) {
      const other = to.oneofs.find(({ localName }) => localName === oneof.localName);
      if (other === undefined) continue;
      const values = new Map<string, (value: unknown) => unknown>();
      for (const field of oneof.fields) {
        const same = other.fields.find(({ localName }) => localName === field.localName);
        if (same !== undefined && isAlike(field, same)) values.set(field.localName, this.#value(field, same));
      }
      copies.push((source, target) => {
        const chosen = source[oneof.localName] as Oneof;
        const one = chosen.case === undefined ? undefined : values.get(chosen.case);
        if (one !== undefined) target[oneof.localName] = { case: chosen.case, value: one(chosen.value) };
      });
    }
    return copies;
  }

  #value(from: DescField, to: DescField): (value: unknown) => unknown {
    const { message } = from;
    const other = to.message;
    if (from.fieldKind === "list" && message !== undefined && other !== undefined && !isShared(message, other)) {
      return (value) => (value as Message[]).map((item) => this.convert(message, other, item));
    }
    if (from.fieldKind === "list") return (value) => [...(value as unknown[])];
    if (from.fieldKind === "map") return (value) => ({ ...(value as Fields) });
    if (message === undefined || other === undefined || isShared(message, other)) return (value) => value;
    return (value) => this.convert(message, other, value as Message);
  }
}

/** Of one kind, so that a value of the one fits into the other. */
function isAlike(one: DescField, other: DescField): boolean {
  return (
    one.fieldKind === other.fieldKind &&
    one.scalar === other.scalar &&
    (one.message === undefined) === (other.message === undefined)
  );
}

/** Well-known types are the same in all schemas. */
function isShared(one: DescMessage, other: DescMessage): boolean {
  return one.typeName === other.typeName;
}
