import { type FileHandle, open } from "node:fs/promises";
import type { Failpoints } from "../failpoints.ts";
import {
  decodeIndexRecord,
  encodeIndexRecord,
  INDEX_RECORD_BYTES,
  type IndexRecord,
} from "./index-record.ts";
import type { PerStream } from "./stream.ts";

/** The records of one log, numbered from 0 for ever; those below `first` are trimmed. */
export interface LogIndex {
  first: number;
  readonly count: number;
  /** When it was opened there were records of more bytes than the outputs have: these were cut short. */
  readonly outputsShrank: boolean;
  last(): IndexRecord | undefined;
  /** Takes effect at once for readers; reaches the file soon, in order. */
  append(record: IndexRecord): void;
  /** Some records from number `from` on, at least one if there is one. */
  from(from: number): Promise<readonly IndexRecord[]>;
  /** Number of the first record for which `test` holds (once true, true for all later ones), else `count`. */
  search(test: (record: IndexRecord) => boolean, low?: number, high?: number): Promise<number>;
  /** Forgets all records: the files that they describe are not the same any more. */
  reset(): void;
  /** Resolves when all that was appended is in the file or could not be written. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface OpenLogIndexOptions {
  readonly path: string;
  readonly first: number;
  /** Present sizes of the outputs: records beyond them (a power loss) are cut off. */
  readonly sizes: PerStream<number>;
  readonly failpoints?: Failpoints | undefined;
  readonly onError: (error: unknown) => void;
}

const BLOCK = 128;
const CACHED_BLOCKS = 8;
/** With a disk that takes no record, times become coarser instead of memory growing. */
const MOST_UNWRITTEN = 4096;

export async function openLogIndex(options: OpenLogIndexOptions): Promise<LogIndex> {
  const { path, onError } = options;
  const handle = await openReadWrite(path);
  const found = await lastWholeRecord(handle, options.first, options.sizes);
  let first = options.first;
  let count = found.count;
  let written = count;
  /** Records from `recentStart` (a multiple of BLOCK) on: what is unwritten and at least the last block. */
  let recentStart = Math.floor(count / BLOCK) * BLOCK;
  let recent = await readRecords(handle, recentStart, count);
  const blocks = new Map<number, readonly IndexRecord[]>();
  let writing: Promise<void> | undefined;
  let truncate = found.cut;

  const write = async () => {
    while (truncate || written < count) {
      if (truncate) {
        truncate = false;
        await handle.truncate(written * INDEX_RECORD_BYTES);
        continue;
      }
      const from = written;
      const records = recent.slice(from - recentStart);
      const bytes = Buffer.alloc(records.length * INDEX_RECORD_BYTES);
      records.forEach((record, i) => {
        encodeIndexRecord(record, bytes, i * INDEX_RECORD_BYTES);
      });
      await writeAll(handle, bytes, from * INDEX_RECORD_BYTES);
      await options.failpoints?.hit("index.record-written");
      if (truncate) continue;
      written = from + records.length;
      while (written - recentStart >= 2 * BLOCK) {
        recent = recent.slice(BLOCK);
        recentStart += BLOCK;
      }
    }
  };
  const startWriting = () => {
    writing ??= write()
      .catch((error) => {
        onError(error);
        thin();
      })
      .finally(() => {
        writing = undefined;
      });
    return writing;
  };
  const thin = () => {
    if (count - written < MOST_UNWRITTEN) return;
    const kept = recent.slice(0, written - recentStart);
    const unwritten = recent.slice(written - recentStart);
    // The span of a dropped record goes to the next one, which must not change the instance.
    unwritten.forEach((record, i) => {
      if (i % 2 === 1 || unwritten[i + 1]?.instance !== record.instance) kept.push(record);
    });
    recent = kept;
    count = recentStart + recent.length;
  };
  const block = async (number: number): Promise<readonly IndexRecord[]> => {
    const cached = blocks.get(number);
    if (cached !== undefined) return cached;
    const records = await readRecords(handle, number * BLOCK, (number + 1) * BLOCK);
    blocks.set(number, records);
    if (blocks.size > CACHED_BLOCKS) blocks.delete(blocks.keys().next().value as number);
    return records;
  };
  const from = async (start: number): Promise<readonly IndexRecord[]> => {
    if (start >= recentStart) return recent.slice(start - recentStart);
    return (await block(Math.floor(start / BLOCK))).slice(start % BLOCK);
  };

  return {
    outputsShrank: found.beyond,
    get first() {
      return first;
    },
    set first(value) {
      first = value;
    },
    get count() {
      return count;
    },
    last: () => (count > first ? (recent.at(-1) ?? found.last) : undefined),
    append(record) {
      recent.push(record);
      count += 1;
      void startWriting();
    },
    from,
    async search(test, low = first, high = count) {
      while (low < high) {
        const middle = Math.floor((low + high) / 2);
        const record = (await from(middle))[0];
        if (record === undefined || test(record)) high = middle;
        else low = middle + 1;
      }
      return low;
    },
    reset() {
      blocks.clear();
      recent = [];
      recentStart = written = count = first = 0;
      truncate = true;
      void startWriting();
    },
    async flush() {
      await (writing ?? (written < count ? startWriting() : undefined));
    },
    async close() {
      await (writing ?? (written < count ? startWriting() : undefined));
      await handle.close();
    },
  };
}

async function openReadWrite(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return await open(path, "w+", 0o600);
  }
}

/** Looks back from the end for the last record that is whole and whose offsets are within the files. */
async function lastWholeRecord(handle: FileHandle, first: number, sizes: PerStream<number>) {
  const total = Math.floor((await handle.stat()).size / INDEX_RECORD_BYTES);
  let beyond = false;
  for (let end = total; end > first; ) {
    const start = Math.max(first, end - BLOCK);
    const bytes = await readAll(
      handle,
      start * INDEX_RECORD_BYTES,
      (end - start) * INDEX_RECORD_BYTES,
    );
    for (let i = end - start - 1; i >= 0; i--) {
      const record = decodeIndexRecord(bytes, i * INDEX_RECORD_BYTES);
      if (record === undefined) continue;
      if (record.offsets[0] <= sizes[0] && record.offsets[1] <= sizes[1]) {
        const count = start + i + 1;
        return { count, cut: count < total, beyond, last: record };
      }
      beyond = true;
    }
    end = start;
  }
  return { count: first, cut: total > first, beyond, last: undefined };
}

async function readRecords(handle: FileHandle, start: number, end: number): Promise<IndexRecord[]> {
  const bytes = await readAll(
    handle,
    start * INDEX_RECORD_BYTES,
    (end - start) * INDEX_RECORD_BYTES,
  );
  const records: IndexRecord[] = [];
  let before: IndexRecord = { time: 0, offsets: [0, 0], instance: 0 };
  for (let at = 0; at < bytes.length; at += INDEX_RECORD_BYTES) {
    // What was trimmed or damaged reads as "nothing grew here".
    before = decodeIndexRecord(bytes, at) ?? before;
    records.push(before);
  }
  return records;
}

async function readAll(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes;
}

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}
