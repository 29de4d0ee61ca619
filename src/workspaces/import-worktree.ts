import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { invalidField, isRuntimeError, RuntimeError } from "../errors.ts";
import { resolveBase } from "../git/base-ref.ts";
import type { Git } from "../git/git.ts";
import { findRepository, type Repository } from "../git/repository.ts";
import { listWorktrees, type RegisteredWorktree } from "../git/worktree-list.ts";
import { type AllowedRoots, resolveSymlinks } from "./allowed-roots.ts";
import type { Imported } from "./import-workspace.ts";
import type { ImportedWorkspace } from "./workspaces.ts";

export interface VerifyDependencies {
  readonly git: Git;
  readonly roots: AllowedRoots;
}

/**
 * What git knows of a worktree that is to be taken over. Throws NOT_A_GIT_REPOSITORY,
 * WORKTREE_PATH_OCCUPIED for a directory that is no registered worktree, and WORKTREE_BRANCH_MISMATCH
 * with the evidence.
 */
export async function verifyWorktree(
  { git, roots }: VerifyDependencies,
  record: Imported,
  asked: ImportedWorkspace,
): Promise<Imported> {
  const path = record.cwd;
  const repository = await findFrom(git, asked.baseCwd || (record.isThere ? path : ""));
  const baseCwd = await checkBase(roots, asked.baseCwd || repository.root);
  const warnings: string[] = [];
  const found = await findRegistered(git, repository, path);
  if (found === undefined && record.isThere) {
    const message = `"${path}" is no worktree of "${repository.root}"`;
    throw new RuntimeError("WORKTREE_PATH_OCCUPIED", message, { metadata: { path } });
  }
  if (found !== undefined && record.isThere) refuseOther(found, asked.branchName);
  if (asked.cwd !== "" && (await resolveSymlinks(asked.cwd)) !== path) {
    warnings.push(`Ignored cwd "${asked.cwd}": it is not the worktree.`);
  }
  if (found?.locked !== undefined) {
    warnings.push(`The worktree is locked${found.locked && `: ${found.locked}`}.`);
  }
  const branchName = asked.branchName || found?.branch;
  if (!branchName) {
    throw invalidField("workspace.branch_name", "is required where no worktree tells it");
  }
  const wantedBase = asked.baseRef || asked.gitWorktree?.baseRef || asked.repoRef;
  const base = await resolveBase(git, repository.gitCwd, wantedBase).catch((error) => {
    if (!isRuntimeError(error, "BASE_REF_NOT_FOUND")) throw error;
    warnings.push(`Base ref "${wantedBase || "HEAD"}" does not resolve.`);
    return { ref: wantedBase, commit: "" };
  });
  return {
    ...record,
    baseCwd,
    worktreePath: path,
    branchName,
    repoRoot: repository.root,
    gitCommonDir: repository.commonDir,
    baseRef: base.ref,
    baseCommit: base.commit,
    gitWorktree: asked.gitWorktree ?? {},
    warnings,
  };
}

/** The base directory as it is to be stored; symlinks stay as the caller wrote them. */
export async function checkBase(roots: AllowedRoots, baseCwd: string): Promise<string> {
  await roots.resolve(baseCwd);
  if (await isDirectory(baseCwd)) return resolve(baseCwd);
  throw invalidField("workspace.base_cwd", `"${baseCwd}" is not a directory`);
}

export async function isDirectory(path: string): Promise<boolean> {
  return await stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}

async function findFrom(git: Git, cwd: string): Promise<Repository> {
  if (cwd === "") {
    throw invalidField("workspace.base_cwd", "is required where the worktree is not there");
  }
  const repository = await findRepository(git, cwd);
  if (!("refusal" in repository)) return repository;
  const message = `"${cwd}" is in no git repository that can be used: ${repository.refusal}`;
  throw new RuntimeError("NOT_A_GIT_REPOSITORY", message, { metadata: { path: cwd } });
}

/** Git lists a worktree by the path that it was made with, which may lead through symlinks. */
async function findRegistered(
  git: Git,
  repository: Repository,
  path: string,
): Promise<RegisteredWorktree | undefined> {
  const worktrees = await listWorktrees(git, repository.gitCwd);
  const resolved = await Promise.all(
    worktrees.map(async (worktree) =>
      (await resolveSymlinks(worktree.path)) === path ? [worktree] : [],
    ),
  );
  return resolved.flat()[0];
}

function refuseOther(found: RegisteredWorktree, branch: string): void {
  const place = found.branch === undefined ? "detached" : `on branch "${found.branch}"`;
  const refuse = (why: string) => {
    const message = `worktree "${found.path}" is ${place}; ${why}`;
    return new RuntimeError("WORKTREE_BRANCH_MISMATCH", message, {
      metadata: {
        path: found.path,
        branch,
        actual_branch: found.branch ?? "",
        actual_commit: found.head ?? "",
      },
    });
  };
  if (found.isMain) throw refuse("it is the main checkout");
  if (found.branch === undefined) throw refuse("a workspace needs a branch");
  if (branch !== "" && branch !== found.branch) throw refuse(`"${branch}" was named`);
}
