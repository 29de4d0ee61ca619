import { RuntimeError } from "../errors.ts";
import type { Lease, LeaseMode } from "../model/lease.ts";
import type { StoreQueries } from "../store/store.ts";

export interface WorkspaceClaim {
  readonly companyId: string;
  readonly runId: string;
  readonly workspaceId: string;
  readonly mode: LeaseMode;
  /** 0: never expires. */
  readonly ttlMs: number;
}

/**
 * Leases the workspace itself for a run; renews what the run holds. In the caller's transaction, so
 * that two exclusive claims cannot pass each other.
 * @throws RuntimeError WORKSPACE_LEASED with holder_run_ids
 */
export async function leaseWorkspace(tx: StoreQueries, claim: WorkspaceClaim): Promise<Lease> {
  const others = (await tx.leases.holdersOfWorkspace(claim.workspaceId)).filter(
    ({ runId }) => runId !== claim.runId,
  );
  const inTheWay =
    claim.mode === "EXCLUSIVE" ? others : others.filter(({ mode }) => mode === "EXCLUSIVE");
  if (inTheWay.length > 0) {
    const holders = inTheWay.map(({ runId }) => runId).join(",");
    throw new RuntimeError(
      "WORKSPACE_LEASED",
      `the workspace is leased by ${holders}: release that run, or wait for it`,
      { metadata: { workspace_id: claim.workspaceId, holder_run_ids: holders } },
    );
  }
  return tx.leases.acquire({ ...claim, serviceId: "" });
}
