import type { Change } from "../model/change.ts";

/** Changes kept in memory for watchers that are close behind. */
const DEFAULT_TAIL = 4_096;

/**
 * Where commits are told and watchers wait. It keeps no watcher's queue: each reads on from its
 * own revision, out of the tail kept here or else out of the store.
 */
export interface Hub {
  /** Takes what a commit changed, in the order of revisions, and wakes every watcher. */
  publish(changes: readonly Change[]): void;
  /** The changes after `revision`, at most `limit`; undefined when the tail does not reach back. */
  since(revision: number, limit: number): readonly Change[] | undefined;
  /** Calls `wake` after each publish until the returned function is called. */
  subscribe(wake: () => void): () => void;
  /** How many are subscribed now. */
  readonly watchers: number;
}

export function createHub({ tail = DEFAULT_TAIL }: { readonly tail?: number } = {}): Hub {
  const wakes = new Set<() => void>();
  let recent: Change[] = [];

  return {
    publish(changes) {
      const first = changes[0];
      if (first === undefined) return;
      // A hole (another server's commit, or one whose answer was lost) is the store's to fill.
      const last = recent.at(-1);
      if (last !== undefined && first.revision !== last.revision + 1) recent = [];
      recent.push(...changes);
      // Cut in large pieces: shifting at each commit would move the whole tail each time.
      if (recent.length > 2 * tail) recent = recent.slice(-tail);
      for (const wake of [...wakes]) wake();
    },
    since(revision, limit) {
      const first = recent[0];
      if (first === undefined || revision < first.revision - 1) return undefined;
      const start = revision - first.revision + 1;
      return recent.slice(start, start + limit);
    },
    subscribe(wake) {
      // A wrapper of its own, so that one function subscribed twice is two subscriptions.
      const entry = () => wake();
      wakes.add(entry);
      return () => void wakes.delete(entry);
    },
    get watchers() {
      return wakes.size;
    },
  };
}
