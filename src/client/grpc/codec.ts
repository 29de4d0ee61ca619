import {
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";

/** What grpc-js needs to know of a method: its path, and how messages become bytes. */
export function codecOf<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O> | DescMethodServerStreaming<I, O> | DescMethodStreaming<I, O>,
) {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    serialize: (message: MessageShape<I>) => asBuffer(toBinary(method.input, message)),
    // A plain view: `bytes` fields are cut from it, and a Buffer would make Buffers of them.
    deserialize: (bytes: Buffer): MessageShape<O> =>
      fromBinary(method.output, new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)),
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
