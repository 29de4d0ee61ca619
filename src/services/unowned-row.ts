import type { Service } from "../model/service.ts";
import type { StoreQueries } from "../store/store.ts";
import type { ServicesCore } from "./core.ts";
import { isOver } from "./state.ts";

const MESSAGE = "the store did not answer when its row was written: it was never started";

/**
 * The row of a service that no life of this server drives: its commit stood, the answer to it was lost, and
 * the caller was told that it had failed. Nothing was started for it, so it ends as if it had not been. False
 * for a row that is somebody's.
 */
export async function endUnowned(
  core: Pick<ServicesCore, "registry" | "clock" | "settings">,
  tx: StoreQueries,
  row: Service,
): Promise<boolean> {
  const { serviceId, nodeId } = row;
  if (isOver(row.state) || nodeId !== core.settings.nodeId) return false;
  if (core.registry.get(serviceId) !== undefined) return false;
  await tx.leases.deleteByService(serviceId);
  await tx.services.update(serviceId, {
    state: "FAILED",
    health: "UNHEALTHY",
    stateMessage: MESSAGE,
    stopTime: core.clock.now(),
  });
  return true;
}

/** For a row of which it is not known whether it was written: afterwards, no live one is there. */
export async function disown(core: ServicesCore, serviceId: string): Promise<void> {
  await core.untilStored(() =>
    core.store.transaction(async (tx) => {
      const row = await tx.services.get(serviceId);
      if (row !== undefined) await endUnowned(core, tx, row);
    }),
  );
}
