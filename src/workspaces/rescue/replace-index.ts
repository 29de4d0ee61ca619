import { constants } from "node:fs";
import { copyFile, link, lstat, rename, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Failpoints } from "../../failpoints.ts";

/** A git that outlived the server that had started it may hold the lock, and is done soon. */
const LOCKED_MS = 10_000;
const RETRY_MS = 50;

/**
 * Puts `content` in the place of a worktree's index, under git's own lock. Dying on the way leaves the lock to git and to
 * everybody; the next call takes it back, and no other: ours is a second name of a file of ours.
 * @throws an error with the code EEXIST while somebody else holds the lock
 */
export async function replaceIndex(
  gitDir: string,
  content: Buffer,
  failpoints: Failpoints,
): Promise<void> {
  const ours = join(gitDir, "workspace-runtime-index");
  const lock = join(gitDir, "index.lock");
  if (await isSameFile(ours, lock)) await rm(lock);
  await rm(ours, { force: true });
  await writeFile(ours, content, { flag: "wx", mode: 0o644 });
  // The times in it are those of other files: an old index makes git read them all, once.
  await utimes(ours, 1, 1);
  await takeLock(ours, lock);
  await failpoints.hit("restore.index-locked");
  await rename(lock, join(gitDir, "index"));
  await rm(ours);
}

async function isSameFile(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map((path) => lstat(path).catch(() => undefined)));
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev;
}

async function takeLock(ours: string, lock: string): Promise<void> {
  for (let waited = 0; ; waited += RETRY_MS) {
    try {
      return await lockWith(ours, lock);
    } catch (error) {
      if (codeOf(error) !== "EEXIST" || waited >= LOCKED_MS) throw error;
      await delay(RETRY_MS);
    }
  }
}

async function lockWith(ours: string, lock: string): Promise<void> {
  try {
    await link(ours, lock);
  } catch (error) {
    if (codeOf(error) === "EEXIST") throw error;
    // A file system without second names.
    await copyFile(ours, lock, constants.COPYFILE_EXCL);
    await utimes(lock, 1, 1);
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
