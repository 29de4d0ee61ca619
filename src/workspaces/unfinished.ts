import { readdir, rm, rmdir } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Repository } from "../git/repository.ts";
import type { RegisteredWorktree } from "../git/worktree-list.ts";

/** What git says of a worktree from before it has a place until its files are there (`LC_ALL=C`). */
const INITIALIZING = "initializing";

/**
 * A `git worktree add` that was killed, not merely told to end, leaves its registration locked like
 * this: there is nothing in it that anybody has worked on.
 */
export function isUnfinished(worktree: RegisteredWorktree): boolean {
  return !worktree.isMain && worktree.locked === INITIALIZING;
}

/** Git adds a worktree to an empty directory; one that was killed early leaves such a one. */
export async function isEmptyDirectory(path: string): Promise<boolean> {
  return await readdir(path).then(
    (names) => names.length === 0,
    () => false,
  );
}

/**
 * Takes away what no git command sees but later ones stumble over: the lock of the branch, and an
 * entry of `worktrees/` that never got as far as naming its directory. Only where it is known that
 * our own git was killed at it, and no other one works on this branch.
 */
export async function sweepUnfinished(
  { commonDir }: Repository,
  branch: string,
  path: string,
): Promise<void> {
  await rm(join(commonDir, "refs", "heads", `${branch}.lock`), { force: true });
  const entries = join(commonDir, "worktrees");
  const names = await readdir(entries).catch(() => []);
  // Git numbers the entries of directories with one name.
  const own = names.filter(
    (name) => name.replace(/\d+$/, "") === basename(path).replace(/\d+$/, ""),
  );
  for (const entry of own.map((name) => join(entries, name))) {
    const files = await readdir(entry).catch(() => undefined);
    if (files === undefined || files.some((file) => file !== "locked")) continue;
    await rm(join(entry, "locked"), { force: true });
    await rmdir(entry).catch(() => {});
  }
}
