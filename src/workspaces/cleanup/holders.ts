import type { Service } from "../../model/service.ts";
import type { Workspace } from "../../model/workspace.ts";
import type { Store, StoreQueries } from "../../store/store.ts";
import { refuseStale } from "../expected-revision.ts";
import type { CleanupRequest } from "./cleanup-call.ts";
import { workspaceLeased } from "./refusals.ts";

/** The runs that lease a workspace or its services. */
export async function findHolders(
  store: StoreQueries,
  { workspaceId }: Workspace,
  services: readonly Service[],
): Promise<string[]> {
  const leases = await store.leases.holdersOfWorkspace(workspaceId);
  for (const { serviceId } of services) {
    leases.push(...(await store.leases.holdersOfService(serviceId)));
  }
  return [...new Set(leases.map(({ runId }) => runId))];
}

/** Those that a cleanup must not disturb: all but the run that asks for it, none when forced. */
export function inTheWay(
  runIds: readonly string[],
  { actor, force }: Pick<CleanupRequest, "actor" | "force">,
): string[] {
  return force ? [] : runIds.filter((runId) => runId !== actor?.runId);
}

/**
 * Ends the leases on a workspace that is to be cleaned and answers who held it. Throws
 * WORKSPACE_LEASED, STALE_REVISION.
 */
export async function claimForCleanup(
  store: Store,
  request: CleanupRequest,
  workspace: Workspace,
  services: readonly Service[],
): Promise<string[]> {
  const { workspaceId } = workspace;
  return await store.transaction(async (tx) => {
    refuseStale(request.expectedRevision, await tx.workspaces.get(workspaceId));
    const holders = await findHolders(tx, workspace, services);
    const others = inTheWay(holders, request);
    if (others.length > 0) throw workspaceLeased(workspace, others);
    await tx.leases.deleteByWorkspace(workspaceId);
    return holders;
  });
}
