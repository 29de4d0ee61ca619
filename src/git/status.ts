import { type Git, gitFailed } from "./git.ts";

/** What a checkout holds beyond its commit. */
export interface CheckoutStatus {
  /** Tracked files that differ from the commit, staged or not, conflicts included. */
  readonly modifiedFiles: number;
  /** Files that git does not know and does not ignore. */
  readonly untrackedFiles: number;
  /** The first ten paths of either kind. */
  readonly sample: readonly string[];
}

/** Looks at a checkout without running the repository's filters, hooks or monitor. */
export async function readStatus(git: Git, worktree: string): Promise<CheckoutStatus> {
  const answer = await git.inspect(worktree, [
    ...(await withoutFilters(git, worktree)),
    "status",
    "--porcelain=v2",
    "-z",
    "--untracked-files=all",
    "--no-renames",
  ]);
  if (answer.exitCode !== 0) throw gitFailed("status", worktree, answer);
  return parseStatus(answer.stdout);
}

/** Reads `git status --porcelain=v2 -z` without renames: one entry between NULs. */
export function parseStatus(output: string): CheckoutStatus {
  let modifiedFiles = 0;
  let untrackedFiles = 0;
  const sample: string[] = [];
  for (const entry of output.split("\0")) {
    const kind = entry[0];
    if (kind === "?") untrackedFiles += 1;
    else if (kind === "1" || kind === "2" || kind === "u") modifiedFiles += 1;
    else continue;
    if (sample.length < 10) sample.push(pathOf(entry));
  }
  return { modifiedFiles, untrackedFiles, sample };
}

/** Blank-separated fields before the path, by kind of entry. */
const FIELDS_BEFORE_PATH: Readonly<Record<string, number>> = { "1": 8, "2": 9, u: 10, "?": 1 };

function pathOf(entry: string): string {
  const fields = FIELDS_BEFORE_PATH[entry[0] ?? ""] ?? 0;
  return entry.split(" ").slice(fields).join(" ");
}

/**
 * A file whose times changed is read again through its clean filter, a program that the repository
 * names. Without the filter such a file may count as modified though it is not: the safe side.
 * Answers the global options under which git runs no filter, neither way.
 */
export async function withoutFilters(git: Git, worktree: string): Promise<string[]> {
  const answer = await git.inspect(worktree, [
    "config",
    "--null",
    "--name-only",
    "--get-regexp",
    "^filter\\..*\\.(clean|smudge|process)$",
  ]);
  const keys = answer.stdout.split("\0").filter((key) => key !== "");
  return keys.flatMap((key) => [
    "-c",
    `${key}=`,
    "-c",
    `${key.replace(/\.[^.]+$/, "")}.required=false`,
  ]);
}
