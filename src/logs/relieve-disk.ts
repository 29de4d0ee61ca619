import { readdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { logFiles } from "./log-files.ts";
import type { Logs } from "./logs.ts";

export interface RelieveDiskOptions {
  readonly logs: Logs;
  readonly clock: Clock;
  /** Each holds the directories of logs; all on one file system. */
  readonly directories: readonly [string, ...string[]];
  readonly onError: (message: string, error: unknown) => void;
}

const SWEEP_MS = 1_000;
/** Below so much free space logs give way; on a small disk, below an eighth of it. */
const LEAST_FREE_BYTES = 256 * 1024 * 1024;
/** What a log keeps of each stream even then: why it ended is worth more than what others said before. */
const KEPT_BYTES = 256 * 1024;

/**
 * Looks once a second whether the disk runs full, and then cuts logs down, those first to which nothing was written for
 * the longest time, until there is space again. Else a full disk would cost the newest lines of all, and rows and
 * starts with them. Until the returned function is called.
 */
export function relieveDisk(options: RelieveDiskOptions): () => void {
  const { clock, onError } = options;
  let closed = false;
  const run = async () => {
    try {
      await sweep(options, () => closed);
    } catch (error) {
      if (!closed) onError("cannot make space by trimming logs", error);
    }
    if (!closed) cancel = clock.schedule(SWEEP_MS, () => void run());
  };
  let cancel = clock.schedule(SWEEP_MS, () => void run());
  return () => {
    closed = true;
    cancel();
  };
}

async function sweep(
  { logs, directories }: RelieveDiskOptions,
  isClosed: () => boolean,
): Promise<void> {
  if ((await missingBytes(directories[0])) <= 0) return;
  const found = (await Promise.all(directories.map(findLogs))).flat();
  for (const { directory } of found.sort((a, b) => a.writtenMs - b.writtenMs)) {
    if (isClosed() || (await missingBytes(directories[0])) <= 0) return;
    const log = await logs.open(directory);
    try {
      await log.shrink(KEPT_BYTES);
    } finally {
      log.release();
    }
  }
}

async function missingBytes(path: string): Promise<number> {
  const { bavail, blocks, bsize } = await statfs(path);
  return Math.min(LEAST_FREE_BYTES, (blocks * bsize) / 8) - bavail * bsize;
}

interface FoundLog {
  readonly directory: string;
  readonly writtenMs: number;
}

/** Those that hold more than they would keep. */
async function findLogs(parent: string): Promise<FoundLog[]> {
  const names = await readdir(parent);
  const found: FoundLog[] = [];
  for (const name of names) {
    const directory = join(parent, name);
    const outputs = await Promise.all(logFiles(directory).outputs.map(lookAt));
    if (outputs.every(({ heldBytes }) => heldBytes <= KEPT_BYTES)) continue;
    found.push({ directory, writtenMs: Math.max(...outputs.map(({ writtenMs }) => writtenMs)) });
  }
  return found;
}

/** The blocks of a file, not its size: most of a log may be a hole. */
async function lookAt(path: string): Promise<{ heldBytes: number; writtenMs: number }> {
  try {
    const { blocks, mtimeMs } = await stat(path);
    return { heldBytes: blocks * 512, writtenMs: mtimeMs };
  } catch {
    return { heldBytes: 0, writtenMs: 0 };
  }
}
