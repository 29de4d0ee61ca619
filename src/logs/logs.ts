import { resolve } from "node:path";
import type { Clock } from "../clock.ts";
import { RuntimeError } from "../errors.ts";
import type { Failpoints } from "../failpoints.ts";
import { createBlockReader } from "./block-reader.ts";
import { createGrowthWatcher, type WatchDirectory } from "./growth-watcher.ts";
import { createLog, type Log } from "./log.ts";
import { type LogState, openLogState } from "./log-state.ts";
import { createReadMemory } from "./read-memory.ts";
import type { PunchHole } from "./trim.ts";

/** All logs of this server that are open: each directory once, while anybody holds it. */
export interface Logs {
  /**
   * Opens the log in `directory` (made if it is not there), or takes a further hold of it.
   * @throws STORAGE_FULL when a new log cannot be made for want of space.
   */
  open(directory: string): Promise<Log>;
  /** `open`: directories; `watchers`: kernel watches; `readers`: those that follow. */
  counts(): { readonly open: number; readonly watchers: number; readonly readers: number };
  /** Closes everything, held or not. */
  close(): Promise<void>;
}

export interface LogsOptions {
  readonly clock: Clock;
  readonly failpoints?: Failpoints;
  /** For what cannot be told to a caller. */
  readonly onError?: (message: string, error: unknown) => void;
  /** Kept of each stream when a recording does not say, in bytes. Default 64 MiB. */
  readonly maxBytesDefault?: number;
  /** Undefined where the file system or the machine cannot punch holes: nothing is trimmed then. */
  readonly punchHole?: PunchHole | undefined;
  /** For tests of a kernel that refuses. */
  readonly watchDirectory?: WatchDirectory;
}

interface OpenLog {
  readonly opening: Promise<LogState>;
  holds: number;
}

export function createLogs(options: LogsOptions): Logs {
  const { clock, onError = () => undefined, watchDirectory } = options;
  const growth = createGrowthWatcher({ clock, ...(watchDirectory ? { watchDirectory } : {}) });
  const reader = createBlockReader(createReadMemory());
  const open = new Map<string, OpenLog>();
  /** Logs being closed: the same directory is opened again only behind this. */
  const closing = new Map<string, Promise<void>>();
  let closed = false;
  const counters = { readers: 0 };

  const openState = async (directory: string): Promise<LogState> => {
    await closing.get(directory);
    try {
      return await openLogState(directory, onError, options.failpoints);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOSPC" && code !== "EDQUOT") throw error;
      throw new RuntimeError("STORAGE_FULL", "no space left for a log", { cause: error });
    }
  };
  const closeState = (directory: string, entry: OpenLog) => {
    if (open.get(directory) === entry) open.delete(directory);
    const done = entry.opening
      .then((state) => state.close())
      .catch((error) => onError("cannot close a log", error))
      .finally(() => {
        if (closing.get(directory) === done) closing.delete(directory);
      });
    closing.set(directory, done);
    return done;
  };
  const hold = (directory: string, entry: OpenLog) => {
    let held = true;
    entry.holds += 1;
    return () => {
      if (!held) return;
      held = false;
      entry.holds -= 1;
      if (entry.holds === 0 && open.get(directory) === entry) void closeState(directory, entry);
    };
  };

  return {
    async open(path) {
      if (closed) throw new RuntimeError("SHUTTING_DOWN", "the logs are closed");
      const directory = resolve(path);
      let entry = open.get(directory);
      if (entry === undefined) {
        entry = { opening: openState(directory), holds: 0 };
        open.set(directory, entry);
      }
      const release = hold(directory, entry);
      try {
        const state = await entry.opening;
        const present = entry;
        return createLog(
          state,
          {
            clock,
            growth,
            reader,
            onError,
            punchHole: options.punchHole,
            maxBytes: options.maxBytesDefault ?? DEFAULT_MAX_BYTES,
            hold: () => hold(directory, present),
            countReader: () => {
              counters.readers += 1;
              return () => {
                counters.readers -= 1;
              };
            },
          },
          release,
        );
      } catch (error) {
        release();
        throw error;
      }
    },
    counts: () => ({ open: open.size, watchers: growth.watchers, readers: counters.readers }),
    async close() {
      closed = true;
      growth.close();
      for (const [directory, entry] of [...open]) void closeState(directory, entry);
      await Promise.all(closing.values());
    },
  };
}

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;
