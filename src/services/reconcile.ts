import type { ServicesCore } from "./core.ts";

/** What start-up found of the services that an earlier server left. */
export interface ReconcileResult {
  readonly reconciled: number;
  readonly adopted: number;
  readonly stopped: number;
  readonly strays: number;
}

/** An end whose leftovers take long to stop goes on behind the ready line. */
const PATIENCE_MS = 1_000;

/**
 * Each local service of this node that its row takes for living is looked at once: a process proven
 * to be ours goes on under its id, the end of one that is gone is written with its true exit.
 */
export async function reconcile(core: ServicesCore): Promise<ReconcileResult> {
  const rows = await core.store.services.listByStates(core.settings.nodeId, [
    "STARTING",
    "RUNNING",
    "STOPPING",
    "BACKOFF",
  ]);
  const found = await Promise.all(
    rows.map(async (row) => {
      const outcome = await core.launcher.adopt(row);
      const over = core.registry.get(row.serviceId)?.over;
      if (outcome !== "adopted") await Promise.race([over, patience(core)]);
      return outcome;
    }),
  );
  await core.failpoints.hit("adopt.reconciled");
  const adopted = found.filter((outcome) => outcome === "adopted").length;
  return { reconciled: rows.length, adopted, stopped: rows.length - adopted, strays: 0 };
}

function patience({ clock }: ServicesCore): Promise<void> {
  return new Promise((resolve) => clock.schedule(PATIENCE_MS, resolve));
}
