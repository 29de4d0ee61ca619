import { isUtf8 } from "node:buffer";
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import type { LogChunk } from "../../gen/workspace/runtime/v1/log_pb.ts";

/** Takes out of a log that is sent again what was told before. */
export interface LogRepeats {
  /** A new call begins: each source may come from its first byte again, or go on. */
  begin(): void;
  /** What of `chunk` is new; undefined if nothing is. */
  fresh(chunk: LogChunk): LogChunk | undefined;
}

/** Of one output of one source: the first chunk, how many bytes were told, and where the present call is. */
interface Source {
  readonly firstTime: number;
  readonly firstBytes: Uint8Array;
  told: number;
  at: number | undefined;
}

/**
 * A chunk has no position of its own. But where a call begins with the very bytes and the very time with which the
 * first call began, it is that log from its beginning, and as many bytes as were told are left out. Otherwise
 * it is taken to go on: a line told twice is better than one never told.
 */
export function createLogRepeats(): LogRepeats {
  const sources = new Map<string, Source>();
  return {
    begin() {
      for (const source of sources.values()) source.at = undefined;
    },

    fresh(chunk) {
      const bytes = bytesOf(chunk);
      const source = sources.get(keyOf(chunk));
      if (source === undefined) {
        sources.set(keyOf(chunk), {
          firstTime: timeOf(chunk.chunkTime),
          firstBytes: bytes.slice(0, COMPARED_BYTES),
          told: bytes.length,
          at: bytes.length,
        });
        return chunk;
      }
      source.at ??= isBeginning(source, chunk, bytes) ? 0 : source.told;
      const skipped = Math.min(bytes.length, source.told - source.at);
      source.at += bytes.length;
      source.told = Math.max(source.told, source.at);
      if (skipped === 0) return chunk;
      return skipped === bytes.length ? undefined : { ...chunk, content: cut(bytes, skipped) };
    },
  };
}

const COMPARED_BYTES = 256;

function isBeginning(source: Source, { chunkTime }: LogChunk, bytes: Uint8Array): boolean {
  const length = Math.min(bytes.length, source.firstBytes.length);
  return (
    length > 0 &&
    timeOf(chunkTime) === source.firstTime &&
    Buffer.compare(bytes.subarray(0, length), source.firstBytes.subarray(0, length)) === 0
  );
}

function keyOf({ serviceId, operationId, instance, stream }: LogChunk): string {
  return JSON.stringify([serviceId, operationId, instance, stream]);
}

function timeOf(time: Timestamp | undefined): number {
  return time === undefined ? 0 : timestampMs(time);
}

function bytesOf({ content }: LogChunk): Uint8Array {
  return content.case === "data" ? content.value : Buffer.from(content.value ?? "");
}

function cut(bytes: Uint8Array, from: number): LogChunk["content"] {
  const rest = bytes.subarray(from);
  return isUtf8(rest)
    ? { case: "text", value: Buffer.from(rest).toString() }
    : { case: "data", value: rest };
}
