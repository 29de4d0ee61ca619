import { isRuntimeError } from "../errors.ts";
import { type Base, resolveBase } from "../git/base-ref.ts";
import type { Git } from "../git/git.ts";
import type { Repository } from "../git/repository.ts";
import type { AllowedRoots } from "./allowed-roots.ts";
import { planWorktree, type WorktreePlan } from "./worktree-plan.ts";

export interface SurveyQuestion {
  readonly repository: Repository;
  readonly branch: string;
  readonly path: string;
  /** "" to detect it. */
  readonly askedBase: string;
  /** The base was asked for long ago: a worktree that is there is still good without it. */
  readonly isBaseStored: boolean;
  /** See WorktreeQuestion. */
  readonly wasBegun: boolean;
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
  const { repository, branch, path, askedBase, wasBegun } = question;
  let failure: unknown;
  const base = await resolveBase(git, repository.gitCwd, askedBase).catch((error: unknown) => {
    if (!question.isBaseStored || !isRuntimeError(error, "BASE_REF_NOT_FOUND")) throw error;
    failure = error;
    return undefined;
  });
  const plan = await planWorktree(git, roots, {
    repository,
    branch,
    path,
    wasBegun,
    ...(base === undefined ? {} : { base }),
  });
  if (base !== undefined) return { plan, base, warnings: [] };
  if (plan.action === "create_branch") throw failure;
  const warning = `Base ref "${askedBase || "HEAD"}" no longer resolves`;
  return { plan, warnings: [warning] };
}
