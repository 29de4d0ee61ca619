import { readSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { BLOCK_BYTES, HEADROOM_BYTES, type ReadMemory } from "./read-memory.ts";

/** Where a pull's bytes come from. */
export interface BlockReader {
  /** The `length` bytes at `start`. Undefined when the file ends before. */
  read(handle: FileHandle, start: number, length: number): Promise<ReadBlock | undefined>;
}

export interface ReadBlock {
  readonly bytes: Buffer;
  /** Bytes in front of these that belong to the block and may be written over. */
  readonly headroom: number;
  /** Gives the memory to a later read; calling it is optional, and harmless a second time. */
  release(): void;
}

/** Less would leave too much of a block empty, and a paused reader holds several. */
const LEAST_BYTES = BLOCK_BYTES / 2;
/** Longer than this it was the disk that answered. */
const SLOW_MS = 10;
/** As many reads go through the thread pool before one tries again. */
const CAREFUL_READS = 32;

/**
 * Reads into the same memory again and again, and in the event loop as long as the page cache answers:
 * waking a thread for a read costs as much as the read. After one that was slow, others have the loop.
 */
export function createBlockReader(memory: ReadMemory): BlockReader {
  let careful = 0;

  const fill = async (handle: FileHandle, bytes: Buffer, start: number): Promise<boolean> => {
    for (let done = 0; done < bytes.length; ) {
      const read =
        careful > 0
          ? await readInPool(handle, bytes, done, start)
          : readInLoop(handle, bytes, done, start);
      if (read === 0) return false;
      done += read;
    }
    return true;
  };
  const readInPool = async (handle: FileHandle, bytes: Buffer, done: number, start: number) => {
    careful -= 1;
    return (await handle.read(bytes, done, bytes.length - done, start + done)).bytesRead;
  };
  const readInLoop = (handle: FileHandle, bytes: Buffer, done: number, start: number) => {
    const begun = performance.now();
    const read = readSync(handle.fd, bytes, done, bytes.length - done, start + done);
    if (performance.now() - begun > SLOW_MS) careful = CAREFUL_READS;
    return read;
  };

  return {
    async read(handle, start, length) {
      if (length < LEAST_BYTES || length > BLOCK_BYTES) {
        const bytes = Buffer.allocUnsafe(length);
        return (await fill(handle, bytes, start)) ? keptBlock(bytes) : undefined;
      }
      let block: Buffer | undefined = memory.take();
      const bytes = block.subarray(HEADROOM_BYTES, HEADROOM_BYTES + length);
      const release = () => {
        if (block !== undefined) memory.give(block);
        block = undefined;
      };
      if (await fill(handle, bytes, start)) return { bytes, headroom: HEADROOM_BYTES, release };
      release();
      return undefined;
    },
  };
}

/** For readers that keep what they read: memory of its own for each pull, and the thread pool. */
export const readOnce: BlockReader = {
  async read(handle, start, length) {
    const bytes = Buffer.allocUnsafe(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await handle.read(bytes, done, length - done, start + done);
      if (bytesRead === 0) return undefined;
      done += bytesRead;
    }
    return keptBlock(bytes);
  },
};

function keptBlock(bytes: Buffer): ReadBlock {
  return { bytes, headroom: 0, release: () => undefined };
}
