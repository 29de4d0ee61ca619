import type { Clock } from "../../clock.ts";
import { isRuntimeError } from "../../errors.ts";
import type { Failpoints } from "../../failpoints.ts";
import type { Plumbing } from "../../git/plumbing.ts";
import type { Operation } from "../../model/operation.ts";
import type { Workspace } from "../../model/workspace.ts";
import type { Store } from "../../store/store.ts";
import type { OperationContext } from "../git-operation.ts";
import { rescueRef } from "../rescue/rescue-ref.ts";
import { saveRescue } from "../rescue/save-rescue.ts";
import {
  parentsOf,
  type StateTools,
  textOf,
  type WorktreeState,
} from "../rescue/worktree-state.ts";
import { isSuccess, type RunCleanupStep } from "./operation.ts";

export interface KeepTools extends StateTools {
  readonly store: Store;
  readonly clock: Clock;
  readonly failpoints: Failpoints;
  readonly runStep: RunCleanupStep;
}

export interface KeepRequest {
  readonly workspace: Workspace;
  readonly state: WorktreeState;
  readonly path: string;
  readonly gitCwd: string;
}

export interface Kept {
  /** "" when it could not be kept. */
  readonly ref: string;
  readonly operation?: Operation;
  /** The one that names the ref, or why the work could not be kept. */
  readonly warning: string;
}

/** Saves a worktree's uncommitted work; what a cleanup that was cut off has saved already is kept. */
export async function keepWork(
  { store, clock, failpoints, git, plumbing, runStep }: KeepTools,
  context: OperationContext,
  { workspace, state, path, gitCwd }: KeepRequest,
): Promise<Kept> {
  const { workspaceId } = workspace;
  // Of now: an attempt before this one may have written it.
  const { rescueRef: earlier } = (await store.workspaces.get(workspaceId)) ?? workspace;
  try {
    const time = clock.now();
    const commit = await saveRescue(
      { git, plumbing },
      { workspaceId, worktree: path, state, time },
    );
    if (earlier !== "" && (await isSame(plumbing, gitCwd, earlier, commit))) {
      return { ref: earlier, warning: keptAt(path, earlier) };
    }
    const ref = rescueRef(workspaceId, time);
    // Before the ref: whoever finds the directory gone finds the work by the row.
    await store.workspaces.update(workspaceId, { rescueRef: ref });
    await failpoints.hit("cleanup.rescue-intended");
    const { operation } = await runStep(context, workspace, {
      action: "rescue",
      shown: ["git", "update-ref", ref, commit, "0".repeat(commit.length)],
      cwd: gitCwd,
      message: `Rescued uncommitted work of ${path} to ${ref}`,
      metadata: { rescueRef: ref },
    });
    if (isSuccess(operation)) return { ref, operation, warning: keptAt(path, ref) };
    await store.workspaces.update(workspaceId, { rescueRef: earlier });
    return { ref: "", operation, warning: `Left "${path}": ${operation.message}` };
  } catch (error) {
    const isOfGit = ["COMMAND_FAILED", "COMMAND_TIMED_OUT", "SPAWN_FAILED"] as const;
    if (isRuntimeError(error) && !isOfGit.some((reason) => reason === error.reason)) throw error;
    return {
      ref: "",
      warning: `Left "${path}": its work could not be rescued: ${messageOf(error)}`,
    };
  }
}

function keptAt(path: string, ref: string): string {
  return `Rescued uncommitted work of "${path}" to ${ref}`;
}

/** The same trees on the same commit. */
async function isSame(plumbing: Plumbing, gitCwd: string, ref: string, commit: string) {
  const treesOf = async (revision: string) => {
    const parents = await parentsOf(plumbing, gitCwd, revision);
    const last = parents.pop() ?? "";
    const trees = ["rev-parse", `${revision}^{tree}`, `${last}^{tree}`, ...parents];
    return await textOf(plumbing, gitCwd, trees);
  };
  const [before, now] = await Promise.all([treesOf(ref).catch(() => undefined), treesOf(commit)]);
  return before === now;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
