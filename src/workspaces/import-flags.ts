import { originBranch } from "../git/base-ref.ts";
import type { Git } from "../git/git.ts";
import { lookUpBranch } from "../git/refs.ts";
import { findRepository } from "../git/repository.ts";
import type { Store } from "../store/store.ts";
import { isInside, resolveSymlinks } from "./allowed-roots.ts";
import { refusalToRemove } from "./cleanup/guards.ts";
import type { Imported } from "./import-workspace.ts";

export interface FlagDependencies {
  readonly store: Store;
  readonly git: Git;
  readonly allowRoots: readonly string[];
}

/**
 * What was made before this service may be removed by it once it is said to be its own: that is
 * believed of what could be, and else left out with a warning.
 */
export async function believeFlags(
  dependencies: FlagDependencies,
  record: Imported,
): Promise<Imported> {
  const warnings = [...record.warnings];
  const doubt = (flag: string, why: string | undefined) => {
    if (why !== undefined) warnings.push(`Ignored ${flag}: ${why}`);
    return why === undefined;
  };
  const directoryCreated =
    record.directoryCreated &&
    doubt("directory_created", await doubtOfDirectory(dependencies, record));
  const branchCreated =
    record.branchCreated && doubt("branch_created", await doubtOfBranch(dependencies.git, record));
  return { ...record, directoryCreated, branchCreated, warnings };
}

async function doubtOfDirectory(
  { store, git, allowRoots }: FlagDependencies,
  record: Imported,
): Promise<string | undefined> {
  const path = record.cwd;
  if (!record.isThere) return `"${path}" is not there.`;
  for (const root of allowRoots) {
    const resolved = await resolveSymlinks(root);
    if (resolved !== undefined && isInside(resolved, path)) {
      return `"${path}" is a directory that all workspaces may lie in.`;
    }
  }
  if (record.strategy === "PROJECT_PRIMARY") {
    if (await isOfProject(git, record)) return `"${path}" is part of the project's repository.`;
    const sharer = (await store.workspaces.listLive("")).find(
      ({ workspaceId, cwd }) => workspaceId !== record.workspaceId && cwd === path,
    );
    if (sharer !== undefined) return `another workspace is in "${path}".`;
  }
  return await refusalToRemove(store, asWorkspace(record), path);
}

/** Inside of the base directory's checkout or git directory, or another checkout of it. */
async function isOfProject(git: Git, { cwd, baseCwd }: Imported): Promise<boolean> {
  const [own, base] = await Promise.all([findRepository(git, cwd), findRepository(git, baseCwd)]);
  const places = [baseCwd, ...("refusal" in base ? [] : [base.root, base.commonDir])];
  for (const place of places) {
    if (isInside((await resolveSymlinks(cwd)) ?? cwd, (await resolveSymlinks(place)) ?? place)) {
      return true;
    }
  }
  return !("refusal" in own) && !("refusal" in base) && own.commonDir === base.commonDir;
}

async function doubtOfBranch(git: Git, record: Imported): Promise<string | undefined> {
  const { branchName, baseRef, repoRoot, gitCommonDir } = record;
  if (branchName === originBranch(baseRef)) return `"${branchName}" is the base.`;
  const gitCwd = record.isThere ? record.cwd : repoRoot || gitCommonDir;
  const { tip } = await lookUpBranch(git, gitCwd, branchName);
  return tip === undefined ? `there is no branch "${branchName}".` : undefined;
}

function asWorkspace({ isThere: _, ...record }: Imported) {
  const times = { createTime: 0, updateTime: 0, lastUsedTime: 0 };
  return { ...record, ...times, nodeId: "", revision: 0 };
}
