import { watch as watchFile } from "node:fs";
import type { Clock } from "../clock.ts";

/** A directory whose files may grow. */
export interface Growing {
  readonly directory: string;
  /** Looks at the files; true if they grew since the last look. `thorough`: at all that could have changed. */
  look(thorough: boolean): boolean;
  /** Called once when growth has paused. */
  settle(): void;
}

export interface GrowthWatcher {
  /** Looks whenever the directory's files may have grown, until the returned function is called. */
  watch(growing: Growing): () => void;
  /** How many watches the kernel holds for us. */
  readonly watchers: number;
  close(): void;
}

/** `fs.watch` on a directory, as far as it is needed here. Throws when the kernel refuses (ENOSPC, EMFILE). */
export type WatchDirectory = (
  directory: string,
  onEvent: () => void,
  onError: (error: unknown) => void,
) => { close(): void };

export interface GrowthWatcherOptions {
  readonly clock: Clock;
  readonly watchDirectory?: WatchDirectory;
}

const POLL_MS = 10;
/** Polls without growth until a watch takes over again. */
const QUIET_POLLS = 5;
const REFUSED_MS = 250;
const SWEEP_MS = 1000;
/** So that a sweep of a thousand logs keeps nobody waiting for milliseconds. */
const MEMBERS_A_TURN = 64;

/**
 * While a log is quiet the kernel watches it; while it grows, one look each 10 ms costs a fraction of an event
 * for every write. Events get lost (a queue that overflows) and watches refused, so time alone is enough too.
 */
export function createGrowthWatcher(options: GrowthWatcherOptions): GrowthWatcher {
  const { clock, watchDirectory = watchWithInotify } = options;
  const armed = new Map<Growing, { close(): void }>();
  /** Polls since the last growth. */
  const polled = new Map<Growing, number>();
  const refused = new Set<Growing>();
  const live = new Set<Growing>();

  const poll = (growing: Growing) => {
    if (!polled.has(growing)) return;
    if (growing.look(false)) {
      polled.set(growing, 0);
      return;
    }
    const quiet = (polled.get(growing) ?? 0) + 1;
    polled.set(growing, quiet);
    if (quiet >= QUIET_POLLS) arm(growing);
  };
  const startPolling = (growing: Growing) => {
    if (!live.has(growing)) return;
    disarm(growing);
    refused.delete(growing);
    polled.set(growing, 0);
    fast.start();
  };
  const arm = (growing: Growing) => {
    growing.settle();
    polled.delete(growing);
    refused.delete(growing);
    try {
      const watcher = watchDirectory(
        growing.directory,
        () => {
          if (armed.get(growing) !== watcher) return;
          startPolling(growing);
          growing.look(false);
        },
        () => {
          if (armed.get(growing) !== watcher) return;
          disarm(growing);
          refuse(growing);
        },
      );
      armed.set(growing, watcher);
    } catch {
      refuse(growing);
    }
    // What grew before the watch was there has no event.
    if (growing.look(false)) startPolling(growing);
  };
  const disarm = (growing: Growing) => {
    armed.get(growing)?.close();
    armed.delete(growing);
  };
  const refuse = (growing: Growing) => {
    refused.add(growing);
    slow.start();
  };
  const seldom = (growing: Growing) => {
    if (!live.has(growing) || polled.has(growing)) return;
    if (growing.look(true)) startPolling(growing);
  };

  const fast = createTicker(clock, POLL_MS, () => polled.keys(), poll);
  const slow = createTicker(clock, REFUSED_MS, () => refused, seldom);
  const sweep = createTicker(clock, SWEEP_MS, () => live, seldom);

  return {
    watch(growing) {
      live.add(growing);
      sweep.start();
      arm(growing);
      return () => {
        live.delete(growing);
        polled.delete(growing);
        refused.delete(growing);
        disarm(growing);
      };
    },
    get watchers() {
      return armed.size;
    },
    close() {
      for (const growing of [...armed.keys()]) disarm(growing);
      for (const set of [live, polled, refused]) set.clear();
      for (const ticker of [fast, slow, sweep]) ticker.stop();
    },
  };
}

/** Calls `visit` for each member each `intervalMs`, from the first `start` until there is no member left. */
function createTicker<T>(
  clock: Clock,
  intervalMs: number,
  members: () => Iterable<T>,
  visit: (member: T) => void,
) {
  let cancel: (() => void) | undefined;
  const tick = (remaining: readonly T[]) => {
    // `cancel` stays while the members are visited: what they start is this very ticker.
    for (const member of remaining.slice(0, MEMBERS_A_TURN)) visit(member);
    const later = remaining.slice(MEMBERS_A_TURN);
    cancel = later.length > 0 ? clock.schedule(0, () => tick(later)) : undefined;
    if (remaining.length > 0) start();
  };
  const start = () => {
    cancel ??= clock.schedule(intervalMs, () => tick([...members()]));
  };
  return {
    start,
    stop() {
      cancel?.();
      cancel = undefined;
    },
  };
}

const watchWithInotify: WatchDirectory = (directory, onEvent, onError) => {
  const watcher = watchFile(directory, { persistent: false }, (_event, name) => {
    // Our own files stand in the same directory.
    if (name === null || name.endsWith(".log")) onEvent();
  });
  watcher.on("error", onError);
  return watcher;
};
