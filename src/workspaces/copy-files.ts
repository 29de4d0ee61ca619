import { constants } from "node:fs";
import { copyFile, glob, lstat, mkdir, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Git } from "../git/git.ts";
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
export async function copyFiles(git: Git, request: CopyFilesRequest): Promise<string[]> {
  if (request.patterns.length === 0) return [];
  const warnings: string[] = [];
  const from = await checkoutOf(git, request.from);
  if (from === undefined) return ["Copied no files: the base is no checkout"];
  const to = await realpath(request.to);
  const tracked = await trackedFiles(git, from);
  for (const pattern of request.patterns) {
    const names = glob(pattern, {
      cwd: from,
      exclude: (name) => name === ".git" || join(from, name) === request.exceptBelow,
    });
    for await (const name of names) {
      // Git brings those that belong to the base; the others belong to another commit.
      if (tracked.has(name)) continue;
      const why = await copyOne(join(from, name), join(to, name), { from, to });
      if (why !== undefined) warnings.push(`Skipped copying "${name}": ${why}`);
    }
  }
  return warnings;
}

/** The top of the checkout that a directory lies in; a bare repository has none. */
async function checkoutOf(git: Git, directory: string): Promise<string | undefined> {
  const answer = await git.inspect(directory, ["rev-parse", "--show-toplevel"]);
  return answer.exitCode === 0 ? await realpath(answer.stdout.replace(/\n$/, "")) : undefined;
}

async function trackedFiles(git: Git, checkout: string): Promise<Set<string>> {
  const answer = await git.inspect(checkout, ["ls-files", "-z"]);
  return new Set(answer.stdout.split("\0"));
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
