import type { Clock } from "../clock.ts";

/** How long a call waits for rows that cannot be written before it says so. */
const PATIENCE_MS = 10_000;

/**
 * What has happened is written again and again until it stands; who waits for it is told after a while that
 * the store does not take it. The work goes on: the same call again joins it.
 */
export interface StorePatience {
  /** A row could not be written, and will be tried again. */
  failed(error: unknown): void;
  written(): void;
  /** Rejects with the store's error once rows could not be written for 10 s; else settles as `work` does. */
  within<T>(work: Promise<T>): Promise<T>;
}

export function createStorePatience({ clock }: { readonly clock: Clock }): StorePatience {
  const waiting = new Set<(error: unknown) => void>();
  let last: unknown;
  let cancel: (() => void) | undefined;

  return {
    failed(error) {
      last = error;
      cancel ??= clock.schedule(PATIENCE_MS, giveUp);
    },
    written() {
      cancel?.();
      cancel = undefined;
    },
    within: (work) =>
      new Promise((resolve, reject) => {
        waiting.add(reject);
        work.then(resolve, reject).finally(() => waiting.delete(reject));
      }),
  };

  function giveUp(): void {
    cancel = undefined;
    for (const reject of waiting) reject(last);
  }
}
