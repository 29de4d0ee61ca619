import { setImmediate as breathe } from "node:timers/promises";
import type { Service } from "../model/service.ts";
import type { ServicesCore } from "./core.ts";
import type { Adopted } from "./launcher.ts";
import { adoptStrays } from "./strays.ts";

/** What start-up found of the services that an earlier server left. */
export interface ReconcileResult {
  readonly reconciled: number;
  readonly adopted: number;
  readonly stopped: number;
  readonly strays: number;
  /** Adopted ones that runs have leased at some time, and none does now. */
  readonly unleased: readonly string[];
}

/** So many at once: enough to keep the disk busy, and others get their turn in between. */
const AT_ONCE = 16;
/** An end whose leftovers take long to stop goes on behind the ready line. */
const PATIENCE_MS = 1_000;
/** So does what cannot be looked at. A shim that is just starting is waited for 5 s. */
const LOOK_MS = 7_000;

/**
 * Each local service of this node that its row takes for living is looked at once: a process proven
 * to be ours goes on under its id, the end of one that is gone is written with its true exit. Then
 * those that live without a row are given one.
 */
export async function reconcile(core: ServicesCore): Promise<ReconcileResult> {
  const rows = await core.store.services.listByStates(core.settings.nodeId, [
    "STARTING",
    "RUNNING",
    "STOPPING",
    "BACKOFF",
  ]);
  const outcomes = await inTurns(rows, (row) => reconcileOne(core, row));
  const strays = await adoptStrays(core);
  await core.failpoints.hit("adopt.reconciled");
  const adopted = rows.filter((_, index) => outcomes[index] === "adopted");
  return {
    reconciled: rows.length,
    adopted: adopted.length,
    stopped: rows.length - adopted.length,
    strays: strays.length,
    unleased: adopted.filter(lostItsLeases).map(({ serviceId }) => serviceId),
  };
}

async function reconcileOne(core: ServicesCore, row: Service): Promise<Adopted | undefined> {
  const outcome = await Promise.race([core.launcher.adopt(row), patience(core, LOOK_MS)]);
  if (outcome === "adopted") return outcome;
  const over = core.registry.get(row.serviceId)?.over;
  await Promise.race([over, patience(core, PATIENCE_MS)]);
  return outcome;
}

/** A server that died between the end of the last lease and the stop that follows from it. */
function lostItsLeases(row: Service): boolean {
  const wasLeased = row.startedByRunId !== "" || row.lastUsedTime > row.createTime;
  return wasLeased && row.leaseRunIds.length === 0 && row.stateReason !== "STRAY";
}

async function inTurns<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  const left = items.entries();
  const worker = async () => {
    for (const [index, item] of left) {
      results[index] = await work(item);
      await breathe();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

function patience({ clock }: ServicesCore, ms: number): Promise<undefined> {
  return new Promise((resolve) => clock.schedule(ms, () => resolve(undefined)));
}
