import { lstat, realpath } from "node:fs/promises";
import { join } from "node:path";
import { resolveBase } from "../../git/base-ref.ts";
import type { Git } from "../../git/git.ts";
import type { Plumbing } from "../../git/plumbing.ts";
import { lookUpBranch } from "../../git/refs.ts";
import { findRepository, type Repository } from "../../git/repository.ts";
import { listWorktrees, type RegisteredWorktree } from "../../git/worktree-list.ts";
import type { Workspace } from "../../model/workspace.ts";
import type { Store } from "../../store/store.ts";
import { isInside } from "../allowed-roots.ts";
import { readWorktreeState, type WorktreeState } from "../rescue/worktree-state.ts";
import { isEmptyDirectory, isUnfinished } from "../unfinished.ts";
import type { GitState } from "./cleanup-call.ts";
import { refusalToRemove } from "./guards.ts";
import { compareWithBase } from "./merged.ts";
import { submodulesWithWork } from "./nested-repositories.ts";
import { pathOf } from "./operation.ts";

export interface InspectionTools {
  readonly store: Store;
  readonly git: Git;
  readonly plumbing: Plumbing;
}

/** What there is of a workspace. Only looked at, and nothing of the repository's was run. */
export interface Inspection {
  readonly path: string;
  readonly isThere: boolean;
  /**
   * Whose the directory is: "worktree" and "directory" this service made for this workspace alone;
   * "shared": another live workspace is in it too.
   */
  readonly holding: "primary" | "found" | "shared" | "worktree" | "directory";
  /** Other live workspaces in it. */
  readonly others: readonly Workspace[];
  /** Absent when it is away. */
  readonly repository?: Repository;
  readonly registered?: RegisteredWorktree;
  readonly worktrees: readonly RegisteredWorktree[];
  /** Absent where there is no checkout, or git cannot tell. */
  readonly state?: WorktreeState;
  readonly git?: GitState;
  /** The base as it is told; absent when it does not resolve. */
  readonly baseRef?: string;
  /** There is work that no branch, remote or tag has: files, or commits of a detached HEAD. */
  readonly hasWork: boolean;
  /** Why the directory stays. */
  readonly refusal?: string;
  /** Why it stays unless its work is given up: what no rescue can hold. */
  readonly unsavable?: string;
  readonly branch?: BranchInspection;
}

/** The branch that this service made. */
export interface BranchInspection {
  readonly tip: string;
  /** Absent when there is no base to compare with. */
  readonly merged?: boolean;
  /** Another worktree has it. */
  readonly checkedOutAt?: string;
}

export async function inspectWorkspace(
  tools: InspectionTools,
  workspace: Workspace,
): Promise<Inspection> {
  const { store, git } = tools;
  const path = pathOf(workspace);
  const isThere = await lstat(path).then(
    () => true,
    () => false,
  );
  const live = await store.workspaces.listLive("");
  const others = live.filter(
    (other) => other.workspaceId !== workspace.workspaceId && pathOf(other) === path,
  );
  const holding = holdingOf(workspace, others);
  const repository = await openRepository(git, workspace);
  const worktrees =
    repository === undefined ? [] : await listWorktrees(git, repository.gitCwd).catch(() => []);
  const registered = worktrees.find((worktree) => worktree.path === path && !worktree.isMain);
  const base = repository && (await findBase(git, repository, workspace));
  const state = isThere ? await readState() : undefined;
  const gitState = state && (await describe(state));
  // Of a `git worktree add` that was killed: nobody has worked in it.
  const isHalfMade = registered !== undefined && isUnfinished(registered);
  const hasWork = !isHalfMade && state !== undefined && (await holdsWork(tools, path, state));
  const branch = repository && (await inspectBranch(repository));
  const removal = isThere ? await inspectRemoval() : {};
  return {
    ...{ path, isThere, holding, others, worktrees, hasWork },
    ...(base === undefined ? {} : { baseRef: base.ref }),
    ...(repository === undefined ? {} : { repository }),
    ...(registered === undefined ? {} : { registered }),
    ...(state === undefined ? {} : { state }),
    ...(gitState === undefined ? {} : { git: gitState }),
    ...(branch === undefined ? {} : { branch }),
    ...removal,
  };

  async function readState(): Promise<WorktreeState | undefined> {
    return await readWorktreeState(tools, path).catch(() => undefined);
  }

  async function describe(state: WorktreeState): Promise<GitState> {
    const { branch, modifiedFiles, untrackedFiles, head } = state;
    const facts =
      head === undefined || base === undefined
        ? undefined
        : await compareWithBase(tools, path, head, base.commit).catch(() => undefined);
    return {
      branchName: branch,
      dirtyFiles: modifiedFiles,
      untrackedFiles,
      ...(facts === undefined ? {} : facts),
      isPrimary: registered === undefined,
    };
  }

  async function inspectBranch({ gitCwd }: Repository): Promise<BranchInspection | undefined> {
    if (!workspace.branchCreated || workspace.branchName === "") return undefined;
    const { tip } = await lookUpBranch(git, gitCwd, workspace.branchName);
    if (tip === undefined) return undefined;
    const facts =
      base && (await compareWithBase(tools, gitCwd, tip, base.commit).catch(() => undefined));
    const elsewhere = worktrees.find(
      (worktree) => worktree.branch === workspace.branchName && worktree.path !== path,
    );
    return {
      tip,
      ...(facts === undefined ? {} : { merged: facts.merged }),
      ...(elsewhere === undefined ? {} : { checkedOutAt: elsewhere.path }),
    };
  }

  async function inspectRemoval(): Promise<Pick<Inspection, "refusal" | "unsavable">> {
    if (holding !== "worktree" && holding !== "directory") return {};
    const guarded = await refusalToRemove(store, workspace, path);
    if (guarded !== undefined) return { refusal: guarded };
    if (holding === "directory") {
      const isCheckout = await lstat(join(path, ".git")).then(
        () => true,
        () => false,
      );
      return isCheckout ? { unsavable: "it is a git repository of its own" } : {};
    }
    const left = (why: string) => ({ refusal: `Left "${path}": ${why}` });
    if (repository === undefined) return left("its repository cannot be read");
    if (isHalfMade) return {};
    if (registered === undefined && (await isEmptyDirectory(path))) return {};
    if (registered === undefined) return left(`it is no worktree of "${repository.root}"`);
    if (registered.locked !== undefined) {
      return left(`its worktree is locked${registered.locked && `: ${registered.locked}`}`);
    }
    const nested = worktrees.find((other) => other.path !== path && isInside(other.path, path));
    if (nested !== undefined) return left(`worktree "${nested.path}" lies in it`);
    if (state === undefined) return { unsavable: "git cannot tell its state" };
    if (!(await isOwnGitDirectory(state.gitDir, repository))) {
      return left(`it is a checkout of another repository than "${repository.root}"`);
    }
    const [inner] = [...state.repositories, ...(await submodulesWithWork(tools, path))];
    if (inner === undefined) return {};
    return { unsavable: `"${inner}" in it is a repository with work of its own` };
  }
}

function holdingOf(
  { strategy, directoryCreated }: Workspace,
  others: readonly Workspace[],
): Inspection["holding"] {
  if (strategy === "PROJECT_PRIMARY" && !directoryCreated) return "primary";
  if (others.length > 0) return "shared";
  if (strategy === "PROJECT_PRIMARY") return "directory";
  return directoryCreated ? "worktree" : "found";
}

async function holdsWork(
  { plumbing }: InspectionTools,
  path: string,
  { paths, branch, head }: WorktreeState,
): Promise<boolean> {
  if (paths.length > 0) return true;
  if (branch !== "" || head === undefined) return false;
  const kept = ["refs/heads", "refs/remotes", "refs/tags"];
  const args = ["for-each-ref", "--count=1", `--contains=${head}`, ...kept];
  return (await plumbing.read(path, args)).length === 0;
}

/** The repository of a workspace; undefined when there is none, or it cannot be read. */
export async function openRepository(
  git: Git,
  { gitCommonDir }: Workspace,
): Promise<Repository | undefined> {
  if (gitCommonDir === "") return undefined;
  const found = await findRepository(git, gitCommonDir).catch(() => undefined);
  return found === undefined || "refusal" in found ? undefined : found;
}

async function findBase(git: Git, { gitCwd }: Repository, { baseRef, baseCommit }: Workspace) {
  return await resolveBase(git, gitCwd, baseRef || baseCommit).catch(() => undefined);
}

/** A linked worktree's git directory lies in the repository's own. */
async function isOwnGitDirectory(gitDir: string, { commonDir }: Repository): Promise<boolean> {
  const [own, worktrees] = await Promise.all([
    realpath(gitDir),
    realpath(join(commonDir, "worktrees")).catch(() => undefined),
  ]);
  return worktrees !== undefined && isInside(own, worktrees);
}
