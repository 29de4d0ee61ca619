import { once } from "node:events";
import { create, fromBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { StreamLogsResponseSchema } from "../../gen/workspace/runtime/v1/log_pb.ts";
import { createReadMemory, HEADROOM_BYTES } from "../../src/logs/read-memory.ts";
import { chunkToMessage } from "../../src/rpc/convert/log.ts";
import { MEMORY } from "../../src/rpc/encode-logs.ts";
import { eventually } from "../support/eventually.ts";
import { grpcClient, grpcMetadata, pathOf, raw, startServer } from "./support.ts";

const CONTENT_BYTES = 100_000;
const labels = { serviceId: "service", serviceName: "name", operationId: "" };

/** A stream of messages, each of one byte's value, made in memory that is used again. */
async function serveFromMemory(count: number) {
  const memory = createReadMemory();
  const blocks = new Set<Buffer>();
  let released = 0;
  const server = await startServer({
    async *streamLogs() {
      for (let i = 0; i < count; i += 1) {
        const block = memory.take();
        blocks.add(block);
        const bytes = block.subarray(HEADROOM_BYTES, HEADROOM_BYTES + CONTENT_BYTES).fill(i % 128);
        const message = create(StreamLogsResponseSchema, { cursor: `${i}` });
        message.chunks = [
          chunkToMessage(labels, { stream: "STDOUT", time: i, instance: 1, partial: true, bytes }),
        ];
        const release = () => {
          released += 1;
          memory.give(block);
        };
        yield Object.assign(message, { [MEMORY]: { headroom: HEADROOM_BYTES, release } });
      }
    },
  });
  const client = grpcClient(server.address);
  const path = pathOf("StreamLogs");
  const call = client.makeServerStreamRequest(path, raw, raw, Buffer.alloc(0), grpcMetadata());
  return { server, call, blocks, released: () => released };
}

describe("a message that is sent where it lies", () => {
  it("arrives as it was, though its memory is used again", async () => {
    const { call, blocks, released } = await serveFromMemory(500);
    let expected = 0;
    for await (const bytes of call) {
      const { cursor, chunks } = fromBinary(StreamLogsResponseSchema, bytes as Buffer);
      expect(cursor).toBe(`${expected}`);
      const content = Buffer.from(String(chunks[0]?.content.value));
      expect(content.equals(Buffer.alloc(CONTENT_BYTES, expected % 128))).toBe(true);
      expected += 1;
    }
    expect(expected).toBe(500);
    expect(released()).toBe(500);
    expect(blocks.size).toBeLessThan(50);
  });

  it("is framed in its memory by this version of the library", async () => {
    const { call, blocks } = await serveFromMemory(1);
    const messages = await call.toArray();
    const [block] = blocks;
    const length = (messages[0] as Buffer).length;
    const start = HEADROOM_BYTES + CONTENT_BYTES - length;
    expect(block?.readUInt8(start - 5)).toBe(0);
    expect(block?.readUInt32BE(start - 4)).toBe(length);
  });

  it("keeps its memory when the call breaks off before it was sent", async () => {
    const { server, call, blocks, released } = await serveFromMemory(1_000);
    call.on("error", () => {});
    await once(call, "data");
    call.pause();
    // Nobody reads: what was sent comes to rest.
    let before = -1;
    await eventually(
      () => {
        const last = before;
        before = released();
        return last === before && blocks.size >= 10;
      },
      { intervalMs: 50 },
    );
    call.cancel();
    await eventually(() => server.inFlight() === 0);
    expect(released()).toBe(before);
  });
});
