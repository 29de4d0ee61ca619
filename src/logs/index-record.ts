import { crc32 } from "node:zlib";
import type { PerStream } from "./stream.ts";

/**
 * Up to `offsets` the streams had grown at `time`, and what came since the record before was written by
 * `instance`. Within that span the order of the two streams is unknown: two pipes have none.
 */
export interface IndexRecord {
  /** Milliseconds since the epoch, as the file system told it: may jump back. */
  readonly time: number;
  readonly offsets: PerStream<number>;
  readonly instance: number;
}

export const INDEX_RECORD_BYTES = 32;

export function encodeIndexRecord(record: IndexRecord, into: Buffer, at: number): void {
  // Doubles hold every offset up to 2^53 exactly and spare the bigints.
  into.writeDoubleLE(record.time, at);
  into.writeDoubleLE(record.offsets[0], at + 8);
  into.writeDoubleLE(record.offsets[1], at + 16);
  into.writeUInt32LE(record.instance, at + 24);
  into.writeUInt32LE(crc32(into.subarray(at, at + 28)), at + 28);
}

/** Undefined for what a crash or a power loss left half written. */
export function decodeIndexRecord(from: Buffer, at: number): IndexRecord | undefined {
  if (from.readUInt32LE(at + 28) !== crc32(from.subarray(at, at + 28))) return undefined;
  return {
    time: from.readDoubleLE(at),
    offsets: [from.readDoubleLE(at + 8), from.readDoubleLE(at + 16)],
    instance: from.readUInt32LE(at + 24),
  };
}
