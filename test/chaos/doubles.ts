import { setTimeout as sleep } from "node:timers/promises";
import { findDoubles } from "../support/invariants.ts";
import type { Stage } from "./stage.ts";

/** Looks all the time for two processes of one identity; a fifth of the time at most is spent on it. */
export async function lookForDoubles(stage: Stage, signal: AbortSignal): Promise<void> {
  const { ledger, scene, figures } = stage;
  const keyOf = (serviceId: string) => ledger.services.get(serviceId)?.reuseKey || undefined;
  while (!signal.aborted) {
    const began = performance.now();
    const doubles = findDoubles(scene.dataDir, keyOf);
    if (doubles.length > 0) stage.fail(new Error(doubles.join("\n")));
    figures.add("doubles_looked_for");
    await sleep(Math.max(30, 4 * (performance.now() - began)), undefined, { signal }).catch(
      () => {},
    );
  }
}
