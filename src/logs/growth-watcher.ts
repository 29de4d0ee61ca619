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
/** Without growth for this long a watch takes over again, and the log has come to rest. */
const QUIET_MS = 50;
/** More events than this within `QUIET_MS` cost more than polls do: 500 a second. */
const MOST_EVENTS = 25;
/** A log that only grows slowly by now is worth its events again: who reads it waits for no poll. */
const POLLING_MS = 500;
const REFUSED_MS = 250;
const SWEEP_MS = 1000;
/** A sweep of many logs comes less often: at most this part of the time goes into sweeps, … */
const SWEEPING_SHARE = 1 / 400;
/** … but it comes. */
const LONGEST_SWEEP_MS = 10_000;
/** Whether something was lost without growth can wait longer. */
const THOROUGH_MS = 5_000;
/** So that a sweep of a thousand logs keeps nobody waiting for milliseconds. */
const MEMBERS_A_TURN = 64;

/**
 * The kernel watches a log that is quiet or grows slowly; while it grows fast, one look each 10 ms costs a
 * fraction of an event for every write. Events get lost (a queue that overflows) and watches refused, so
 * time alone is enough too.
 */
export function createGrowthWatcher(options: GrowthWatcherOptions): GrowthWatcher {
  const { clock, watchDirectory = watchWithInotify } = options;
  const armed = new Map<Growing, { close(): void }>();
  /** When they were begun to be polled. */
  const polled = new Map<Growing, number>();
  /** When they grew last: those that have not come to rest. */
  const unsettled = new Map<Growing, number>();
  const refused = new Set<Growing>();
  const live = new Set<Growing>();

  const look = (growing: Growing, thorough = false): boolean => {
    const grew = growing.look(thorough);
    if (grew && live.has(growing)) {
      unsettled.set(growing, clock.monotonic());
      pause.start();
    }
    return grew;
  };
  const poll = (growing: Growing) => {
    const since = polled.get(growing);
    if (since === undefined) return;
    look(growing);
    if (clock.monotonic() - since >= POLLING_MS) arm(growing);
  };
  const startPolling = (growing: Growing) => {
    if (!live.has(growing)) return;
    disarm(growing);
    refused.delete(growing);
    polled.set(growing, clock.monotonic());
    fast.start();
  };
  const rest = (growing: Growing) => {
    const grewAt = unsettled.get(growing);
    if (grewAt === undefined || clock.monotonic() - grewAt < QUIET_MS) return;
    unsettled.delete(growing);
    growing.settle();
    if (polled.has(growing)) arm(growing);
  };
  const arm = (growing: Growing) => {
    polled.delete(growing);
    refused.delete(growing);
    let events = 0;
    let since = Number.NEGATIVE_INFINITY;
    try {
      const watcher = watchDirectory(
        growing.directory,
        () => {
          if (armed.get(growing) !== watcher) return;
          const now = clock.monotonic();
          if (now - since >= QUIET_MS) [events, since] = [0, now];
          events += 1;
          if (events > MOST_EVENTS) startPolling(growing);
          look(growing);
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
    look(growing);
  };
  const disarm = (growing: Growing) => {
    armed.get(growing)?.close();
    armed.delete(growing);
  };
  const refuse = (growing: Growing) => {
    refused.add(growing);
    slow.start();
  };
  const seldom = (growing: Growing, thorough: boolean) => {
    if (!live.has(growing) || polled.has(growing)) return;
    if (look(growing, thorough)) startPolling(growing);
  };
  let thorough = false;
  let thoroughAt = clock.monotonic();
  const beginSweep = () => {
    const now = clock.monotonic();
    thorough = now - thoroughAt >= THOROUGH_MS;
    if (thorough) thoroughAt = now;
    return live;
  };

  const fast = createTicker(
    clock,
    () => POLL_MS,
    () => polled.keys(),
    poll,
  );
  const pause = createTicker(
    clock,
    () => POLL_MS,
    () => unsettled.keys(),
    rest,
  );
  const slow = createTicker(
    clock,
    () => REFUSED_MS,
    () => refused,
    (one) => seldom(one, false),
  );
  const sweep = createTicker(clock, sweepPause, beginSweep, (one) => seldom(one, thorough));

  return {
    watch(growing) {
      live.add(growing);
      sweep.start();
      arm(growing);
      return () => {
        live.delete(growing);
        for (const set of [polled, unsettled, refused]) set.delete(growing);
        disarm(growing);
      };
    },
    get watchers() {
      return armed.size;
    },
    close() {
      for (const growing of [...armed.keys()]) disarm(growing);
      for (const set of [live, polled, unsettled, refused]) set.clear();
      for (const ticker of [fast, pause, slow, sweep]) ticker.stop();
    },
  };
}

function sweepPause(tookMs: number): number {
  return Math.min(Math.max(SWEEP_MS, tookMs / SWEEPING_SHARE), LONGEST_SWEEP_MS);
}

/**
 * Visits all members again and again, from the first `start` until there is no member left. `pauseMs` tells how long
 * after the last time, which took so many milliseconds.
 */
function createTicker<T>(
  clock: Clock,
  pauseMs: (tookMs: number) => number,
  members: () => Iterable<T>,
  visit: (member: T) => void,
) {
  let tookMs = 0;
  let cancel: (() => void) | undefined;
  const tick = (remaining: readonly T[]) => {
    const begun = clock.monotonic();
    // `cancel` stays while the members are visited: what they start is this very ticker.
    for (const member of remaining.slice(0, MEMBERS_A_TURN)) visit(member);
    tookMs += clock.monotonic() - begun;
    const later = remaining.slice(MEMBERS_A_TURN);
    cancel = later.length > 0 ? clock.schedule(0, () => tick(later)) : undefined;
    if (remaining.length > 0) start();
  };
  const start = () => {
    cancel ??= clock.schedule(pauseMs(tookMs), () => {
      tookMs = 0;
      tick([...members()]);
    });
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
