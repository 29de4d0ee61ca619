import { toBinary } from "@bufbuild/protobuf";
import {
  type LogChunk,
  LogChunkSchema,
  type StreamLogsResponse,
  StreamLogsResponseSchema,
} from "../../gen/workspace/runtime/v1/log_pb.ts";
import { rawContent } from "./convert/log.ts";
import type { Encoded } from "./encode.ts";
import { varintSize, writeVarint } from "./varint.ts";

/** On a message: the memory that its chunks' bytes lie in, one behind the other where there is headroom. */
export const MEMORY = Symbol("memory");

export interface ChunkMemory {
  /** Bytes in front of the first chunk that are free to be written. */
  readonly headroom: number;
  /** To be called once nobody needs the chunks' bytes any more; a second time is harmless. */
  release(): void;
}

export type ReleasableLogs = StreamLogsResponse & { [MEMORY]?: ChunkMemory };

/** `StreamLogsResponse.chunks`, `LogChunk.text` and `LogChunk.data`, each with wire type 2. */
const CHUNKS_TAG = (1 << 3) | 2;
const TEXT_TAG = (7 << 3) | 2;
const DATA_TAG = (8 << 3) | 2;

/**
 * The message that `toBinary` would give, but that a log's bytes never become a string on the way, and
 * are copied once, when they are sent, instead of once for each message they are nested in; or never,
 * where the message can be made around them.
 */
export function encodeStreamLogsResponse(message: ReleasableLogs): Encoded {
  const rest = toBinary(StreamLogsResponseSchema, { ...message, chunks: [] });
  const chunks = message.chunks.map(measureChunk);
  let byteLength = rest.length;
  let contentLength = 0;
  for (const { headLength, content } of chunks) {
    byteLength += headLength + content.length;
    contentLength += content.length;
  }
  const memory = message[MEMORY];
  /** Fields may stand in any order: what comes last in the message is a chunk's content. */
  const write = (target: Uint8Array, start: number) => {
    target.set(rest, start);
    let at = start + rest.length;
    for (const chunk of chunks) {
      at = writeHead(target, at, chunk);
      // In place it moves them, but for the last, and never over what has not been moved yet.
      if (!liesAt(target, at, chunk.content)) target.set(chunk.content, at);
      at += chunk.content.length;
    }
  };
  return {
    byteLength,
    copy(target, start) {
      write(target, start);
      memory?.release();
    },
    inPlace(room) {
      const first = chunks[0]?.content;
      const headsLength = byteLength - contentLength;
      if (memory === undefined || first === undefined) return undefined;
      if (headsLength + room > memory.headroom) return undefined;
      const start = first.byteOffset - headsLength;
      const frame = Buffer.from(first.buffer, start - room, room + byteLength);
      write(frame, room);
      return frame;
    },
    sent: () => memory?.release(),
  };
}

interface MeasuredChunk {
  /** All but the content. */
  readonly fields: Uint8Array;
  readonly tag: number;
  readonly content: Uint8Array;
  /** Of what stands in front of the content. */
  readonly headLength: number;
}

const NO_CONTENT = new Uint8Array(0);

function measureChunk(chunk: LogChunk): MeasuredChunk {
  const fields = toBinary(LogChunkSchema, { ...chunk, content: { case: undefined } });
  const raw = rawContent(chunk);
  const content = raw ?? NO_CONTENT;
  const tag = raw === undefined ? 0 : chunk.content.case === "text" ? TEXT_TAG : DATA_TAG;
  const inner = fields.length + (tag === 0 ? 0 : 1 + varintSize(content.length));
  const headLength = 1 + varintSize(inner + content.length) + inner;
  return { fields, tag, content, headLength };
}

function liesAt(target: Uint8Array, offset: number, content: Uint8Array): boolean {
  return target.buffer === content.buffer && target.byteOffset + offset === content.byteOffset;
}

/** Returns the offset behind it. */
function writeHead(target: Uint8Array, offset: number, chunk: MeasuredChunk): number {
  const { fields, tag, content } = chunk;
  const contentHead = tag === 0 ? 0 : 1 + varintSize(content.length);
  target[offset] = CHUNKS_TAG;
  let at = writeVarint(target, offset + 1, fields.length + contentHead + content.length);
  target.set(fields, at);
  at += fields.length;
  if (tag === 0) return at;
  target[at] = tag;
  return writeVarint(target, at + 1, content.length);
}
