import {
  type DescField,
  type DescMessage,
  type Message,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { EnsureServicesResponseSchema } from "../../gen/workspace/runtime/v1/run_pb.ts";
import { ServiceSchema } from "../../gen/workspace/runtime/v1/service_pb.ts";
import {
  ChangeSchema,
  WatchStatusResponseSchema,
} from "../../gen/workspace/runtime/v1/watch_pb.ts";
import type { Encoded } from "./encode.ts";
import { varintSize, writeVarint } from "./varint.ts";

/** Messages that go out many times as they are: to all watchers, and until their row changes. */
const SHARED: readonly DescMessage[] = [ServiceSchema, ChangeSchema];

/** Whole answers that go to many, or to one again and again. */
const GIVEN_AGAIN: readonly DescMessage[] = [
  WatchStatusResponseSchema,
  EnsureServicesResponseSchema,
];

/**
 * The encoder of a message with fields of such a type, which has each of them encoded once for as long
 * as the message object lives; undefined for a message without. What was encoded must not change any more.
 */
export function sharingEncoder(desc: DescMessage): ((message: Message) => Encoded) | undefined {
  const fields = desc.fields.flatMap((field) => {
    const encode = SHARED.includes(field.message as DescMessage) && encodeOnce(field);
    return encode ? [{ field, encode }] : [];
  });
  if (fields.length === 0) return undefined;

  const encode = (message: Message): Encoded => {
    const rest = { ...message } as Record<string, unknown>;
    const parts: { tag: number; bytes: Uint8Array }[] = [];
    for (const { field, encode } of fields) {
      const value = rest[field.localName] as Message | readonly Message[] | undefined;
      rest[field.localName] = field.fieldKind === "list" ? [] : undefined;
      const tag = (field.number << 3) | 2;
      const messages = value === undefined ? [] : Array.isArray(value) ? value : [value];
      for (const one of messages) parts.push({ tag, bytes: encode(one) });
    }
    return concatenate(toBinary(desc, rest as unknown as Message), parts);
  };
  return GIVEN_AGAIN.includes(desc) ? encodeWholeOnce(encode) : encode;
}

const wholes = new WeakMap<Message, Buffer>();

function encodeWholeOnce(encode: (message: Message) => Encoded): (message: Message) => Encoded {
  return (message) => {
    let whole = wholes.get(message);
    if (whole === undefined) {
      const encoded = encode(message);
      whole = Buffer.allocUnsafe(encoded.byteLength);
      encoded.copy(whole, 0);
      wholes.set(message, whole);
    }
    return whole;
  };
}

const encodings = new WeakMap<Message, Uint8Array>();

/** Undefined for a field whose place in a message is not simply behind its tag. */
function encodeOnce(field: DescField): ((message: Message) => Uint8Array) | undefined {
  const desc = field.message;
  // A tag of one byte; a oneof's value lies elsewhere.
  if (desc === undefined || field.number > 15 || field.oneof !== undefined) return undefined;
  return (message) => {
    let bytes = encodings.get(message);
    if (bytes === undefined) {
      bytes = toBinary(desc, message as MessageShape<typeof desc>);
      encodings.set(message, bytes);
    }
    return bytes;
  };
}

/** Fields may stand in any order. */
function concatenate(
  rest: Uint8Array,
  parts: readonly { readonly tag: number; readonly bytes: Uint8Array }[],
): Encoded {
  let byteLength = rest.length;
  for (const { bytes } of parts) byteLength += 1 + varintSize(bytes.length) + bytes.length;
  return {
    byteLength,
    copy(target, start) {
      let at = start;
      for (const { tag, bytes } of parts) {
        target[at] = tag;
        at = writeVarint(target, at + 1, bytes.length);
        target.set(bytes, at);
        at += bytes.length;
      }
      target.set(rest, at);
    },
  };
}
