/** Where reads put their bytes. */
export interface ReadBuffers {
  /** `release` gives the buffer to a later read; who never calls it only leaves it to the garbage. */
  take(bytes: number): { readonly buffer: Buffer; readonly release: () => void };
}

/** Small reads are not worth keeping a buffer for. */
const LEAST_BYTES = 32 * 1024;
/** More than a transport has in hand at a time would never be used again. */
const MOST_KEPT = 8;

/**
 * Buffers of one size, used again and again by one reader. A fresh 256 KiB for each message lets the
 * engine's account of memory outside its heap run full every few messages, and each time the whole
 * heap is marked: half the time of a replay was spent on that.
 */
export function createReadBuffers(size: number): ReadBuffers {
  const free: Buffer[] = [];
  return {
    take(bytes) {
      if (bytes < LEAST_BYTES || bytes > size) return onceOnly.take(bytes);
      const whole = free.pop() ?? Buffer.allocUnsafeSlow(size);
      let released = false;
      return {
        buffer: whole.subarray(0, bytes),
        release() {
          if (released) return;
          released = true;
          if (free.length < MOST_KEPT) free.push(whole);
        },
      };
    },
  };
}

/** For readers that keep what they read. */
export const onceOnly: ReadBuffers = {
  take: (bytes) => ({ buffer: Buffer.allocUnsafe(bytes), release: () => {} }),
};
