import type { Service } from "../../model/service.ts";
import type { Workspace } from "../../model/workspace.ts";
import { commandLine } from "../../operations/command-line.ts";
import { rescuePrefix } from "../rescue/rescue-ref.ts";
import { isUnfinished } from "../unfinished.ts";
import type { CloseReadiness, DirtyPolicy, GitState, PlannedAction } from "./cleanup-call.ts";
import { type EndCommand, planOf } from "./commands.ts";
import type { Inspection } from "./inspect.ts";

export interface PlanQuestion {
  readonly workspace: Workspace;
  readonly inspection: Inspection;
  readonly services: readonly Service[];
  readonly commands: readonly EndCommand[];
  readonly onDirty: DirtyPolicy;
}

/** What a cleanup does, in order. */
export function planCleanup(question: PlanQuestion): PlannedAction[] {
  const { workspace, inspection, services, commands, onDirty } = question;
  const { path, holding, isThere, registered, branch } = inspection;
  const names = services.map(({ serviceName }) => serviceName).join(", ");
  const actions: PlannedAction[] = [];
  if (services.length > 0) {
    const description = `Stop ${count(services.length, "service")}: ${names}`;
    actions.push({ kind: "stop_services", description, command: "" });
  }
  if (holding !== "shared") actions.push(...commands.map(planOf));
  const stays = isThere && whyItStays(inspection, onDirty) !== undefined;
  if (holding === "worktree" && !stays) {
    if (inspection.hasWork && onDirty === "RESCUE") {
      const ref = `${rescuePrefix(workspace.workspaceId)}<time>`;
      actions.push({ kind: "rescue", description: `Save uncommitted work to ${ref}`, command: "" });
    }
    if (isThere || registered !== undefined) {
      const description = `Remove git worktree ${path}`;
      const command = commandLine(removeWorktreeArgs(inspection));
      actions.push({ kind: "git_worktree_remove", description, command });
    }
  }
  if (
    branch !== undefined &&
    mayDeleteBranch(inspection, !stays) &&
    skipReason(inspection) === undefined
  ) {
    const description = `Delete branch ${workspace.branchName}`;
    const command = commandLine(deleteBranchArgs(workspace.branchName));
    actions.push({ kind: "git_branch_delete", description, command });
  }
  if (holding === "directory" && isThere && !stays) {
    const description = `Remove local workspace directory ${path}`;
    actions.push({
      kind: "remove_local_fs",
      description,
      command: commandLine(["rm", "-rf", path]),
    });
  }
  return actions;
}

/** Git's own lock of a worktree that was never finished takes twice the force. */
export function removeWorktreeArgs({ path, registered }: Inspection): string[] {
  const isHalfMade = registered !== undefined && isUnfinished(registered);
  const force = isHalfMade ? ["--force", "--force"] : ["--force"];
  return ["git", "worktree", "remove", ...force, path];
}

export function deleteBranchArgs(branch: string): string[] {
  return ["git", "branch", "-d", branch];
}

/** Why a directory is left, in a sentence; undefined when it goes. */
export function whyItStays(
  { path, holding, others, refusal, unsavable, isThere }: Inspection,
  onDirty: DirtyPolicy,
  companyId = "",
): string | undefined {
  if (!isThere || holding === "primary") return undefined;
  if (holding === "found") return `Left "${path}": not made by this service`;
  if (holding === "shared") {
    const [own] = others.filter((other) => other.companyId === companyId);
    return `Left "${path}": another workspace is in it${own === undefined ? "" : `: ${own.workspaceId}`}`;
  }
  if (refusal !== undefined) return refusal;
  if (unsavable !== undefined && onDirty !== "DISCARD") {
    return `Left "${path}": ${unsavable}, which no rescue can hold`;
  }
  return undefined;
}

/** Only a branch of a workspace whose directory is gone goes, and never one of a worktree that stays. */
export function mayDeleteBranch({ holding, isThere }: Inspection, isRemoved: boolean): boolean {
  return holding === "worktree" ? isRemoved : holding === "found" && !isThere;
}

/** Why a branch stays; undefined when it goes. */
export function skipReason({ branch, baseRef }: Inspection): string | undefined {
  if (branch === undefined) return undefined;
  if (branch.checkedOutAt !== undefined) return `checked out at "${branch.checkedOutAt}"`;
  if (baseRef === undefined || branch.merged === undefined) return "its base does not resolve";
  return branch.merged ? undefined : "not fully merged";
}

/** What people should know before they agree. */
export function planWarnings({ workspace, inspection, onDirty }: PlanQuestion): string[] {
  const { git, baseRef } = inspection;
  const warnings = git === undefined ? [] : gitWarnings(git, baseRef ?? "its base");
  const stays = whyItStays(inspection, onDirty, workspace.companyId);
  if (stays !== undefined) warnings.push(stays);
  const skipped = skipReason(inspection);
  if (skipped !== undefined && mayDeleteBranch(inspection, stays === undefined)) {
    warnings.push(skippedBranch(workspace.branchName, skipped));
  }
  return warnings;
}

export function skippedBranch(branch: string, why: string): string {
  return `Skipped deleting branch "${branch}": ${why}`;
}

function gitWarnings({ untrackedFiles, dirtyFiles, ahead, merged }: GitState, base: string) {
  const warnings: string[] = [];
  if (untrackedFiles) {
    warnings.push(`The workspace has ${count(untrackedFiles, "untracked file")}.`);
  }
  if (dirtyFiles) {
    warnings.push(`The workspace has ${count(dirtyFiles, "modified tracked file")}.`);
  }
  if (ahead && merged === false) {
    const commits = count(ahead, "commit");
    warnings.push(`This workspace is ${commits} ahead of ${base} and is not merged.`);
  }
  return warnings;
}

export function readiness(isBlocked: boolean, warnings: readonly string[]): CloseReadiness {
  if (isBlocked) return "BLOCKED";
  return warnings.length > 0 ? "READY_WITH_WARNINGS" : "READY";
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
