import type { Clock } from "../clock.ts";
import type { Change } from "../model/change.ts";

/** Changes kept in memory for watchers that are close behind. */
const DEFAULT_TAIL = 4_096;
/** After a first change the next ones are told together: each wake costs every watcher a message. */
const WAKE_MS = 25;
/** Watchers that keep up ask for one and the same; those behind it are few. */
const KEPT_ANSWERS = 64;

/**
 * Where commits are told and watchers wait. It keeps no watcher's queue: each reads on from its
 * own revision, out of the tail kept here or else out of the store.
 */
export interface Hub {
  /** Takes what a commit changed, in the order of revisions, and wakes every watcher, now or soon. */
  publish(changes: readonly Change[]): void;
  /** The changes after `revision`, at most `limit`; undefined when the tail does not reach back. */
  since(revision: number, limit: number): readonly Change[] | undefined;
  /** What `make` gave to whoever asked first under this key, if that is not long ago. */
  shared<T>(key: string, make: () => T): T;
  /** Calls `wake` after publishes until the returned function is called. */
  subscribe(wake: () => void): () => void;
  /** How many are subscribed now. */
  readonly watchers: number;
}

export interface HubOptions {
  /** Default 4,096 changes. */
  readonly tail?: number;
  /** Publishes within 25 ms of a wake are told together. Default: each wakes at once. */
  readonly clock?: Clock;
}

export function createHub({ tail = DEFAULT_TAIL, clock }: HubOptions = {}): Hub {
  const wakes = new Set<() => void>();
  const answers = new Map<string, unknown>();
  let recent: Change[] = [];
  let wokenAt = Number.NEGATIVE_INFINITY;
  let isDue = false;
  const wakeAll = () => {
    isDue = false;
    if (clock !== undefined) wokenAt = clock.monotonic();
    for (const wake of [...wakes]) wake();
  };

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
      if (isDue) return;
      const wait = clock === undefined ? 0 : wokenAt + WAKE_MS - clock.monotonic();
      if (wait <= 0) {
        wakeAll();
        return;
      }
      isDue = true;
      clock?.schedule(wait, wakeAll);
    },
    since(revision, limit) {
      const first = recent[0];
      if (first === undefined || revision < first.revision - 1) return undefined;
      const start = revision - first.revision + 1;
      return recent.slice(start, start + limit);
    },
    shared<T>(key: string, make: () => T) {
      if (answers.has(key)) return answers.get(key) as T;
      const answer = make();
      answers.set(key, answer);
      if (answers.size > KEPT_ANSWERS) answers.delete(answers.keys().next().value as string);
      return answer;
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
