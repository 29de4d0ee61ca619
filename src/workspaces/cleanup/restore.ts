import { stat } from "node:fs/promises";
import { RuntimeError } from "../../errors.ts";
import { lookUpBranch, resolveCommits } from "../../git/refs.ts";
import type { Repository } from "../../git/repository.ts";
import type { Operation } from "../../model/operation.ts";
import type { Workspace } from "../../model/workspace.ts";
import { refuseStale } from "../expected-revision.ts";
import { type OperationContext, succeeded } from "../git-operation.ts";
import { inUse, locationOf } from "../place.ts";
import { realizeWorktree, type WorktreeDependencies } from "../realize-worktree.ts";
import { validateCommandEnv } from "../validate-realize.ts";
import { mergeRequest } from "../wanted.ts";
import type { RealizeRequest } from "../workspaces.ts";
import { bringBack, type FoundRescue, findRescue } from "./bring-back.ts";
import { type CleanupTools, findWorkspace } from "./cleanup.ts";
import type { RestoreRequest, RestoreResult } from "./cleanup-call.ts";
import { openRepository } from "./inspect.ts";
import { pathOf } from "./operation.ts";

/**
 * Brings a cleaned workspace back: its branch, its worktree, the work that was rescued from it. One that
 * is not ARCHIVED or CLEANUP_FAILED, and no half restored one, is answered as it is. Throws what realize
 * does. `begun` is told of the row as soon as it says what is going on.
 */
export async function restoreWorkspace(
  tools: CleanupTools & WorktreeDependencies,
  request: RestoreRequest,
  begun: (workspace: Workspace) => void,
): Promise<RestoreResult> {
  validateCommandEnv(request.commandEnv);
  const workspace = await findWorkspace(tools.store, request.workspaceId);
  return await tools.locations.run(locationOf(workspace), async () => {
    const current = await findWorkspace(tools.store, request.workspaceId);
    refuseStale(request.expectedRevision, current);
    if (!isToRestore(current)) return { ...NOTHING_DONE, workspace: current };
    await tools.roots.resolve(pathOf(current));
    return current.strategy === "GIT_WORKTREE"
      ? await restoreWorktree(tools, request, current, begun)
      : { ...NOTHING_DONE, workspace: await reopen(tools, current) };
  });
}

const NOTHING_DONE = { created: false, operations: [], provisioned: false } as const;

/** The cleanup time goes when all is back: until then a restore that was cut off is taken up again. */
function isToRestore({ state, cleanupTime }: Workspace): boolean {
  if (state === "ARCHIVED" || state === "CLEANUP_FAILED") return true;
  return (state === "PROVISIONING" || state === "FAILED") && cleanupTime !== undefined;
}

async function reopen(tools: CleanupTools, workspace: Workspace): Promise<Workspace> {
  const isThere = await stat(workspace.cwd).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  const warnings = isThere ? [] : [`"${workspace.cwd}" is gone: no rescue could hold it`];
  return await update(tools, workspace, { state: "ACTIVE", stateMessage: "", warnings });
}

async function update(
  { store }: CleanupTools,
  workspace: Workspace,
  patch: Partial<Pick<Workspace, "state" | "stateMessage" | "warnings" | "branchCreated">>,
): Promise<Workspace> {
  const { workspaceId } = workspace;
  return (
    (await store.workspaces.update(workspaceId, { ...patch, cleanupTime: undefined })) ?? workspace
  );
}

async function restoreWorktree(
  tools: CleanupTools & WorktreeDependencies,
  request: RestoreRequest,
  workspace: Workspace,
  begun: (workspace: Workspace) => void,
): Promise<RestoreResult> {
  const { workspaceId, companyId, branchName, gitCommonDir } = workspace;
  const repository = await openRepository(tools.git, workspace);
  if (repository === undefined) throw noRepository(workspace);
  await refuseOther();
  const context: OperationContext = {
    ...{ companyId, workspaceId, projectWorkspaceId: workspace.projectWorkspaceId },
    issueId: workspace.issue?.issueId ?? "",
    ...(request.actor === undefined ? {} : { actor: request.actor }),
  };
  const rescue = await findRescue(tools, repository, workspace);
  const remade = await remakeBranch(tools, context, workspace, repository, rescue);
  const branchCreated = workspace.branchCreated || remade !== undefined;
  const stored = { ...workspace, branchCreated };
  const realizeRequest = requestOf(workspace, request);
  const realized = await realizeWorktree(tools, {
    ...{ repository, context, begun, workspaceId, stored, branch: branchName },
    request: realizeRequest,
    wanted: mergeRequest(realizeRequest, workspace),
    made: (path, created) =>
      bringBack(tools, context, { workspace, repository, rescue, path, created }),
  });
  const operations: readonly Operation[] =
    remade === undefined ? realized.operations : [remade, ...realized.operations];
  const restored = await update(tools, realized.workspace, {});
  await tools.failpoints.hit("restore.outcome-written");
  return { ...realized, operations, workspace: restored };

  async function refuseOther(): Promise<void> {
    const identity = { strategy: "GIT_WORKTREE", companyId, gitCommonDir, branchName } as const;
    const other = await tools.store.workspaces.findLive(identity);
    if (other !== undefined && other.workspaceId !== workspaceId) throw inUse(other, companyId);
  }
}

/** A branch that cleanup deleted, at the commit that it had: as the rescue knows it, or the deletion. */
async function remakeBranch(
  tools: CleanupTools & WorktreeDependencies,
  context: OperationContext,
  { workspaceId, branchName }: Workspace,
  { gitCwd, commonDir, root }: Repository,
  rescue: FoundRescue | undefined,
): Promise<Operation | undefined> {
  const { tip, conflict } = await lookUpBranch(tools.git, gitCwd, branchName);
  // What is in the way is told by realize.
  if (tip !== undefined || conflict !== undefined) return undefined;
  const wanted = rescue?.branch === branchName ? rescue.head : await deletedTip();
  const known = await resolveCommits(tools.git, gitCwd, [wanted]);
  if (known.size === 0) return undefined;
  // Before the branch: that it is this service's is known whatever happens next.
  await tools.store.workspaces.update(workspaceId, { branchCreated: true });
  await tools.failpoints.hit("restore.branch-intended");
  const outcome = await tools.repositories.run(commonDir, () =>
    tools.gitOperation(context, {
      args: ["branch", branchName, wanted],
      cwd: gitCwd,
      message: `Created branch ${branchName} again`,
      metadata: { repoRoot: root, branchName, baseRef: wanted },
    }),
  );
  await tools.failpoints.hit("restore.branch-remade");
  return succeeded(outcome);

  async function deletedTip(): Promise<string> {
    const filter = { companyId: "", workspaceIds: [workspaceId], runIds: [], statuses: [] };
    const { items } = await tools.store.operations.list(filter, { pageSize: 500, pageToken: "" });
    const deletion = items.find(
      ({ status, metadata }) =>
        status === "SUCCEEDED" &&
        metadata.cleanupAction === "branch_delete" &&
        metadata.branchName === branchName,
    );
    const recorded = deletion?.metadata.branchTip;
    return typeof recorded === "string" ? recorded : "";
  }
}

/** As if the workspace were asked for again, with nothing but what is stored. */
function requestOf(workspace: Workspace, request: RestoreRequest): RealizeRequest {
  return {
    workspaceId: workspace.workspaceId,
    companyId: workspace.companyId,
    ...{ projectId: "", projectWorkspaceId: "", name: "", baseCwd: "", repoUrl: "", repoRef: "" },
    ...{ runId: "", labels: {}, commandEnv: request.commandEnv, noWait: request.noWait },
    ...(request.actor === undefined ? {} : { actor: request.actor }),
  };
}

function noRepository({ workspaceId, gitCommonDir }: Workspace): RuntimeError {
  const message = `the repository "${gitCommonDir}" cannot be read`;
  return new RuntimeError("NOT_A_GIT_REPOSITORY", message, {
    metadata: { workspace_id: workspaceId, path: gitCommonDir },
  });
}
