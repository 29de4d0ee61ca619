import { closeSync, openSync, readSync } from "node:fs";

/** What the kernel says of one process in /proc/<pid>/stat. */
export interface ProcessStat {
  readonly pid: number;
  /** The program's short name, at most 15 characters. */
  readonly name: string;
  /** "R", "S", "D", "T", "Z", … */
  readonly state: string;
  readonly ppid: number;
  readonly group: number;
  readonly session: number;
  /** Clock ticks (10 ms) from boot to its fork; kept over exec. With the pid it names one process of this boot. */
  readonly startTime: number;
  readonly kernelThread: boolean;
}

/** Undefined when no such process exists (or ever came to exist). A zombie is still there: see `isLive`. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  const text = readProcFile(`/proc/${pid}/stat`);
  return text === undefined ? undefined : parseProcessStat(text);
}

/** Undefined unless the line is whole: a record that a crash cut short is no record. */
export function parseProcessStat(line: string): ProcessStat | undefined {
  const nameStart = line.indexOf("(");
  const nameEnd = line.lastIndexOf(")"); // the name may hold blanks and brackets
  if (nameStart < 1 || nameEnd < nameStart || !line.endsWith("\n")) return undefined;
  const fields = line.slice(nameEnd + 2).split(" ");
  const stat = {
    pid: Number(line.slice(0, nameStart)),
    name: line.slice(nameStart + 1, nameEnd),
    state: fields[0] ?? "",
    ppid: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTime: Number(fields[19]),
    kernelThread: (Number(fields[6]) & PF_KTHREAD) !== 0,
  };
  return stat.pid > 0 && Number.isSafeInteger(stat.startTime) ? stat : undefined;
}

/** A zombie is dead: it runs nothing and holds nothing but its number. */
export function isLive(stat: Pick<ProcessStat, "state">): boolean {
  return stat.state !== "Z" && stat.state !== "X" && stat.state !== "x";
}

const PF_KTHREAD = 0x00200000;
const CHUNK = 4096;

/**
 * The whole of a /proc file, or undefined when its process is gone or may not be read. Throws on anything else: that we
 * are out of descriptors must never pass for a death.
 */
export function readProcFile(path: string): string | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    return undefinedIfUnreadable(error);
  }
  try {
    // /proc files have no size, and most fit the first read; the buffer is small since this is called by the thousand.
    let buffer = Buffer.allocUnsafe(CHUNK);
    let length = 0;
    for (;;) {
      const count = readSync(descriptor, buffer, length, buffer.length - length, null);
      length += count;
      if (count === 0) return buffer.toString("latin1", 0, length);
      if (length === buffer.length) {
        const larger = Buffer.allocUnsafe(buffer.length * 4);
        buffer.copy(larger, 0, 0, length);
        buffer = larger;
      }
    }
  } catch (error) {
    return undefinedIfUnreadable(error);
  } finally {
    closeSync(descriptor);
  }
}

/** ESRCH: it ended between the open and the read. */
function undefinedIfUnreadable(error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ESRCH" || code === "EACCES" || code === "EPERM") return;
  throw error;
}
