/** Arbitrary messages of any schema, made from its descriptor, so that no kind and no field is forgotten. */
import {
  create,
  type DescField,
  type DescMessage,
  type DescOneof,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import fc from "fast-check";

/** How deep messages nest. */
const MAX_DEPTH = 3;

/** Messages of a schema. `pick` fixes which field of a oneof is set, by the oneof's name. */
export function messages<Desc extends DescMessage>(
  schema: Desc,
  pick: Readonly<Record<string, string>> = {},
): fc.Arbitrary<MessageShape<Desc>> {
  return inits(schema, 0, pick).map((init) => create(schema, init as never) as MessageShape<Desc>);
}

/** The names of a oneof's fields, as generated code writes them. */
export function casesOf(schema: DescMessage, oneof: string): readonly string[] {
  return schema.oneofs.find(({ localName }) => localName === oneof)?.fields.map(({ localName }) => localName) ?? [];
}

function inits(schema: DescMessage, depth: number, pick: Readonly<Record<string, string>> = {}): fc.Arbitrary<unknown> {
  const parts: Record<string, fc.Arbitrary<unknown>> = {};
  const required: string[] = [];
  for (const member of schema.members) {
    if (member.kind === "oneof") {
      const chosen = pick[member.localName];
      const value = oneofs(member, depth, chosen);
      if (value === undefined) continue;
      parts[member.localName] = value;
      if (chosen !== undefined) required.push(member.localName);
    } else {
      const value = values(member, depth);
      if (value !== undefined) parts[member.localName] = value;
    }
  }
  return fc.record(parts, { requiredKeys: required });
}

function oneofs(oneof: DescOneof, depth: number, chosen: string | undefined): fc.Arbitrary<unknown> | undefined {
  const fields = oneof.fields.filter(({ localName }) => chosen === undefined || localName === chosen);
  const choices = fields.flatMap((field) => {
    const value = values(field, depth);
    return value === undefined ? [] : [value.map((each) => ({ case: field.localName, value: each }))];
  });
  return choices.length === 0 ? undefined : fc.oneof(...choices);
}

function values(field: DescField, depth: number): fc.Arbitrary<unknown> | undefined {
  switch (field.fieldKind) {
    case "scalar":
      return scalars(field.scalar);
    case "enum":
      return fc.constantFrom(...field.enum.values.map(({ number }) => number));
    case "message":
      return nested(field.message, depth);
    case "list": {
      const items =
        field.listKind === "scalar"
          ? scalars(field.scalar)
          : field.listKind === "enum"
            ? fc.constantFrom(...field.enum.values.map(({ number }) => number))
            : nested(field.message, depth);
      return items === undefined ? undefined : fc.array(items, { maxLength: 3 });
    }
    case "map": {
      const items =
        field.mapKind === "scalar"
          ? scalars(field.scalar)
          : field.mapKind === "message"
            ? nested(field.message, depth)
            : undefined;
      return items === undefined ? undefined : fc.dictionary(texts, items, { maxKeys: 3, noNullPrototype: true });
    }
  }
}

function nested(message: DescMessage, depth: number): fc.Arbitrary<unknown> | undefined {
  if (message.typeName === "google.protobuf.Timestamp") {
    return fc.record({
      seconds: fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n }),
      nanos: fc.integer({ min: 0, max: 999_999_999 }),
    });
  }
  if (message.typeName.endsWith("Value") && message.typeName.startsWith("google.protobuf.")) {
    const [value] = message.fields;
    return value?.fieldKind === "scalar" ? scalars(value.scalar) : undefined;
  }
  return depth >= MAX_DEPTH ? undefined : inits(message, depth + 1);
}

const texts = fc.string({ unit: "grapheme", maxLength: 12 });

function scalars(type: ScalarType): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.STRING:
      return texts;
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 12 });
    case ScalarType.DOUBLE:
      return fc.double({ noNaN: true });
    case ScalarType.FLOAT:
      return fc.float({ noNaN: true });
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return fc.integer({ min: 0, max: 2 ** 32 - 1 });
    default:
      return fc.integer();
  }
}
