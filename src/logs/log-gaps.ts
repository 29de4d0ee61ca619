import { readFileSync, statSync } from "node:fs";
import { appendFile, readFile } from "node:fs/promises";

/** Bytes that a process wrote and that never reached its log, at the offset where they would stand. */
export interface LostBytes {
  readonly offset: number;
  readonly bytes: number;
  /** Of the instance that ended on a full disk; undefined for a gap that the shim told while it went on. */
  readonly instance?: number;
}

export interface LogGaps {
  /** Looks at the file again; true if there is more to tell. */
  refresh(): boolean;
  /** All losses at `offset`, added up. */
  lostAt(offset: number): number;
  /** The nearest offset above `offset` with a loss, else infinity. */
  nextAfter(offset: number): number;
  /** Notes what an instance lost at its end; the same instance is noted once. */
  add(loss: Required<LostBytes>): Promise<void>;
}

/**
 * The losses of one stream. The shim writes a gap's line before any byte that stands behind the gap: who
 * looks here after it has seen the output's size knows all gaps below that size.
 */
export function createLogGaps(path: string): LogGaps {
  let losses: readonly LostBytes[] = [];
  let size = 0;
  const refresh = () => {
    const now = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (now === size) return false;
    size = now;
    const before = losses.length;
    losses = now === 0 ? [] : parseGaps(readFileSync(path, "latin1"));
    return losses.length !== before;
  };
  return {
    refresh,
    lostAt: (offset) =>
      losses.reduce((sum, loss) => (loss.offset === offset ? sum + loss.bytes : sum), 0),
    nextAfter: (offset) =>
      losses.reduce(
        (least, loss) => (loss.offset > offset ? Math.min(least, loss.offset) : least),
        Infinity,
      ),
    async add(loss) {
      refresh();
      if (losses.some((known) => known.instance === loss.instance)) return;
      await appendFile(path, `\n${loss.offset} ${loss.bytes} ${loss.instance}\n`, { mode: 0o600 });
      refresh();
    },
  };
}

/**
 * Each entry is a newline, its numbers, and a newline. The leading one heals an entry torn by the full disk,
 * which is told again whole: so an entry counts only if the file ends behind it or another one begins.
 */
export function parseGaps(text: string): LostBytes[] {
  const losses: LostBytes[] = [];
  for (const match of text.matchAll(/\n(\d+) (\d+)(?: (\d+))?\n(?=\n|$)/g)) {
    const [, offset, bytes, instance] = match;
    losses.push({
      offset: Number(offset),
      bytes: Number(bytes),
      ...(instance === undefined ? {} : { instance: Number(instance) }),
    });
  }
  return losses;
}

/** The shim's record of what could not be written up to the end; 0 if it is blank or not there. */
export async function readLost(path: string): Promise<number> {
  try {
    const text = await readFile(path, "latin1");
    return /^\d+\s*$/.test(text) ? Number(text) : 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}
