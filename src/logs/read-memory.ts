/** Blocks of memory to read logs into, used again and again by all readers of a server. */
export interface ReadMemory {
  /** A block of `HEADROOM_BYTES + BLOCK_BYTES`; what is in it is old. */
  take(): Buffer;
  /** For a later `take`. Nobody may look at it any more, the kernel included. */
  give(block: Buffer): void;
}

/** What one read takes at most. */
export const BLOCK_BYTES = 256 * 1024;

/** Free in front of what is read, for the heads of the message that it becomes part of. */
export const HEADROOM_BYTES = 8 * 1024;

/** More are in use at a time only with many readers, whose blocks go back to the system then. */
const MOST_FREE = 16;

/**
 * Allocating 256 KiB for each message, and collecting it, costs more than all else that is done with
 * it: fresh pages, and an account of memory outside V8's heap that runs full every few messages.
 */
export function createReadMemory(): ReadMemory {
  const free: Buffer[] = [];
  return {
    // The last one given first: it is in the processor's cache.
    take: () => free.pop() ?? Buffer.allocUnsafeSlow(HEADROOM_BYTES + BLOCK_BYTES),
    give(block) {
      if (free.length < MOST_FREE) free.push(block);
    },
  };
}
