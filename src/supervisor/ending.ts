import type { Clock } from "../clock.ts";
import { type Exit, exitOf } from "./exit-status.ts";
import { isAlive, isTaken, type LocalProcess } from "./identity.ts";
import { readDrained, readExit } from "./instance-directory.ts";
import type { Platform } from "./platform.ts";
import { isLive } from "./process-stat.ts";
import type { ProcessTables } from "./process-table.ts";
import type { Watcher } from "./watch.ts";

/** The end of one instance as it becomes known: first of its main process, then of its output. */
export interface Ending {
  readonly exited: Promise<Exit>;
  readonly drained: Promise<void>;
  exit(): Exit | undefined;
  isDrained(): boolean;
  /** Looks at the records and at who lives, now. */
  look(): void;
  /** Declares the output ended: whoever wrote it has been killed. */
  cut(): void;
}

export interface EndingOptions {
  readonly directory: string;
  readonly marker: string;
  readonly main: LocalProcess;
  readonly shim: LocalProcess | undefined;
  readonly clock: Clock;
  readonly platform: Platform;
  readonly tables: ProcessTables;
  readonly watcher: Watcher;
  /** Whether the kernel killed something of the tree for its memory. */
  readonly wasOomKilled: () => boolean;
  readonly warn: (message: string, facts: object) => void;
  /** Called after each step, and with the exit before anybody else hears of it. */
  readonly onChange: () => void;
}

/** Of a thousand services, files and processes are not read each second. */
const SWEEPS_A_LOOK = 30;

export function watchEnding(options: EndingOptions): Ending {
  const { directory, marker, main, shim, clock, platform, tables, watcher, warn, onChange } =
    options;
  const { wasOomKilled } = options;
  const exited = Promise.withResolvers<Exit>();
  const drained = Promise.withResolvers<void>();
  let exit: Exit | undefined;
  let isDrained = false;

  const look = (reason: "HINT" | "SWEEP") => {
    try {
      if (exit === undefined) lookForExit(reason);
      if (exit !== undefined && !isDrained) lookForDrained(reason);
    } catch (error) {
      warn("instance cannot be looked at", { directory, error });
    }
  };

  const lookForExit = (reason: "HINT" | "SWEEP") => {
    const found = readExit(directory);
    if (found !== undefined) return settleExit(exitOf(found));
    // A hint is about the records; who lives is asked on each sweep.
    if (reason === "HINT" || isAlive(main, platform) || isShimAlive()) return;
    // Both are dead now; the record may have been written since we read it.
    const late = readExit(directory);
    settleExit(late === undefined ? { exitTime: clock.now(), lost: true } : exitOf(late));
  };

  const lookForDrained = (reason: "HINT" | "SWEEP") => {
    if (readDrained(directory).drained) return settleDrained();
    if (reason === "SWEEP" && !isShimAlive()) {
      lookForWriters().catch((error) => warn("writers cannot be looked at", { directory, error }));
    }
  };

  /** Without a shim its writers go on to the end of the output, and nobody records it. */
  const lookForWriters = async () => {
    if (!platform.proc) return settleDrained();
    const table = await tables.pass((shim ?? main).startTime);
    if (!table.shimsOf(marker).some(isLive)) settleDrained();
  };

  const isShimAlive = () => shim !== undefined && isAlive(shim, platform);

  const settleExit = (value: Exit) => {
    exit = value.signal === "SIGKILL" && wasOomKilled() ? { ...value, oomKilled: true } : value;
    exited.resolve(exit);
    onChange();
  };
  const settleDrained = () => {
    isDrained = true;
    drained.resolve();
    unwatch();
    onChange();
  };

  let sweeps = 0;
  /** By the number alone, which is cheap: one that was given away since is told apart by the next true look. */
  const seemsToRun = () => {
    sweeps += 1;
    return exit === undefined && sweeps % SWEEPS_A_LOOK !== 0 && isTaken(main.pid);
  };
  const unwatch = watcher.watch(directory, (reason) => {
    if (reason === "HINT" || !seemsToRun()) look(reason);
  });
  return {
    exited: exited.promise,
    drained: drained.promise,
    exit: () => exit,
    isDrained: () => isDrained,
    look: () => look("SWEEP"),
    cut: settleDrained,
  };
}
