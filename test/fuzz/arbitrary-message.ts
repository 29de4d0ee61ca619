import {
  create,
  type DescField,
  type DescMessage,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import fc from "fast-check";
import type { Vocabulary } from "./vocabulary.ts";

const DEEPEST = 6;
const LONGEST_LIST = 3;

/** Any message of this type that protobuf can carry: values that nobody means, numbers of no enum, oneofs without a case. */
export function arbitraryMessage(desc: DescMessage, words: Vocabulary): fc.Arbitrary<Message> {
  return initOf(desc, words, 0).map((init) => create(desc, init as never) as Message);
}

function initOf(desc: DescMessage, words: Vocabulary, depth: number): fc.Arbitrary<object> {
  const fields = desc.fields.filter(({ oneof }) => oneof === undefined);
  const plain = fc.record(
    Object.fromEntries(fields.map((field) => [field.localName, valueFor(field, words, depth)])),
    { requiredKeys: [] },
  );
  const oneofs = fc.record(
    Object.fromEntries(
      desc.oneofs.map((oneof) => [
        oneof.localName,
        fc.oneof(
          ...oneof.fields.map((field) =>
            valueFor(field, words, depth).map((value) => ({ case: field.localName, value })),
          ),
        ),
      ]),
    ),
    { requiredKeys: [] },
  );
  return fc.tuple(plain, oneofs).map(([first, second]) => defined({ ...first, ...second }));
}

function valueFor(field: DescField, words: Vocabulary, depth: number): fc.Arbitrary<unknown> {
  switch (field.fieldKind) {
    case "scalar":
      return scalar(field.scalar, field.name, words);
    case "enum":
      return enumNumber(field.enum.values.map(({ number }) => number));
    case "message":
      return nested(field.message, words, depth);
    case "list": {
      if (field.listKind === "message" && depth >= DEEPEST) return fc.constant([]);
      const item =
        field.listKind === "message"
          ? nested(field.message, words, depth)
          : field.listKind === "enum"
            ? enumNumber(field.enum.values.map(({ number }) => number))
            : scalar(field.scalar, field.name, words);
      return fc.array(
        item.filter((value) => value !== undefined),
        { maxLength: LONGEST_LIST },
      );
    }
    case "map": {
      const key = fc.oneof(
        fc.constantFrom("A", "PORT", "PATH", "__proto__x", "=", ""),
        fc.string(),
      );
      const value =
        field.mapKind === "message"
          ? nested(field.message, words, depth)
          : field.mapKind === "enum"
            ? enumNumber(field.enum.values.map(({ number }) => number))
            : scalar(field.scalar, field.name, words);
      const present = value.filter((item) => item !== undefined);
      return fc.dictionary(key, present, { maxKeys: LONGEST_LIST, noNullPrototype: true });
    }
  }
}

function nested(desc: DescMessage, words: Vocabulary, depth: number): fc.Arbitrary<unknown> {
  if (desc.typeName === "google.protobuf.Duration") return fc.oneof(soon, anyTime);
  if (desc.typeName === "google.protobuf.Timestamp") return fc.oneof(soon, anyTime);
  if (depth >= DEEPEST) return fc.constant(undefined);
  // Made when it is asked for: a type may hold itself.
  return fc.constant(undefined).chain(() => initOf(desc, words, depth + 1));
}

/** A grace or a timeout that a fuzz can wait for. */
const soon = fc.record({ seconds: fc.constantFrom(0n, 1n), nanos: fc.constantFrom(0, 1_000_000) });
const anyTime = fc.record({
  seconds: fc.oneof(
    fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
    fc.constantFrom(-1n, 315_576_000_001n),
  ),
  nanos: fc.integer(),
});

function enumNumber(values: readonly number[]): fc.Arbitrary<number> {
  return fc.oneof(
    { arbitrary: fc.constantFrom(...values), weight: 5 },
    { arbitrary: fc.integer(), weight: 1 },
  );
}

function scalar(type: ScalarType, name: string, words: Vocabulary): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.STRING:
      return words.text(name);
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 64 });
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.DOUBLE:
      return fc.double();
    case ScalarType.FLOAT:
      return fc.float();
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return fc.oneof(fc.constantFrom(0, 1, 65_536, 2 ** 32 - 1), fc.nat());
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return fc.oneof(fc.constantFrom(0n, 1n, -1n), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n));
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return fc.bigInt(0n, 2n ** 64n - 1n);
    default:
      return fc.oneof(fc.constantFrom(0, 1, -1, 3000, 65_536), fc.integer());
  }
}

function defined(record: object): object {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}
