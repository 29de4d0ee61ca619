import { isAbsolute, resolve } from "node:path";
import type { Clock } from "../clock.ts";
import { type FieldViolation, invalidField, RuntimeError } from "../errors.ts";
import type { Git } from "../git/git.ts";
import type { Workspace } from "../model/workspace.ts";
import { validateSpecs } from "../services/validate-spec.ts";
import type { Store } from "../store/store.ts";
import type { NewWorkspace } from "../store/workspaces.ts";
import type { AllowedRoots } from "./allowed-roots.ts";
import { believeFlags } from "./import-flags.ts";
import { checkBase, isDirectory, verifyWorktree } from "./import-worktree.ts";
import { inUse } from "./place.ts";
import type { ImportedWorkspace, ImportRequest } from "./workspaces.ts";

export interface ImportDependencies {
  readonly store: Store;
  readonly clock: Clock;
  readonly git: Git;
  readonly roots: AllowedRoots;
  readonly allowRoots: readonly string[];
}

/** A workspace as it would be stored, checked against git and the disk. */
export type Imported = NewWorkspace & { readonly isThere: boolean };

/**
 * Takes over what was made before this service. A workspace that is known and meant is answered as it
 * is stored; its row is the truth. Throws INVALID_FIELD, WORKSPACE_CONFLICT naming the field,
 * WORKTREE_IN_USE, PATH_NOT_ALLOWED, and what `verifyWorktree` finds.
 */
export async function importWorkspace(
  dependencies: ImportDependencies,
  { workspace: asked, dryRun }: ImportRequest,
): Promise<Workspace> {
  const { store, clock } = dependencies;
  validate(asked);
  const { isThere: _, ...record } = await believeFlags(
    dependencies,
    await verify(dependencies, asked),
  );
  return await store.transaction(async (tx) => {
    const stored = await tx.workspaces.get(record.workspaceId);
    if (stored !== undefined) {
      refuseOthers(record, stored, asked);
      return stored;
    }
    await refuseHolders(tx, record);
    if (dryRun) {
      const now = clock.now();
      const times = { createTime: now, updateTime: now, lastUsedTime: now };
      return { ...record, ...times, nodeId: "", revision: 0 };
    }
    const { record: written, inserted } = await tx.workspaces.insert(record);
    if (!inserted) throw inUse(written, record.companyId);
    return written;
  });
}

async function verify(
  dependencies: ImportDependencies,
  asked: ImportedWorkspace,
): Promise<Imported> {
  const { roots } = dependencies;
  const wanted = asked.worktreePath || asked.cwd;
  const path = await roots.resolve(wanted);
  const state = asked.state ?? "ACTIVE";
  const isThere = await isDirectory(path);
  // Of a workspace that is closed nothing needs to be there.
  if (!isThere && state !== "ARCHIVED") {
    const field = asked.worktreePath === "" ? "cwd" : "worktree_path";
    throw invalidField(`workspace.${field}`, `"${wanted}" is not a directory`);
  }
  const strategy =
    asked.strategy ?? (asked.worktreePath === "" ? "PROJECT_PRIMARY" : "GIT_WORKTREE");
  const record: Imported = {
    ...EMPTY,
    ...asked,
    state,
    strategy,
    isThere,
    source: asked.source ?? "PROJECT_PRIMARY",
    cwd: path,
    worktreePath: "",
    branchName: "",
    baseRef: "",
  };
  if (strategy === "GIT_WORKTREE") return await verifyWorktree(dependencies, record, asked);
  if (asked.baseCwd === "") throw invalidField("workspace.base_cwd", "is required");
  const { gitWorktree: _, ...primary } = record;
  return {
    ...primary,
    baseCwd: await checkBase(roots, asked.baseCwd),
    // As a realize stores it: symlinks stay as the caller wrote them.
    cwd: resolve(wanted),
    branchCreated: false,
  };
}

/** A workspace that is known must be the one that is meant. */
function refuseOthers(
  record: NewWorkspace,
  stored: Workspace,
  { baseCwd }: ImportedWorkspace,
): void {
  const facts: Readonly<Record<string, keyof NewWorkspace>> = {
    company_id: "companyId",
    ...(baseCwd === "" ? {} : { base_cwd: "baseCwd" as const }),
    strategy: "strategy",
    cwd: "cwd",
    worktree_path: "worktreePath",
    branch_name: "branchName",
  };
  const differs = Object.entries(facts).filter(([, key]) => record[key] !== stored[key]);
  // Said to be made here, where the row knows better; a cleaned workspace has nothing left.
  if (stored.state !== "ARCHIVED") {
    if (record.directoryCreated && !stored.directoryCreated) {
      differs.push(["directory_created", "directoryCreated"]);
    }
    if (record.branchCreated && !stored.branchCreated) {
      differs.push(["branch_created", "branchCreated"]);
    }
  }
  const [field] = differs[0] ?? [];
  if (field === undefined) return;
  const { workspaceId } = stored;
  const message = `workspace "${workspaceId}" is known with another ${field}`;
  throw new RuntimeError("WORKSPACE_CONFLICT", message, {
    metadata: { workspace_id: workspaceId, field },
  });
}

async function refuseHolders(
  { workspaces }: Pick<Store, "workspaces">,
  { worktreePath, state, companyId }: NewWorkspace,
): Promise<void> {
  if (worktreePath === "" || state === "ARCHIVED") return;
  const [holder] = await workspaces.listLiveByWorktreePath(worktreePath);
  if (holder !== undefined) throw inUse(holder, companyId);
}

function validate(asked: ImportedWorkspace): void {
  const violations: FieldViolation[] = [];
  const refuse = (field: string, description: string) =>
    violations.push({ field: `workspace.${field}`, description });
  if (asked.workspaceId === "") refuse("workspace_id", "is required");
  if (asked.companyId === "") refuse("company_id", "is required");
  if (asked.worktreePath === "" && asked.cwd === "") {
    refuse("worktree_path", "or cwd is required");
  }
  const paths = {
    base_cwd: asked.baseCwd,
    worktree_path: asked.worktreePath,
    cwd: asked.cwd,
  };
  for (const [field, path] of Object.entries(paths)) {
    if (path !== "" && !isAbsolute(path)) refuse(field, "must be an absolute path");
  }
  if (asked.state === "PROVISIONING" || asked.state === "FAILED") {
    refuse("state", `${asked.state} is nothing to take over: RealizeWorkspace makes it`);
  }
  if (violations.length > 0) {
    const told = violations.map(({ field, description }) => `${field}: ${description}`);
    throw new RuntimeError("INVALID_FIELD", told.join("; "), { violations });
  }
  validateSpecs(asked.runtimeConfig?.services ?? [], "workspace.runtime_config.services");
}

const EMPTY = {
  stateMessage: "",
  repoRoot: "",
  gitCommonDir: "",
  baseCommit: "",
  warnings: [],
  rescueRef: "",
  provisionPending: false,
  provisionFingerprint: "",
} as const;
