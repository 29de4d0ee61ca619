import { stat } from "node:fs/promises";
import { v7 as uuidv7 } from "uuid";
import { invalidField, RuntimeError } from "../errors.ts";
import type { Repository } from "../git/repository.ts";
import type { RepositoryFinder } from "../git/repository-finder.ts";
import type { Workspace } from "../model/workspace.ts";
import type { Store } from "../store/store.ts";
import type { AllowedRoots } from "./allowed-roots.ts";
import { renderBranchName } from "./branch-name.ts";
import { validateNewWorkspace, validateRealize } from "./validate-realize.ts";
import { mergeRequest, refuseConflicts, type Wanted } from "./wanted.ts";
import type { RealizeRequest } from "./workspaces.ts";

/** Which workspace a request means, and where that lies. */
export interface Place {
  /** Given, found or, where there is none yet, new. */
  readonly workspaceId: string;
  /** As it was when looked up. */
  readonly stored?: Workspace;
  /** Present for a git worktree. */
  readonly checkout?: { readonly repository: Repository; readonly branch: string };
  /** Equal for calls that mean one workspace. */
  readonly identity: string;
  /** Equal for calls that would work in one directory. */
  readonly location: string;
}

export interface PlaceDependencies {
  readonly store: Store;
  readonly finder: RepositoryFinder;
  readonly roots: AllowedRoots;
}

/**
 * Finds the workspace of a request, or decides that it is a new one. Only looks. Throws what is wrong
 * with the request, WORKSPACE_CONFLICT, WORKSPACE_ARCHIVED, PATH_NOT_ALLOWED, NOT_A_GIT_REPOSITORY,
 * WORKTREE_IN_USE.
 */
export async function findPlace(
  dependencies: PlaceDependencies,
  request: RealizeRequest,
): Promise<Place> {
  validateRealize(request);
  const named =
    request.workspaceId === ""
      ? undefined
      : await dependencies.store.workspaces.get(request.workspaceId);
  if (named === undefined) validateNewWorkspace(request);
  else refuseConflicts(request, named);
  const wanted = mergeRequest(request, named);
  await checkBase(dependencies.roots, wanted.baseCwd);
  return wanted.strategy === "GIT_WORKTREE"
    ? await placeOfWorktree(dependencies, request, wanted, named)
    : await placeOfPrimary(dependencies, request, wanted, named);
}

/** Equal for workspaces that lie in one directory: what changes one waits there for its turn. */
export function locationOf(workspace: Wanted & Partial<Workspace>): string {
  const { strategy, companyId, baseCwd, issue, gitCommonDir, branchName } = workspace;
  return strategy === "GIT_WORKTREE"
    ? JSON.stringify(["worktree", gitCommonDir, branchName])
    : JSON.stringify(["primary", companyId, baseCwd, issue?.issueId ?? ""]);
}

/** The row of a place as it is now; undefined while there is none. */
export async function readPlace(store: Store, place: Place, request: RealizeRequest) {
  const id = request.workspaceId || place.stored?.workspaceId;
  if (id !== undefined) {
    const stored = await store.workspaces.get(id);
    if (stored === undefined || request.workspaceId !== "" || stored.state !== "ARCHIVED") {
      return stored;
    }
  }
  return await findUnnamed(store, mergeRequest(request, undefined), place.checkout);
}

async function placeOfPrimary(
  { store }: PlaceDependencies,
  request: RealizeRequest,
  wanted: Wanted,
  named: Workspace | undefined,
): Promise<Place> {
  const stored = request.workspaceId === "" ? await findUnnamed(store, wanted) : named;
  return placeOf(request, stored, locationOf(wanted));
}

async function placeOfWorktree(
  { store, finder }: PlaceDependencies,
  request: RealizeRequest,
  wanted: Wanted,
  named: Workspace | undefined,
): Promise<Place> {
  const repository = await finder.find(wanted.baseCwd);
  if ("refusal" in repository) {
    const message = `"${wanted.baseCwd}" is in no git repository that can be used: ${repository.refusal}`;
    throw new RuntimeError("NOT_A_GIT_REPOSITORY", message, { metadata: { path: wanted.baseCwd } });
  }
  const workspaceId = request.workspaceId || uuidv7();
  const template = wanted.gitWorktree?.branchTemplate ?? "";
  const branch = named?.branchName || renderBranchName(template, { ...wanted, workspaceId });
  const checkout = { repository, branch };
  const sameBranch = named === undefined ? await findUnnamed(store, wanted, checkout) : undefined;
  const stored = request.workspaceId === "" ? sameBranch : named;
  if (stored === undefined && sameBranch !== undefined) throw inUse(sameBranch, wanted.companyId);
  if (stored !== undefined && request.workspaceId === "") refuseOtherIssue(request, stored);
  const location = locationOf({
    ...wanted,
    gitCommonDir: repository.commonDir,
    branchName: branch,
  });
  return { ...placeOf(request, stored, location, workspaceId), checkout };
}

function placeOf(
  request: RealizeRequest,
  stored: Workspace | undefined,
  location: string,
  newId?: string,
): Place {
  return {
    workspaceId: stored?.workspaceId ?? (request.workspaceId || (newId ?? uuidv7())),
    ...(stored === undefined ? {} : { stored }),
    identity: JSON.stringify([request.companyId, request.workspaceId || location]),
    location,
  };
}

/** The live workspace that a request without an id means. */
async function findUnnamed(
  store: Store,
  wanted: Wanted,
  checkout?: Place["checkout"],
): Promise<Workspace | undefined> {
  const { companyId, baseCwd } = wanted;
  return await store.workspaces.findLive(
    checkout === undefined
      ? { strategy: "PROJECT_PRIMARY", companyId, baseCwd, issueId: wanted.issue?.issueId ?? "" }
      : {
          strategy: "GIT_WORKTREE",
          companyId,
          gitCommonDir: checkout.repository.commonDir,
          branchName: checkout.branch,
        },
  );
}

/** Two issues whose branches render alike never share a directory by accident. */
function refuseOtherIssue({ issue }: RealizeRequest, stored: Workspace): void {
  const [asked, held] = [issue?.issueId, stored.issue?.issueId];
  if (asked && held && asked !== held) throw inUse(stored, stored.companyId);
}

/** A worktree that another live workspace has; whose is told within the company only. */
export function inUse(holder: Workspace, companyId: string): RuntimeError {
  const isOwn = holder.companyId === companyId;
  const { worktreePath, branchName, workspaceId } = holder;
  const message = `the worktree of branch "${branchName}" is in use by another workspace${isOwn ? `: ${workspaceId}` : ""}`;
  return new RuntimeError("WORKTREE_IN_USE", message, {
    metadata: {
      path: worktreePath,
      branch: branchName,
      workspace_id: isOwn ? workspaceId : undefined,
    },
  });
}

async function checkBase(roots: AllowedRoots, baseCwd: string): Promise<void> {
  await roots.resolve(baseCwd);
  const isDirectory = await stat(baseCwd).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (!isDirectory) throw invalidField("base_cwd", `"${baseCwd}" is not a directory`);
}
