import { type Git, gitFailed } from "./git.ts";

/** A checkout that the repository knows of, its directory there or not. */
export interface RegisteredWorktree {
  readonly path: string;
  /** The main checkout (or the bare repository itself); all others are linked. */
  readonly isMain: boolean;
  /** Absent for a bare repository. */
  readonly head?: string;
  /** Without `refs/heads/`; absent while detached. */
  readonly branch?: string;
  /** Why it must not be touched; "" when nobody said. Absent: not locked. */
  readonly locked?: string;
  /** Why git would forget it: its directory is gone, or is another's. Absent: it is there. */
  readonly prunable?: string;
}

export async function listWorktrees(git: Git, gitCwd: string): Promise<RegisteredWorktree[]> {
  const answer = await git.inspect(gitCwd, ["worktree", "list", "--porcelain", "-z"]);
  if (answer.exitCode !== 0) throw gitFailed("worktree list", gitCwd, answer);
  return parseWorktreeList(answer.stdout);
}

/** Reads `git worktree list --porcelain -z`: NUL ends an attribute, an empty one ends a worktree. */
export function parseWorktreeList(output: string): RegisteredWorktree[] {
  const records = output.split("\0\0").filter((record) => record !== "");
  return records.map((record, index) => {
    const attributes = new Map(
      record.split("\0").map((line): [string, string] => {
        const blank = line.indexOf(" ");
        return blank < 0 ? [line, ""] : [line.slice(0, blank), line.slice(blank + 1)];
      }),
    );
    const head = attributes.get("HEAD");
    const branch = attributes.get("branch");
    const locked = attributes.get("locked");
    const prunable = attributes.get("prunable");
    return {
      path: attributes.get("worktree") ?? "",
      isMain: index === 0,
      ...(head === undefined ? {} : { head }),
      ...(branch === undefined ? {} : { branch: branch.replace(/^refs\/heads\//, "") }),
      ...(locked === undefined ? {} : { locked }),
      ...(prunable === undefined ? {} : { prunable }),
    };
  });
}
