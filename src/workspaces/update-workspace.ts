import { RuntimeError } from "../errors.ts";
import type { GitWorktreeStrategy, Workspace, WorkspaceState } from "../model/workspace.ts";
import type { Services } from "../services/services.ts";
import { validateSpecs } from "../services/validate-spec.ts";
import type { Store, StoreQueries } from "../store/store.ts";
import { refuseStale } from "./expected-revision.ts";
import type { UpdateRequest, WorkspaceChanges } from "./workspaces.ts";

export interface UpdateDependencies {
  readonly store: Store;
  readonly services: Pick<Services, "ofWorkspace" | "stopOfWorkspace">;
}

/**
 * Writes the changes, all or none. ARCHIVED is only a mark: services stop, nothing is removed; where
 * their end could not be proven (STOP_NOT_PROVEN) the mark stays, and the same call tries again.
 */
export async function updateWorkspace(
  { store, services }: UpdateDependencies,
  { workspaceId, changes, expectedRevision, actor }: UpdateRequest,
): Promise<Workspace> {
  validateSpecs(changes.runtimeConfig?.services ?? [], "workspace.runtime_config.services");
  const workspace = await store.transaction(async (tx) => {
    const stored = await tx.workspaces.get(workspaceId);
    if (stored === undefined) throw workspaceNotFound(workspaceId);
    refuseStale(expectedRevision, stored);
    refuseState(stored, changes.state);
    if (changes.state === "ARCHIVED" && stored.state !== "ARCHIVED") {
      const serviceIds = services.ofWorkspace(stored).map(({ serviceId }) => serviceId);
      await refuseHolders(tx, stored, serviceIds, actor?.runId ?? "");
    }
    return (await tx.workspaces.update(workspaceId, patchOf(stored, changes))) ?? stored;
  });
  if (changes.state !== "ARCHIVED") return workspace;
  const { failures } = await services.stopOfWorkspace(workspace, "WORKSPACE_ARCHIVED");
  if (failures.length === 0) return workspace;
  const told = failures.map(({ message }) => message).join("; ");
  throw new RuntimeError("STOP_NOT_PROVEN", `archived, but ${told}`, {
    failures,
    metadata: { workspace_id: workspaceId },
  });
}

export function workspaceNotFound(workspaceId: string): RuntimeError {
  return new RuntimeError("WORKSPACE_NOT_FOUND", `there is no workspace "${workspaceId}"`, {
    metadata: { workspace_id: workspaceId },
  });
}

/** The orchestrator's marks go over into each other; all other ways have a method of their own. */
function refuseState(stored: Workspace, wanted: WorkspaceChanges["state"]): void {
  if (wanted === undefined || wanted === stored.state || wanted === "ARCHIVED") return;
  const { workspaceId, state } = stored;
  const metadata = { workspace_id: workspaceId, field: "state" };
  if (state === "ARCHIVED") {
    const message = `workspace "${workspaceId}" is archived: RestoreWorkspace brings it back`;
    throw new RuntimeError("WORKSPACE_ARCHIVED", message, { metadata });
  }
  if (!MARKS.includes(state)) {
    const message = `workspace "${workspaceId}" is ${state}, not ready: RealizeWorkspace makes it so`;
    throw new RuntimeError("WORKSPACE_CONFLICT", message, { metadata });
  }
}

const MARKS: readonly WorkspaceState[] = ["ACTIVE", "IDLE", "IN_REVIEW"];

/** Of the workspace, and of what runs in it: a shared service may be another's too. */
async function refuseHolders(
  tx: Pick<StoreQueries, "leases">,
  { workspaceId }: Workspace,
  serviceIds: readonly string[],
  ownRunId: string,
): Promise<void> {
  const leases = await tx.leases.holdersOfWorkspace(workspaceId);
  for (const serviceId of serviceIds) leases.push(...(await tx.leases.holdersOfService(serviceId)));
  const others = new Set(leases.map(({ runId }) => runId).filter((runId) => runId !== ownRunId));
  if (others.size === 0) return;
  const message = `workspace "${workspaceId}" is leased by ${[...others].join(", ")}: release it first`;
  throw new RuntimeError("WORKSPACE_LEASED", message, {
    metadata: { workspace_id: workspaceId, holder_run_ids: [...others].join(",") },
  });
}

function patchOf(stored: Workspace, changes: WorkspaceChanges) {
  const { gitWorktree, runtimeConfig, ...plain } = changes;
  return {
    ...plain,
    ...(runtimeConfig === undefined ? {} : { runtimeConfig: runtimeConfig ?? undefined }),
    ...(gitWorktree === undefined ? {} : { gitWorktree: mergedStrategy(stored, gitWorktree) }),
  };
}

function mergedStrategy(
  { workspaceId, strategy, gitWorktree }: Workspace,
  changes: NonNullable<WorkspaceChanges["gitWorktree"]>,
): GitWorktreeStrategy {
  if (strategy !== "GIT_WORKTREE") {
    const message = `workspace "${workspaceId}" has no worktree of its own`;
    throw new RuntimeError("WORKSPACE_CONFLICT", message, {
      metadata: { workspace_id: workspaceId, field: "strategy" },
    });
  }
  const merged = Object.entries({ ...gitWorktree, ...changes });
  return Object.fromEntries(merged.filter(([, value]) => value !== undefined && value !== ""));
}
