import type { FileHandle } from "node:fs/promises";
import type { StreamIndex } from "./stream.ts";

/** Where a pull's bytes come from. */
export interface BlockReader {
  /**
   * The `length` bytes at `start`, of which `available` more may be there already. Undefined when the
   * file ends before. `release` gives the memory to a later read; calling it is optional.
   */
  read(range: ReadRangeRequest): Promise<ReadBlock | undefined>;
}

export interface ReadRangeRequest {
  readonly handle: FileHandle;
  readonly stream: StreamIndex;
  /** Of the log: bytes read of another one are worth nothing. */
  readonly generation: string;
  readonly start: number;
  readonly length: number;
  /** Bytes from `start` to the end as last seen. */
  readonly available: number;
}

export interface ReadBlock {
  readonly bytes: Buffer;
  readonly release: () => void;
}

const BLOCK_BYTES = 1024 * 1024;
/** Less than this to come is a log's live end: nothing to read ahead of. */
const LEAST_BYTES = 32 * 1024;
/** More than a transport has in hand at a time would never be used again. */
const MOST_KEPT = 4;

/**
 * Reads a replayed log in blocks of 1 MiB, into the same few buffers again and again. Both matter: a
 * read through the thread pool wakes another thread, which costs as much as copying the bytes; and a
 * fresh buffer for each message runs the engine's account of memory outside its heap full every few
 * messages, each time marking the whole heap.
 */
export function createReadAhead(): BlockReader {
  const free: Buffer[] = [];
  const current: [Block | undefined, Block | undefined] = [undefined, undefined];

  return {
    async read(request) {
      const { stream, start, length, available, generation } = request;
      const held = current[stream];
      if (held !== undefined && held.generation === generation && holds(held, start, length)) {
        return slice(held, start, length);
      }
      current[stream] = undefined;
      if (held !== undefined) drop(held);
      if (available < LEAST_BYTES || length > BLOCK_BYTES) return readOnce.read(request);
      const buffer = free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
      const size = await fill(request, buffer.subarray(0, Math.min(available, BLOCK_BYTES)));
      const block: Block = { generation, buffer, start, size, users: 1 };
      if (size < length) {
        drop(block);
        return undefined;
      }
      current[stream] = block;
      return slice(block, start, length);
    },
  };

  function slice(block: Block, start: number, length: number): ReadBlock {
    block.users += 1;
    let released = false;
    const from = start - block.start;
    return {
      bytes: block.buffer.subarray(from, from + length),
      release() {
        if (!released) drop(block);
        released = true;
      },
    };
  }

  function drop(block: Block): void {
    block.users -= 1;
    if (block.users === 0 && free.length < MOST_KEPT) free.push(block.buffer);
  }
}

/** For readers that keep what they read: a buffer of its own for each pull. */
export const readOnce: BlockReader = {
  async read(request) {
    const bytes = Buffer.allocUnsafe(request.length);
    const size = await fill(request, bytes);
    return size < bytes.length ? undefined : { bytes, release: () => {} };
  },
};

interface Block {
  readonly generation: string;
  readonly buffer: Buffer;
  readonly start: number;
  readonly size: number;
  /** Slices not released, and one while it is read from. */
  users: number;
}

function holds(block: Block, start: number, length: number): boolean {
  return start >= block.start && start + length <= block.start + block.size;
}

/** How many bytes were there. */
async function fill({ handle, start }: ReadRangeRequest, bytes: Buffer): Promise<number> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, start + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}
