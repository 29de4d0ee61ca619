import { type Git, gitFailed } from "./git.ts";

/** Whether git takes `name` as a branch's name. */
export async function isValidBranchName(git: Git, cwd: string, name: string): Promise<boolean> {
  // A name that starts with a dash would be read as an option, and is never valid.
  if (name === "" || name.startsWith("-") || name === "HEAD") return false;
  // Of the usual characters only these few arrangements are refused: git need not be asked.
  if (/^[A-Za-z0-9._/-]+$/.test(name)) {
    return !/\.\.|\.$|^\/|\/$|\/\/|(^|\/)\.|\.lock(\/|$)/.test(name);
  }
  return (await git.inspect(cwd, ["check-ref-format", "--branch", name])).exitCode === 0;
}

/** What a branch's name would meet among the branches that there are. */
export interface BranchLookup {
  /** The branch's own commit; absent when there is no such branch. */
  readonly tip?: string;
  /**
   * A branch is a file among directories: `release` and `release/x` cannot both be. The one in the
   * way, if there is one.
   */
  readonly conflict?: string;
}

export async function lookUpBranch(
  git: Git,
  gitCwd: string,
  branch: string,
): Promise<BranchLookup> {
  const parts = branch.split("/");
  const parents = parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
  const parentRefs = parents.map((name) => `refs/heads/${name}`);
  const [commits, found] = await Promise.all([
    parents.length === 0 ? new Map() : resolveCommits(git, gitCwd, parentRefs),
    // Matches the branch itself and those below it, of which there are not both.
    git.inspect(gitCwd, [
      "for-each-ref",
      "--count=1",
      "--format=%(refname:lstrip=2)%00%(objectname)",
      `refs/heads/${branch}`,
    ]),
  ]);
  const [name = "", commit = ""] = found.stdout.trim().split("\0");
  if (name === branch) return { tip: commit };
  const conflict = parents.find((parent) => commits.has(`refs/heads/${parent}`)) ?? name;
  return conflict === "" ? {} : { conflict };
}

/**
 * The commits that revisions name; one that names none is absent. Revisions go through standard
 * input, where nothing is an option; one with a control character names nothing.
 */
export async function resolveCommits(
  git: Git,
  gitCwd: string,
  revisions: readonly string[],
): Promise<Map<string, string>> {
  const asked = revisions.filter((revision) => revision !== "" && !/\p{Cc}/u.test(revision));
  const input = asked.map((revision) => `${revision}^{commit}\n`).join("");
  const answer = await git.inspect(
    gitCwd,
    ["cat-file", "--batch-check=%(objectname) %(objecttype)"],
    input,
  );
  if (answer.exitCode !== 0) throw gitFailed("cat-file", gitCwd, answer);
  const lines = answer.stdout.split("\n");
  const commits = new Map<string, string>();
  for (const [index, revision] of asked.entries()) {
    const match = /^([0-9a-f]{40,64}) commit$/.exec(lines[index] ?? "");
    if (match?.[1] !== undefined) commits.set(revision, match[1]);
  }
  return commits;
}

/** How far two commits are apart. */
export interface Distance {
  /** Commits of `from` that `to` does not have. */
  readonly ahead: number;
  /** Commits of `to` that `from` does not have. */
  readonly behind: number;
}

export async function countBetween(
  git: Git,
  gitCwd: string,
  from: string,
  to: string,
): Promise<Distance> {
  const answer = await git.inspect(gitCwd, [
    "rev-list",
    "--left-right",
    "--count",
    "--end-of-options",
    `${from}...${to}`,
  ]);
  const match = /^(\d+)\t(\d+)$/.exec(answer.stdout.trim());
  if (match === null) throw gitFailed("rev-list", gitCwd, answer);
  return { ahead: Number(match[1]), behind: Number(match[2]) };
}
