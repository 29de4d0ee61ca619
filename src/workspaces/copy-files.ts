import { constants } from "node:fs";
import { copyFile, glob, lstat, mkdir, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isInside, resolveSymlinks } from "./allowed-roots.ts";

export interface CopyFilesRequest {
  /** The checkout that has the files. */
  readonly from: string;
  /** The new worktree. */
  readonly to: string;
  /** Paths or globs, relative to `from`. */
  readonly patterns: readonly string[];
  /** A directory of `from` that is not looked into: where the worktrees lie. */
  readonly exceptBelow: string;
}

/**
 * Copies files that git does not bring along, such as `.env`; never over a file, never through a
 * symlink out of either tree. What could not be copied comes back as warnings.
 */
export async function copyFiles(request: CopyFilesRequest): Promise<string[]> {
  const warnings: string[] = [];
  const from = await realpath(request.from);
  const to = await realpath(request.to);
  for (const pattern of request.patterns) {
    const names = glob(pattern, {
      cwd: from,
      exclude: (name) => name === ".git" || join(from, name) === request.exceptBelow,
    });
    for await (const name of names) {
      const why = await copyOne(join(from, name), join(to, name), { from, to });
      if (why !== undefined) warnings.push(`Skipped copying "${name}": ${why}`);
    }
  }
  return warnings;
}

async function copyOne(
  source: string,
  target: string,
  trees: { readonly from: string; readonly to: string },
): Promise<string | undefined> {
  try {
    const actual = await realpath(source);
    if (!isInside(actual, trees.from)) return "it leads out of the checkout";
    if (!(await lstat(actual)).isFile()) return undefined;
    const parent = await resolveSymlinks(dirname(target));
    if (parent === undefined || !isInside(parent, trees.to)) return "it leads out of the worktree";
    await mkdir(parent, { recursive: true });
    await copyFile(actual, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "EEXIST" ? undefined : (code ?? String(error));
  }
}
