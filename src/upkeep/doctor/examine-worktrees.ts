import { existsSync } from "node:fs";
import type { Git } from "../../git/git.ts";
import { listWorktrees, type RegisteredWorktree } from "../../git/worktree-list.ts";
import type { Finding } from "./finding.ts";
import type { WorktreeFacts } from "./rows.ts";

/** What the rows say of worktrees against what git and the file system say. Asks git to run nothing of the repository. */
export async function examineWorktrees(
  git: Git,
  worktrees: readonly WorktreeFacts[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const lists = new Map<string, readonly RegisteredWorktree[] | Error>();
  for (const worktree of worktrees) {
    const { repoRoot } = worktree;
    const list = lists.get(repoRoot) ?? (await listWorktrees(git, repoRoot).catch(asError));
    lists.set(repoRoot, list);
    const problem = problemOf(worktree, list);
    if (problem === undefined) continue;
    findings.push({
      check: "worktrees",
      problem,
      advice: `Realize the workspace again, or give it up: workspace-runtime workspace clean ${worktree.workspaceId}`,
    });
  }
  return findings;
}

function problemOf(
  { workspaceId, path, repoRoot, branchName }: WorktreeFacts,
  list: readonly RegisteredWorktree[] | Error,
): string | undefined {
  if (list instanceof Error) return `Workspace ${workspaceId}: ${list.message}.`;
  if (!existsSync(path)) return `The worktree ${path} of workspace ${workspaceId} is gone.`;
  const registered = list.find((one) => one.path === path);
  if (registered === undefined) {
    return `${path} of workspace ${workspaceId} is no worktree of ${repoRoot} any more.`;
  }
  if (registered.branch === branchName || branchName === "") return undefined;
  return `${path} of workspace ${workspaceId} is on ${registered.branch ?? "a detached HEAD"}, not on ${branchName}.`;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
