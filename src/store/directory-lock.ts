import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { RuntimeError } from "../errors.ts";
import { createPrivateFile } from "./private-file.ts";
import { storeUnavailable } from "./store-errors.ts";

const SQLITE_BUSY = 5;

/**
 * Locks a directory for this process. Node has no file locks of its own; SQLite's exclusive lock on
 * an empty database is one of the kernel's: it ends with the process, no child inherits it, and
 * nothing of it can be left behind. STORE_UNAVAILABLE names the pid that has it.
 */
export function lockDirectory(directory: string): { release(): void } {
  const pidPath = join(directory, "server.pid");
  const lock = takeLock(directory, pidPath);
  writeFileSync(pidPath, `${process.pid}\n`, { mode: 0o600 });
  const release = () => {
    process.off("exit", release);
    if (lock.isOpen) lock.close();
  };
  // Held by the process itself: a lock that nothing refers to is closed by the garbage collector.
  process.on("exit", release);
  return { release };
}

function takeLock(directory: string, pidPath: string): DatabaseSync {
  const path = join(directory, "lock");
  let lock: DatabaseSync | undefined;
  try {
    createPrivateFile(path);
    lock = new DatabaseSync(path);
    lock.exec("pragma journal_mode = memory; begin exclusive");
    return lock;
  } catch (error) {
    lock?.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) {
      throw inUse(directory, readLivePid(pidPath), error);
    }
    throw storeUnavailable(`Cannot lock ${path}: ${(error as Error).message}.`, error);
  }
}

function inUse(directory: string, pid: number | undefined, cause: unknown): RuntimeError {
  const who = pid === undefined ? "Another server" : `Another server (pid ${pid})`;
  return new RuntimeError(
    "STORE_UNAVAILABLE",
    `${who} uses the data directory ${directory}. Stop it first, or choose another directory with --data-dir.`,
    { metadata: { path: directory, pid }, cause },
  );
}

/** Undefined when the file still names a former holder: the present one has only just begun. */
function readLivePid(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, "utf8"));
    return pid > 0 && isAlive(pid) ? pid : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
