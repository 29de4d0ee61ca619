import { create, equals, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type LogChunkSchema,
  LogStream,
  StreamLogsResponseSchema,
} from "../../gen/workspace/runtime/v1/log_pb.ts";
import { chunkToMessage } from "../../src/rpc/convert/log.ts";
import { encodeStreamLogsResponse, MEMORY } from "../../src/rpc/encode-logs.ts";

function bytesOf(message: Parameters<typeof encodeStreamLogsResponse>[0]): Buffer {
  const encoded = encodeStreamLogsResponse(message);
  const target = Buffer.alloc(encoded.byteLength + 5, 0xee);
  encoded.copy(target, 5);
  expect(target.subarray(0, 5)).toEqual(Buffer.alloc(5, 0xee));
  return target.subarray(5);
}

const text = fc.string({ unit: "grapheme" });
const chunk: fc.Arbitrary<MessageInitShape<typeof LogChunkSchema>> = fc.record(
  {
    serviceId: text,
    serviceName: text,
    operationId: text,
    stream: fc.constantFrom(LogStream.UNSPECIFIED, LogStream.STDOUT, LogStream.STDERR),
    chunkTime: fc.record({ seconds: fc.bigInt(0n, 10n ** 10n), nanos: fc.nat(999_999_999) }),
    instance: fc.nat(),
    partial: fc.boolean(),
    content: fc.oneof(
      text.map((value) => ({ case: "text" as const, value })),
      fc.uint8Array({ maxLength: 300 }).map((value) => ({ case: "data" as const, value })),
      fc.constant({ case: undefined }),
    ),
  },
  { requiredKeys: [], noNullPrototype: true },
) as never;
const response: fc.Arbitrary<MessageInitShape<typeof StreamLogsResponseSchema>> = fc.record(
  {
    chunks: fc.array(chunk, { maxLength: 5 }),
    cursor: text,
    event: fc.oneof(
      fc.constant({ case: undefined }),
      fc.constant({ case: "heartbeat" as const, value: {} }),
      fc.nat().map((code) => ({ case: "end" as const, value: { exit: { code } } })),
    ),
  },
  { requiredKeys: [], noNullPrototype: true },
) as never;

const HEADROOM = 1_000;

/** Chunks as a pull gives them: views of one block of memory, one behind the other. */
function inOneBlock(contents: readonly Uint8Array[], headroom: number) {
  const block = Buffer.concat([Buffer.alloc(headroom, 0xee), ...contents]);
  let end = headroom;
  const chunks = contents.map(({ length }, index) => {
    const bytes = block.subarray(end, end + length);
    end += length;
    const labels = { serviceId: "service", serviceName: "name", operationId: "" };
    return chunkToMessage(labels, {
      stream: "STDOUT",
      time: 1_000 * index,
      instance: 7,
      partial: index % 2 === 0,
      bytes,
    });
  });
  let released = 0;
  const message = create(StreamLogsResponseSchema, { cursor: "a cursor" });
  message.chunks = chunks;
  const release = () => {
    released += 1;
  };
  return {
    block,
    message: Object.assign(message, { [MEMORY]: { headroom, release } }),
    released: () => released,
  };
}

describe("the encoder of log messages", () => {
  it("makes the same message in place as by copying", () => {
    const contents = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(contents, (parts) => {
        const expected = bytesOf(inOneBlock(parts, HEADROOM).message);
        const { message, block, released } = inOneBlock(parts, HEADROOM);
        const encoded = encodeStreamLogsResponse(message);
        const frame = encoded.inPlace?.(5);
        expect(frame?.buffer).toBe(block.buffer);
        expect(frame?.subarray(5).equals(expected)).toBe(true);
        expect(released()).toBe(0);
        encoded.sent?.();
        expect(released()).toBe(1);
      }),
    );
  });

  it("copies where there is no room in front", () => {
    const { message, released } = inOneBlock([Buffer.from("a line\n")], 20);
    const encoded = encodeStreamLogsResponse(message);
    expect(encoded.inPlace?.(5)).toBe(undefined);
    encoded.copy(Buffer.alloc(encoded.byteLength), 0);
    expect(released()).toBe(1);
  });

  it("says what the library's encoder says, whatever the message", () => {
    fc.assert(
      fc.property(response, (init) => {
        const message = create(StreamLogsResponseSchema, init);
        const decoded = fromBinary(StreamLogsResponseSchema, bytesOf(message));
        expect(equals(StreamLogsResponseSchema, decoded, message)).toBe(true);
      }),
    );
  });

  it.each([0, 1, 127, 128, 16_383, 16_384, 262_144, 2_097_152])(
    "carries %i bytes of text and of data",
    (size) => {
      const labels = { serviceId: "s", serviceName: "n", operationId: "" };
      const facts = { stream: "STDOUT" as const, time: 1, instance: 1, partial: true };
      for (const byte of [0x78, 0xff]) {
        const bytes = Buffer.alloc(size, byte);
        const message = create(StreamLogsResponseSchema, { cursor: "c" });
        message.chunks = [chunkToMessage(labels, { ...facts, bytes })];
        const [decoded] = fromBinary(StreamLogsResponseSchema, bytesOf(message)).chunks;
        const isText = byte === 0x78 || size === 0;
        expect(decoded?.content.case).toBe(isText ? "text" : "data");
        expect(Buffer.from(decoded?.content.value as string | Uint8Array).equals(bytes)).toBe(true);
      }
    },
  );
});
