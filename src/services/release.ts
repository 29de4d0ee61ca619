import type { Service, StopReceipt } from "../model/service.ts";
import type { Store } from "../store/store.ts";
import type { ServicesCore } from "./core.ts";
import { desiredState } from "./desired-state.ts";
import { isOver } from "./state.ts";

/**
 * What a service's stop policy says once its last lease is gone: stopped now, later by the idle
 * sweep, or left running. The row is stopped only if it is still leased by nobody at that moment.
 */
export async function applyStopPolicy(
  core: ServicesCore,
  service: Service,
  reason: "LEASES_ENDED" | "LEASE_EXPIRED" = "LEASES_ENDED",
): Promise<StopReceipt | undefined> {
  if (!(await stopsWithLastLease(core.store, service))) return undefined;
  return core.registry.get(service.serviceId)?.stop(reason, { condition: { kind: "unleased" } });
}

/** Whether it is stopped as soon as nobody leases it. */
export async function stopsWithLastLease(
  store: Pick<Store, "workspaces" | "projectWorkspaces">,
  service: Service,
): Promise<boolean> {
  const endsWithRun =
    service.lifecycle === "EPHEMERAL" || service.stopPolicy.kind === "on_run_finish";
  if (!endsWithRun || isOver(service.state)) return false;
  return (await desiredState(store, service)) !== "RUNNING";
}
