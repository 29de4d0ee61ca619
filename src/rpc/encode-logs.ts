import { toBinary } from "@bufbuild/protobuf";
import {
  type LogChunk,
  LogChunkSchema,
  type StreamLogsResponse,
  StreamLogsResponseSchema,
} from "../../gen/workspace/runtime/v1/log_pb.ts";
import { rawContent } from "./convert/log.ts";
import type { Encoded } from "./encode.ts";

/** What to call once the bytes of a message's chunks were copied: their buffer is read into again. */
export const RELEASE = Symbol("release");

export type ReleasableLogs = StreamLogsResponse & { [RELEASE]?: () => void };

/** `StreamLogsResponse.chunks`, `LogChunk.text` and `LogChunk.data`, each with wire type 2. */
const CHUNKS_TAG = (1 << 3) | 2;
const TEXT_TAG = (7 << 3) | 2;
const DATA_TAG = (8 << 3) | 2;

/**
 * The message that `toBinary` would give, but that a log's bytes are copied once, when they are sent,
 * instead of once for each message they are nested in, and never become a string on the way.
 */
export function encodeStreamLogsResponse(message: ReleasableLogs): Encoded {
  const rest = toBinary(StreamLogsResponseSchema, { ...message, chunks: [] });
  const chunks = message.chunks.map(measureChunk);
  let byteLength = rest.length;
  for (const { size } of chunks) byteLength += 1 + varintSize(size) + size;
  return {
    byteLength,
    copy(target, start) {
      let at = start;
      for (const { head, tag, content, size } of chunks) {
        target[at] = CHUNKS_TAG;
        at = writeVarint(target, at + 1, size);
        target.set(head, at);
        at += head.length;
        if (content === undefined) continue;
        target[at] = tag;
        at = writeVarint(target, at + 1, content.length);
        target.set(content, at);
        at += content.length;
      }
      target.set(rest, at);
      message[RELEASE]?.();
    },
  };
}

/** The chunk's small fields, and its content as bytes. Fields may stand in any order. */
function measureChunk(chunk: LogChunk) {
  const head = toBinary(LogChunkSchema, { ...chunk, content: { case: undefined } });
  const content = rawContent(chunk);
  const tag = chunk.content.case === "text" ? TEXT_TAG : DATA_TAG;
  const contentSize = content === undefined ? 0 : 1 + varintSize(content.length) + content.length;
  return { head, tag, content, size: head.length + contentSize };
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest > 0x7f; rest >>>= 7) size += 1;
  return size;
}

/** Returns the offset behind it. */
function writeVarint(target: Uint8Array, offset: number, value: number): number {
  let at = offset;
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) {
    target[at] = (rest & 0x7f) | 0x80;
    at += 1;
  }
  target[at] = rest;
  return at + 1;
}
