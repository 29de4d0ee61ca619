import { lstat, rmdir } from "node:fs/promises";
import type { Failpoints } from "../failpoints.ts";
import type { Base } from "../git/base-ref.ts";
import type { Git } from "../git/git.ts";
import { resolveCommits } from "../git/refs.ts";
import type { Repository } from "../git/repository.ts";
import type { Operation } from "../model/operation.ts";
import type { Operations } from "../operations/operations.ts";
import { type GitOperation, type OperationContext, succeeded } from "./git-operation.ts";
import { sweepUnfinished } from "./unfinished.ts";
import type { WorktreePlan } from "./worktree-plan.ts";

export interface WorktreeTools {
  readonly git: Git;
  readonly gitOperation: GitOperation;
  readonly operations: Operations;
  readonly failpoints: Failpoints;
}

export interface WorktreeWork {
  readonly repository: Repository;
  readonly branch: string;
  readonly base?: Base;
  readonly plan: WorktreePlan;
  readonly context: OperationContext;
}

/** Does what the plan says. A plan with nothing to do is an operation too: that the worktree was reused. */
export async function carryOut(tools: WorktreeTools, work: WorktreeWork): Promise<Operation[]> {
  const { plan, repository, branch } = work;
  const done: Operation[] = [];
  if (plan.unfinished !== undefined) {
    if (plan.unfinished.isRegistered) done.push(await removeUnfinished(tools, work));
    await sweepUnfinished(repository, branch, plan.path);
    await tools.failpoints.hit("realize.unfinished-removed");
  }
  if (plan.forget !== undefined) done.push(await forget(tools, work, plan.forget));
  switch (plan.action) {
    case "create_branch":
    case "attach_branch":
      done.push(await add(tools, work));
      break;
    case "reuse":
      if (plan.switchFrom !== undefined) done.push(await switchBack(tools, work));
      done.push(await recordReuse(tools, work));
  }
  return done;
}

/** Whether anything stands in the plan but looking. */
export function changesNothing({ action, switchFrom }: WorktreePlan): boolean {
  return action === "reuse" && switchFrom === undefined;
}

async function add(tools: WorktreeTools, work: WorktreeWork): Promise<Operation> {
  const { branch, base, repository, context, plan } = work;
  const isNew = plan.action === "create_branch";
  const args = isNew
    ? ["worktree", "add", "-b", branch, plan.path, base?.ref ?? "HEAD"]
    : ["worktree", "add", plan.path, branch];
  const outcome = await tools.gitOperation(context, {
    args,
    cwd: repository.gitCwd,
    message: isNew
      ? `Created git worktree at ${plan.path}`
      : `Attached existing branch ${branch} at ${plan.path}`,
    metadata: metadataOf(work, { created: true, reused: false, reusedExistingBranch: !isNew }),
  });
  const operation = succeeded(outcome);
  await tools.failpoints.hit("realize.worktree-added");
  return operation;
}

async function recordReuse(tools: WorktreeTools, work: WorktreeWork): Promise<Operation> {
  const { context, plan, repository } = work;
  const operation = await tools.operations.record({
    ...context,
    phase: "WORKTREE_PREPARE",
    command: "",
    message: `Reused existing git worktree at ${plan.path}`,
    cwd: repository.root,
    metadata: metadataOf(work, { created: false, reused: true, reusedExistingBranch: false }),
  });
  await tools.failpoints.hit("realize.reuse-recorded");
  return operation;
}

/** A registration outlives its directory and would keep the branch for itself. */
async function forget(tools: WorktreeTools, work: WorktreeWork, path: string): Promise<Operation> {
  const outcome = await tools.gitOperation(work.context, {
    // Not `prune`, which would forget every other worktree whose disk is away, too.
    args: ["worktree", "remove", "--force", path],
    cwd: work.repository.gitCwd,
    message: `Pruned the registration of the deleted worktree ${path}`,
    metadata: metadataOf(work, { created: false, reused: false, reusedExistingBranch: false }),
  });
  const operation = succeeded(outcome);
  await tools.failpoints.hit("realize.registration-forgotten");
  return operation;
}

/** What git was killed at is locked: one more `--force`. */
async function removeUnfinished(tools: WorktreeTools, work: WorktreeWork): Promise<Operation> {
  const { plan, repository } = work;
  // Before its `.git` is written, git takes the directory for somebody else's, and removes nothing.
  await rmdir(plan.path).catch(() => {});
  const outcome = await tools.gitOperation(work.context, {
    args: ["worktree", "remove", "--force", "--force", plan.path],
    cwd: repository.gitCwd,
    message: `Removed the unfinished git worktree ${plan.path}`,
    metadata: metadataOf(work, { created: false, reused: false, reusedExistingBranch: false }),
  });
  return succeeded(outcome);
}

async function switchBack(tools: WorktreeTools, work: WorktreeWork): Promise<Operation> {
  const outcome = await tools.gitOperation(work.context, {
    args: ["switch", work.branch],
    cwd: work.plan.path,
    message: `Switched ${work.plan.path} back to branch ${work.branch}`,
    metadata: metadataOf(work, { created: false, reused: true, reusedExistingBranch: true }),
  });
  const operation = succeeded(outcome);
  await tools.failpoints.hit("realize.switched-back");
  return operation;
}

/** After a failure: what of the plan has come to be all the same. */
export async function lookAfterFailure(
  git: Git,
  { repository, branch, plan }: WorktreeWork,
): Promise<{ readonly directory: boolean; readonly branch: boolean }> {
  const name = `refs/heads/${branch}`;
  const [directory, commits] = await Promise.all([
    lstat(plan.path).then(
      () => true,
      () => false,
    ),
    resolveCommits(git, repository.gitCwd, [name]),
  ]);
  return { directory, branch: commits.has(name) };
}

/** What every prepare operation says of its worktree. */
export function metadataOf(
  { repository, branch, base, plan }: WorktreeWork,
  facts: {
    readonly created: boolean;
    readonly reused: boolean;
    readonly reusedExistingBranch: boolean;
  },
) {
  return {
    repoRoot: repository.root,
    worktreePath: plan.path,
    branchName: branch,
    baseRef: base?.ref ?? "",
    ...facts,
  };
}
