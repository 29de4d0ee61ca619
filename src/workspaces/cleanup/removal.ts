import type { Operation } from "../../model/operation.ts";
import type { Workspace } from "../../model/workspace.ts";
import type { OperationContext } from "../git-operation.ts";
import { isUnfinished, sweepUnfinished } from "../unfinished.ts";
import { worktreeParent } from "../worktree-path.ts";
import type { CleanupTools } from "./cleanup.ts";
import type { CleanupRequest } from "./cleanup-call.ts";
import { findHolders, inTheWay } from "./holders.ts";
import { type Inspection, inspectWorkspace } from "./inspect.ts";
import { keepWork } from "./keep-work.ts";
import { mayDeleteBranch, skippedBranch, skipReason, whyItStays } from "./plan.ts";
import { deleteBranch, removeDirectory, removeEmptyParents } from "./remove.ts";

export interface RemovalOrder {
  readonly workspace: Workspace;
  readonly request: CleanupRequest;
  readonly context: OperationContext;
  /** Takes down each step, and why something is left. */
  readonly note: (done: Noted) => undefined;
}

export interface Noted {
  readonly operation?: Operation;
  readonly warning?: string;
}

export interface Removal {
  /** As it was found right before. */
  readonly found: Inspection;
  /** No directory that this service made is there any more. */
  readonly isRemoved: boolean;
  readonly isBranchGone: boolean;
  /** "" if there was nothing to remove. */
  readonly cleanedPath: string;
  readonly rescueRef: string;
}

/** How often work that changes while it is saved is saved again. */
const MOST_ATTEMPTS = 3;

/** Keeps the work of a worktree, then removes the directory and the branch, where both may go. */
export async function removeWhatIsOurs(tools: CleanupTools, order: RemovalOrder): Promise<Removal> {
  const { workspace, context, note } = order;
  // Again: commands have run since, and an earlier cleanup may have come this far.
  const found = await inspectWorkspace(tools, workspace);
  const kept = await makeRoom(tools, order, found);
  const isOurs = found.holding === "worktree" || found.holding === "directory";
  let isRemoved = !isOurs;
  let cleanedPath = "";
  if (isOurs && kept !== undefined) {
    const removed = await removeDirectory(tools, context, workspace, found);
    await tools.failpoints.hit("cleanup.directory-removed");
    note(removed);
    isRemoved = removed.warning === undefined;
    if (isRemoved && removed.operation !== undefined) cleanedPath = found.path;
  }
  if (isRemoved) await sweep(tools, workspace, found);
  return {
    ...{ found, isRemoved, cleanedPath },
    isBranchGone: await removeBranch(tools, order, found, isRemoved),
    rescueRef: kept?.ref ?? (found.isThere ? "" : workspace.rescueRef),
  };
}

/** Undefined: the directory stays, and why is noted. Else the rescue that its work is in, "" for none. */
async function makeRoom(
  tools: CleanupTools,
  { workspace, request, context, note }: RemovalOrder,
  found: Inspection,
): Promise<{ readonly ref: string } | undefined> {
  const { onDirty = "RESCUE" } = request;
  const { path, holding, isThere } = found;
  const stay = (warning: string): undefined => note({ warning });
  const stays = whyItStays(found, onDirty, workspace.companyId);
  if (stays !== undefined) return stay(stays);
  if (!isThere) return { ref: workspace.rescueRef };
  if (holding !== "worktree") return { ref: "" };
  let current = found;
  let ref = "";
  let saved: string | undefined;
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt += 1) {
    const { state, repository, hasWork } = current;
    if (onDirty === "DISCARD" || isUntouched(current)) return { ref };
    if (hasWork && onDirty === "REFUSE") return stay(`Left "${path}": it has uncommitted work`);
    if (state === undefined || repository === undefined) break;
    if (hasWork && saved !== state.fingerprint) {
      const { gitCwd } = repository;
      const kept = await keepWork(tools, context, { workspace, state, path, gitCwd });
      note(kept);
      await tools.failpoints.hit("cleanup.rescued");
      if (kept.ref === "") return undefined;
      ref = kept.ref;
      saved = state.fingerprint;
    }
    const holders = inTheWay(await findHolders(tools.store, workspace, []), request);
    if (holders.length > 0)
      return stay(`Left "${path}": leased meanwhile by ${holders.join(", ")}`);
    // Somebody may be at work still: only what is as it was saved is removed.
    current = await inspectWorkspace(tools, workspace);
    if (current.state?.fingerprint === state.fingerprint) return { ref };
  }
  return stay(`Left "${path}": it changed while it was being cleaned`);
}

/** What a killed `git worktree add` left: nobody has worked in it, and git cannot tell its state. */
function isUntouched({ registered }: Inspection): boolean {
  return registered === undefined || isUnfinished(registered);
}

/** What else was made on the way to the directory, also where a cleanup that was cut off has left it. */
async function sweep(
  { settings }: CleanupTools,
  { state, branchName, directoryCreated, gitWorktree }: Workspace,
  { repository, path }: Inspection,
): Promise<void> {
  if (repository === undefined || !directoryCreated) return;
  if (state === "PROVISIONING" || state === "FAILED") {
    await sweepUnfinished(repository, branchName, path);
  }
  const requested = gitWorktree?.worktreeParentDir ?? "";
  const parent = worktreeParent(repository.root, requested, settings.worktreeDir);
  await removeEmptyParents(path, parent.path);
}

/** Whether there is no branch of ours any more. */
async function removeBranch(
  tools: CleanupTools,
  { workspace, context, note }: RemovalOrder,
  found: Inspection,
  isRemoved: boolean,
): Promise<boolean> {
  const { branch, repository } = found;
  if (repository === undefined) return false;
  if (branch === undefined) return true;
  if (!mayDeleteBranch(found, isRemoved)) return false;
  const skipped = skipReason(found);
  if (skipped !== undefined) {
    note({ warning: skippedBranch(workspace.branchName, skipped) });
    return false;
  }
  const { gitCwd } = repository;
  const deleted = await deleteBranch(tools.runStep, context, workspace, branch.tip, gitCwd);
  await tools.failpoints.hit("cleanup.branch-deleted");
  note(deleted);
  return deleted.warning === undefined;
}
