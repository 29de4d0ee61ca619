import { lstat } from "node:fs/promises";
import { join } from "node:path";
import type { Plumbing } from "../../git/plumbing.ts";
import { bytesPath, readWorktreeState, type StateTools } from "../rescue/worktree-state.ts";

/**
 * Submodules of a worktree whose work would go with it: changes, or commits that no remote has. Their
 * git directories lie in the worktree's own.
 */
export async function submodulesWithWork(tools: StateTools, worktree: string): Promise<string[]> {
  const staged = await tools.plumbing.read(worktree, ["ls-files", "--stage", "-z"]);
  const found: string[] = [];
  for (const entry of staged.toString("latin1").split("\0")) {
    const path = /^160000 [0-9a-f]+ \d\t([\s\S]+)$/.exec(entry)?.[1];
    if (path === undefined) continue;
    const directory = bytesPath(worktree, path).toString();
    const isCheckedOut = await lstat(join(directory, ".git")).then(
      () => true,
      () => false,
    );
    if (isCheckedOut && (await hasWork(tools, directory))) {
      found.push(Buffer.from(path, "latin1").toString());
    }
  }
  return found;
}

/** What cannot be told counts as work. */
async function hasWork(tools: StateTools, submodule: string): Promise<boolean> {
  try {
    const { paths, repositories } = await readWorktreeState(tools, submodule);
    if (paths.length > 0 || repositories.length > 0) return true;
    if (await hasOwnCommits(tools.plumbing, submodule)) return true;
    return (await submodulesWithWork(tools, submodule)).length > 0;
  } catch {
    return true;
  }
}

async function hasOwnCommits(plumbing: Plumbing, submodule: string): Promise<boolean> {
  const args = ["rev-list", "--max-count=1", "HEAD", "--branches", "--glob=refs/stas[h]"];
  const own = await plumbing.read(submodule, [...args, "--not", "--remotes"]);
  return own.length > 0;
}
