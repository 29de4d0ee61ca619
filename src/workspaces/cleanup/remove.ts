import { createHash } from "node:crypto";
import { lstat, rename, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Failpoints } from "../../failpoints.ts";
import type { Operation } from "../../model/operation.ts";
import type { Workspace } from "../../model/workspace.ts";
import { commandLine } from "../../operations/command-line.ts";
import { isInside } from "../allowed-roots.ts";
import type { OperationContext } from "../git-operation.ts";
import type { Inspection } from "./inspect.ts";
import { GIT, isSuccess, type RunCleanupStep } from "./operation.ts";
import { deleteBranchArgs, removeWorktreeArgs } from "./plan.ts";

export interface Removed {
  readonly operation?: Operation;
  /** Why it is still there. */
  readonly warning?: string;
}

/**
 * Removes the directory of a workspace, a worktree with its registration. It is renamed first: it is
 * there whole or not at all, also after a crash, so that a half removed one is never taken for work.
 */
export async function removeDirectory(
  { runStep, failpoints }: { readonly runStep: RunCleanupStep; readonly failpoints: Failpoints },
  context: OperationContext,
  workspace: Workspace,
  inspection: Inspection,
): Promise<Removed> {
  const { path, holding, registered, repository } = inspection;
  const isWorktree = holding === "worktree";
  const remains = remainsPath(workspace, path);
  if (inspection.isThere) {
    await runRemovalOf(remains);
    const failure = await rename(path, remains).catch((error: Error) => error);
    if (failure !== undefined) return { warning: `Could not remove "${path}": ${failure.message}` };
    await failpoints.hit("cleanup.renamed");
  }
  const hasRemains = await exists(remains);
  const forgets = isWorktree && registered !== undefined && repository !== undefined;
  if (!hasRemains && !forgets) return {};
  const parts = [
    ...(forgets ? [`${GIT} ${commandLine(removeWorktreeArgs(inspection).slice(1))}`] : []),
    ...(hasRemains ? [commandLine(["rm", "-rf", "--", remains])] : []),
  ];
  const { operation } = await runStep(context, workspace, {
    action: isWorktree ? "worktree_remove" : "remove_local_fs",
    shown: isWorktree ? removeWorktreeArgs(inspection) : ["rm", "-rf", path],
    script: parts.join(" && "),
    cwd: repository?.gitCwd ?? dirname(path),
    message: isWorktree
      ? `Removed git worktree ${path}`
      : `Removed local workspace directory ${path}`,
  });
  if (isSuccess(operation)) return { operation };
  // Git would not let it go: it stands where it stood. What is half removed waits for the next cleanup.
  const isRegistered = forgets && (await exists(inspection.state?.gitDir ?? ""));
  if (isRegistered && inspection.isThere) await rename(remains, path).catch(() => {});
  return { operation, warning: operation.message };

  /** What an earlier attempt left half removed, its place being needed again. */
  async function runRemovalOf(earlier: string): Promise<void> {
    if (!(await exists(earlier))) return;
    await runStep(context, workspace, {
      action: isWorktree ? "worktree_remove" : "remove_local_fs",
      shown: ["rm", "-rf", earlier],
      cwd: dirname(path),
      message: `Removed what an earlier cleanup left at ${earlier}`,
    });
  }
}

/**
 * Deletes a branch unless its tip is another than the one that was looked at, as `git branch -d` would:
 * the settings that it has go with it.
 */
export async function deleteBranch(
  runStep: RunCleanupStep,
  context: OperationContext,
  workspace: Workspace,
  tip: string,
  gitCwd: string,
): Promise<Removed> {
  const { branchName } = workspace;
  const remove = commandLine(["update-ref", "-d", `refs/heads/${branchName}`, tip]);
  const forget = commandLine(["config", "--local", "--remove-section", `branch.${branchName}`]);
  const { operation } = await runStep(context, workspace, {
    action: "branch_delete",
    shown: deleteBranchArgs(branchName),
    script: `${GIT} ${remove} && { ${GIT} ${forget} 2>/dev/null || :; }`,
    cwd: gitCwd,
    message: `Deleted branch ${branchName}`,
    metadata: { branchTip: tip },
  });
  return isSuccess(operation) ? { operation } : { operation, warning: operation.message };
}

/** The directories that a branch's slashes made, up to the worktrees' parent, as far as they are empty. */
export async function removeEmptyParents(path: string, parent: string): Promise<void> {
  let directory = dirname(path);
  while (directory !== parent && isInside(directory, parent)) {
    const isRemoved = await rmdir(directory).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code === "ENOENT",
    );
    if (!isRemoved) return;
    directory = dirname(directory);
  }
}

/** Where a directory that is being removed stands: beside its place, under a name of this workspace. */
export function remainsPath({ workspaceId }: Workspace, path: string): string {
  const hash = createHash("sha256").update(workspaceId).digest("hex").slice(0, 16);
  return join(dirname(path), `.removing-${hash}`);
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}
