import type { Workspace } from "../../model/workspace.ts";
import type { Store, StoreQueries } from "../../store/store.ts";
import type { Removal } from "./removal.ts";

/** Writes what became of a workspace: ARCHIVED, or CLEANUP_FAILED with the warnings. */
export async function concludeCleanup(
  store: Store,
  now: number,
  workspace: Workspace,
  removal: Removal,
  warnings: readonly string[],
): Promise<Workspace> {
  const { companyId, workspaceId } = workspace;
  const { found, isRemoved, isBranchGone, rescueRef } = removal;
  return await store.transaction(async (tx) => {
    if (!isRemoved) {
      const stateMessage = warnings.join(" | ");
      const patch = { state: "CLEANUP_FAILED", stateMessage, rescueRef } as const;
      return (await tx.workspaces.update(workspaceId, patch)) ?? workspace;
    }
    await tx.leases.deleteByWorkspace(workspaceId);
    await tx.ports.releaseWorkspace(companyId, workspaceId);
    const [heir] = found.holding === "shared" ? found.others : [];
    if (heir !== undefined) await bequeath(tx, workspace, heir);
    const updated = await tx.workspaces.update(workspaceId, {
      state: "ARCHIVED",
      stateMessage: "",
      cleanupTime: now,
      directoryCreated: false,
      ...(isBranchGone || heir !== undefined ? { branchCreated: false } : {}),
      rescueRef,
    });
    return updated ?? workspace;
  });
}

/** Who stays in the directory takes over that this service made it: or nobody would ever remove it. */
async function bequeath(tx: StoreQueries, workspace: Workspace, heir: Workspace): Promise<void> {
  const { directoryCreated, branchCreated, branchName } = workspace;
  await tx.workspaces.update(heir.workspaceId, {
    directoryCreated: heir.directoryCreated || directoryCreated,
    branchCreated:
      heir.branchCreated || (branchCreated && directoryCreated && heir.branchName === branchName),
  });
}
