import { type FSWatcher, watch } from "node:fs";
import type { Clock } from "../clock.ts";

/**
 * Tells when an instance directory is worth a look. inotify is a hint that the kernel may drop (a full queue) or refuse
 * (no watches left), so everything is also looked at each second; each 250 ms while a watch is refused.
 */
export interface Watcher {
  /** Calls `look` after a change in `directory` and on each sweep, until the returned function is called. */
  watch(directory: string, look: (reason: "HINT" | "SWEEP") => void): () => void;
  /** Some watches are refused at the moment. */
  degraded(): boolean;
  close(): void;
}

export interface WatcherOptions {
  readonly clock: Clock;
  /** Watched for ever, so that this process's inotify instance is taken at start-up and never given back. */
  readonly anchor: string;
  /** Default 1000. */
  readonly sweepMs?: number;
  /** For tests: `fs.watch`, or one that refuses. */
  readonly fsWatch?: typeof watch;
}

const REFUSED_SWEEP_MS = 250;
/** A sweep of many comes less often, at most half as often: this part of the time goes into sweeps. */
const SWEEPING_SHARE = 1 / 500;
/** Looks per turn of the event loop. */
const BATCH = 64;

interface Entry {
  readonly directory: string;
  readonly look: (reason: "HINT" | "SWEEP") => void;
  watcher?: FSWatcher;
}

export function createWatcher(options: WatcherOptions): Watcher {
  const { clock, anchor, sweepMs = 1000, fsWatch = watch } = options;
  const entries = new Set<Entry>();
  let closed = false;
  let cancelSweep = () => {};
  /** Milliseconds that the last sweep looked, without its pauses. */
  let tookMs = 0;

  const arm = (entry: Entry) => {
    try {
      entry.watcher = fsWatch(entry.directory, { persistent: false }, () => entry.look("HINT"));
      entry.watcher.on("error", () => disarm(entry));
    } catch {
      // ENOSPC: no watch left, EMFILE: no inotify instance; the sweep stands in and tries again.
    }
  };
  const disarm = (entry: Entry) => {
    entry.watcher?.close();
    delete entry.watcher;
  };
  const degraded = () => {
    for (const entry of entries) if (entry.watcher === undefined) return true;
    return anchorEntry.watcher === undefined;
  };
  const schedule = () => {
    cancelSweep();
    if (closed) return;
    const usual = Math.min(Math.max(sweepMs, tookMs / SWEEPING_SHARE), 2 * sweepMs);
    const delay = degraded() ? Math.min(sweepMs, REFUSED_SWEEP_MS) : usual;
    cancelSweep = clock.schedule(delay, () => void sweep());
  };
  const sweep = async () => {
    const all = [anchorEntry, ...entries];
    tookMs = 0;
    for (let begun = 0; begun < all.length; begun += BATCH) {
      const begunAt = clock.monotonic();
      for (const entry of all.slice(begun, begun + BATCH)) {
        if (closed) return;
        if (entry.watcher === undefined) arm(entry);
        if (entries.has(entry)) entry.look("SWEEP");
      }
      tookMs += clock.monotonic() - begunAt;
      await new Promise((resolve) => setImmediate(resolve));
    }
    schedule();
  };

  const anchorEntry: Entry = { directory: anchor, look: () => {} };
  arm(anchorEntry);
  schedule();

  return {
    watch(directory, look) {
      const entry: Entry = { directory, look };
      entries.add(entry);
      arm(entry);
      if (entry.watcher === undefined) schedule();
      return () => {
        entries.delete(entry);
        disarm(entry);
      };
    },
    degraded,
    close() {
      closed = true;
      cancelSweep();
      for (const entry of [anchorEntry, ...entries]) disarm(entry);
      entries.clear();
    },
  };
}
