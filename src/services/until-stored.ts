import { setTimeout as delay } from "node:timers/promises";
import { isRuntimeError } from "../errors.ts";
import type { Logger } from "../logger.ts";

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;

/**
 * Does `work` again until the store takes it, for what must become true though its caller was refused or has
 * gone. Rejects with any error that is not the store's, and with the last one when the server ends.
 */
export type UntilStored = <T>(work: () => Promise<T>) => Promise<T>;

export function createUntilStored(options: {
  readonly log: Logger;
  /** Aborts when the server ends. */
  readonly closing: AbortSignal;
}): UntilStored {
  const { log, closing } = options;
  return async (work) => {
    for (let pause = FIRST_RETRY_MS; ; pause = Math.min(pause * 2, LONGEST_RETRY_MS)) {
      try {
        return await work();
      } catch (err) {
        if (!isStoreFailure(err) || closing.aborted) throw err;
        log.warn({ err }, "not stored yet");
        await delay(pause, undefined, { ref: false });
      }
    }
  };
}

/** The rows could not be read or written: whether anything was written is not known. */
export function isStoreFailure(error: unknown): boolean {
  return isRuntimeError(error, "STORE_UNAVAILABLE") || isRuntimeError(error, "STORAGE_FULL");
}
