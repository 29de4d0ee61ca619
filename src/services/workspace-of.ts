import { RuntimeError } from "../errors.ts";
import type { Workspace } from "../model/workspace.ts";
import type { StoreQueries } from "../store/store.ts";

/** @throws RuntimeError WORKSPACE_NOT_FOUND, WORKSPACE_ARCHIVED */
export async function usableWorkspace(
  { workspaces }: Pick<StoreQueries, "workspaces">,
  workspaceId: string,
): Promise<Workspace> {
  const workspace = await workspaces.get(workspaceId);
  const metadata = { workspace_id: workspaceId };
  if (workspace === undefined) {
    throw workspaceNotFound(workspaceId);
  }
  if (workspace.state === "ARCHIVED") {
    throw new RuntimeError(
      "WORKSPACE_ARCHIVED",
      `workspace ${workspaceId} is archived: RestoreWorkspace brings it back`,
      { metadata },
    );
  }
  return workspace;
}

export function workspaceNotFound(workspaceId: string): RuntimeError {
  return new RuntimeError(
    "WORKSPACE_NOT_FOUND",
    `there is no workspace ${workspaceId}: realize it first`,
    { metadata: { workspace_id: workspaceId } },
  );
}
