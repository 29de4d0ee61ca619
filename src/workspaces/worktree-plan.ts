import { lstat } from "node:fs/promises";
import { RuntimeError } from "../errors.ts";
import type { Git } from "../git/git.ts";
import { type Distance, lookUpBranch } from "../git/refs.ts";
import type { Repository } from "../git/repository.ts";
import { readStatus } from "../git/status.ts";
import { listWorktrees, type RegisteredWorktree } from "../git/worktree-list.ts";
import type { AllowedRoots } from "./allowed-roots.ts";
import { checkBranchName } from "./branch-name.ts";
import { isEmptyDirectory, isUnfinished } from "./unfinished.ts";

/** A branch that is to have a worktree. */
export interface WorktreeQuestion {
  readonly repository: Repository;
  readonly branch: string;
  /** Where it goes unless the branch has a worktree already. Without symlinks. */
  readonly path: string;
  /** It had one when last heard of: then nothing is asked that matters only if it has none. */
  readonly wasThere: boolean;
  /** This service began to make the worktree at `path`, and it is not known that it came to be. */
  readonly wasBegun: boolean;
}

/** What has to be done so that the branch has a worktree. */
export interface WorktreePlan {
  readonly action: "reuse" | "create_branch" | "attach_branch";
  readonly path: string;
  /** A registration whose directory is gone: forgotten first. */
  readonly forget?: string;
  /** An earlier attempt to make it, of which git was killed: what that left is removed first. */
  readonly unfinished?: { readonly isRegistered: boolean };
  /** The worktree is clean, on this other branch ("" detached) at the same commit: switched back. */
  readonly switchFrom?: string;
  /** The commit of a reused one. */
  readonly head?: string;
  /** Of that against its base, where they differ. */
  readonly distance?: Distance;
}

/**
 * Looks at a repository and decides; changes nothing. Throws INVALID_BRANCH_NAME, or with the
 * evidence WORKTREE_BRANCH_MISMATCH, WORKTREE_PATH_OCCUPIED or BRANCH_CONFLICT.
 */
export async function planWorktree(
  git: Git,
  roots: AllowedRoots,
  question: WorktreeQuestion,
): Promise<WorktreePlan> {
  const { repository, branch, path, wasThere, wasBegun } = question;
  const lookUp = () => lookUpBranch(git, repository.gitCwd, branch);
  const [registered, early] = await Promise.all([
    listWorktrees(git, repository.gitCwd),
    wasThere ? undefined : lookUp(),
  ]);
  const leftover = wasBegun
    ? registered.find((worktree) => worktree.path === path && isUnfinished(worktree))
    : undefined;
  const worktrees = registered.filter((worktree) => worktree !== leftover);
  const ofBranch = worktrees.find((worktree) => worktree.branch === branch);
  if (ofBranch !== undefined) return await planFromOwn(roots, question, ofBranch);

  const atPath = worktrees.find((worktree) => worktree.path === path);
  const [{ tip, conflict }, isGone] = await Promise.all([
    early ?? lookUp(),
    leftover !== undefined || isFree(path, wasBegun),
    checkBranchName(git, repository.gitCwd, branch),
  ]);
  if (atPath !== undefined && !isGone) {
    return await planFromOther(git, question, atPath, tip);
  }
  if (!isGone) {
    const message = `"${path}" exists and is no worktree of "${repository.root}"`;
    throw new RuntimeError("WORKTREE_PATH_OCCUPIED", message, { metadata: { path, branch } });
  }
  const first = {
    ...(atPath === undefined ? {} : { forget: forgettable(atPath, branch).path }),
    ...(wasBegun ? { unfinished: { isRegistered: leftover !== undefined } } : {}),
  };
  if (tip !== undefined) return { action: "attach_branch", path, ...first };
  if (conflict !== undefined) {
    const message = `branch "${branch}" cannot be made beside branch "${conflict}"`;
    throw new RuntimeError("BRANCH_CONFLICT", message, {
      metadata: { branch, conflicting_branch: conflict },
    });
  }
  return { action: "create_branch", path, ...first };
}

/** The branch is checked out somewhere. */
async function planFromOwn(
  roots: AllowedRoots,
  { branch, path, repository }: WorktreeQuestion,
  found: RegisteredWorktree,
): Promise<WorktreePlan> {
  if (found.isMain) throw mismatch(found, branch, "it is checked out in the main checkout");
  if (found.prunable !== undefined || (await isMissing(found.path))) {
    // Something stands where the worktree should go again: it is not ours to replace.
    if (!(await isMissing(path))) {
      const message = `"${path}" exists and is no worktree of "${repository.root}"`;
      throw new RuntimeError("WORKTREE_PATH_OCCUPIED", message, { metadata: { path, branch } });
    }
    return { action: "attach_branch", path, forget: forgettable(found, branch).path };
  }
  if (found.locked !== undefined) {
    throw mismatch(found, branch, `its worktree is locked${found.locked && `: ${found.locked}`}`);
  }
  if (!(await roots.contains(found.path))) {
    throw mismatch(found, branch, "its worktree lies outside the directories that may be used");
  }
  const head = found.head === undefined ? {} : { head: found.head };
  return { action: "reuse", path: found.path, ...head };
}

/** A worktree of this repository stands at the path, on another branch. */
async function planFromOther(
  git: Git,
  { branch }: WorktreeQuestion,
  found: RegisteredWorktree,
  tip: string | undefined,
): Promise<WorktreePlan> {
  if (found.isMain) throw mismatch(found, branch, "it is the main checkout");
  if (found.locked !== undefined) throw mismatch(found, branch, "it is locked");
  const status = await readStatus(git, found.path);
  const isClean = status.modifiedFiles === 0 && status.untrackedFiles === 0;
  if (isClean && tip !== undefined && tip === found.head) {
    return { action: "reuse", path: found.path, switchFrom: found.branch ?? "" };
  }
  throw mismatch(
    found,
    branch,
    `${status.modifiedFiles} modified and ${status.untrackedFiles} untracked file(s) there`,
    {
      expected_commit: tip ?? "",
      modified_files: status.modifiedFiles,
      untracked_files: status.untrackedFiles,
    },
  );
}

function forgettable(worktree: RegisteredWorktree, branch: string): RegisteredWorktree {
  if (worktree.locked === undefined) return worktree;
  throw mismatch(worktree, branch, "its directory is gone, but its registration is locked");
}

function mismatch(
  found: RegisteredWorktree,
  branch: string,
  why: string,
  evidence: Readonly<Record<string, string | number>> = {},
): RuntimeError {
  const place = found.branch === undefined ? "detached" : `on branch "${found.branch}"`;
  const commit = found.head?.slice(0, 12) ?? "no commit";
  const message = `branch "${branch}" cannot be used: worktree "${found.path}" is ${place} at ${commit}; ${why}`;
  return new RuntimeError("WORKTREE_BRANCH_MISMATCH", message, {
    metadata: {
      path: found.path,
      branch,
      actual_branch: found.branch ?? "",
      actual_commit: found.head ?? "",
      ...evidence,
    },
  });
}

async function isFree(path: string, wasBegun: boolean): Promise<boolean> {
  return (await isMissing(path)) || (wasBegun && (await isEmptyDirectory(path)));
}

async function isMissing(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return false;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return true;
    throw error;
  }
}
