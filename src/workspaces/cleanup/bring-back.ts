import { RuntimeError } from "../../errors.ts";
import { resolveCommits } from "../../git/refs.ts";
import type { Repository } from "../../git/repository.ts";
import type { Operation } from "../../model/operation.ts";
import type { Workspace } from "../../model/workspace.ts";
import { type OperationContext, succeeded } from "../git-operation.ts";
import type { WorktreeDependencies } from "../realize-worktree.ts";
import {
  applyRescue,
  canTake,
  isApplied,
  type RescueContent,
  readRescue,
} from "../rescue/apply-rescue.ts";
import { readRescueMessage } from "../rescue/rescue-record.ts";
import { textOf } from "../rescue/worktree-state.ts";
import type { CleanupTools } from "./cleanup.ts";

/** The rescue of a workspace's last cleanup. */
export interface FoundRescue {
  readonly ref: string;
  readonly commit: string;
  /** "" for a detached HEAD. */
  readonly branch: string;
  /** "" for a branch without a commit. */
  readonly head: string;
}

/** Undefined when there is none, or none any more. */
export async function findRescue(
  { git, plumbing }: CleanupTools,
  { gitCwd }: Repository,
  { rescueRef }: Workspace,
): Promise<FoundRescue | undefined> {
  if (rescueRef === "") return undefined;
  const commit = (await resolveCommits(git, gitCwd, [rescueRef])).get(rescueRef);
  if (commit === undefined) return undefined;
  const args = ["rev-list", "--max-count=1", "--no-commit-header", "--format=%B", commit];
  const message = await textOf(plumbing, gitCwd, args);
  const { branch, head } = readRescueMessage(message);
  return { ref: rescueRef, commit, branch, head };
}

export interface BringBackRequest {
  readonly workspace: Workspace;
  readonly repository: Repository;
  readonly rescue: FoundRescue | undefined;
  /** The worktree as it is now. */
  readonly path: string;
  /** This very call made it. */
  readonly created: boolean;
}

export interface BroughtBack {
  readonly operations: readonly Operation[];
  readonly warnings: readonly string[];
}

/**
 * Applies rescued work to a worktree that was made again. Never over other work: where the branch has
 * moved on, or somebody has been there, the rescue stays what it is, and that is told.
 */
export async function bringBack(
  tools: CleanupTools & WorktreeDependencies,
  context: OperationContext,
  { workspace, repository, rescue, path, created }: BringBackRequest,
): Promise<BroughtBack> {
  const { rescueRef, branchName } = workspace;
  const operations: Operation[] = [];
  const warnings: string[] = [];
  const notApplied = (why: string): BroughtBack => ({
    operations,
    warnings: [`Rescued work of ${rescueRef} was not applied: ${why}`],
  });
  if (rescueRef === "") return { operations, warnings };
  if (rescue === undefined) return notApplied("the ref is not there any more");
  const isResumed = workspace.state === "PROVISIONING" || workspace.state === "FAILED";
  if (!created && !isResumed) {
    // The directory of a failed cleanup has its work still.
    if (workspace.cleanupTime === undefined) return { operations, warnings };
    return notApplied(`"${path}" was there already`);
  }
  if (rescue.head === "") return notApplied("its branch had no commit");
  const content = await readRescue(tools.plumbing, repository.gitCwd, rescue.commit);
  if (!created && (await isApplied(tools.plumbing, path, content))) return { operations, warnings };
  const now = await textOf(tools.plumbing, path, ["rev-parse", "HEAD"]);
  if (rescue.branch === branchName) {
    if (now !== rescue.head) {
      return notApplied(`branch "${branchName}" moved from ${rescue.head} to ${now}`);
    }
  } else {
    const was = rescue.branch === "" ? "a detached HEAD" : `branch "${rescue.branch}"`;
    warnings.push(`"${path}" is detached at ${rescue.head}: it was on ${was} when it was cleaned`);
    if (now !== rescue.head || created) operations.push(await detach(rescue.head));
  }
  if (!created && !(await canTake(tools, path, content))) {
    return notApplied(`"${path}" has changes of its own`);
  }
  operations.push(await apply(content));
  return { operations, warnings };

  async function detach(head: string): Promise<Operation> {
    const outcome = await tools.gitOperation(context, {
      args: ["checkout", "--detach", head],
      cwd: path,
      message: `Detached ${path} at ${head}`,
      metadata: { repoRoot: repository.root, worktreePath: path, branchName },
    });
    return succeeded(outcome);
  }

  async function apply(content: RescueContent): Promise<Operation> {
    const step = await tools.operations.begin({
      ...context,
      phase: "WORKTREE_PREPARE",
      command: "",
      message: `Restored rescued work of ${rescueRef} at ${path}`,
      cwd: path,
      metadata: { repoRoot: repository.root, worktreePath: path, branchName, rescueRef },
    });
    try {
      await applyRescue(tools, path, content);
      await tools.failpoints.hit("restore.work-applied");
      return await step.finish({ status: "SUCCEEDED" });
    } catch (cause) {
      const message = `Could not restore ${rescueRef}: ${(cause as Error).message}`;
      await step.finish({ status: "FAILED", message });
      throw new RuntimeError("COMMAND_FAILED", message, { cause, metadata: { path } });
    }
  }
}
