import { isRuntimeError } from "../errors.ts";
import { type Base, resolveBase } from "../git/base-ref.ts";
import type { Git } from "../git/git.ts";
import { countBetween } from "../git/refs.ts";
import type { AllowedRoots } from "./allowed-roots.ts";
import { planWorktree, type WorktreePlan, type WorktreeQuestion } from "./worktree-plan.ts";

export interface SurveyQuestion extends WorktreeQuestion {
  /** "" to detect it. */
  readonly askedBase: string;
  /** The base was asked for long ago: a worktree that is there is still good without it. */
  readonly isBaseStored: boolean;
}

/** What a repository looks like, and so what is to be done. */
export interface Survey {
  readonly plan: WorktreePlan;
  /** Absent when a stored base no longer resolves. */
  readonly base?: Base;
  readonly warnings: readonly string[];
}

export async function surveyWorktree(
  git: Git,
  roots: AllowedRoots,
  question: SurveyQuestion,
): Promise<Survey> {
  const { repository, askedBase, isBaseStored } = question;
  // Starting a git takes longer than its answer: they are asked at once.
  const [resolved, planned] = await Promise.allSettled([
    resolveBase(git, repository.gitCwd, askedBase),
    planWorktree(git, roots, question),
  ]);
  if (resolved.status === "rejected") {
    const isGone = isRuntimeError(resolved.reason, "BASE_REF_NOT_FOUND");
    if (!isBaseStored || !isGone) throw resolved.reason;
  }
  if (planned.status === "rejected") throw planned.reason;
  const plan = planned.value;
  if (resolved.status === "rejected") {
    if (plan.action === "create_branch") throw resolved.reason;
    return { plan, warnings: [`Base ref "${askedBase || "HEAD"}" no longer resolves`] };
  }
  const base = resolved.value;
  if (plan.head === undefined || plan.head === base.commit) return { plan, base, warnings: [] };
  const distance = await countBetween(git, repository.gitCwd, plan.head, base.commit);
  return { plan: { ...plan, distance }, base, warnings: [] };
}
