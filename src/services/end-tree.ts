import type { Service, StopReceipt } from "../model/service.ts";
import type { Instance } from "../supervisor/instance.ts";
import type { StopOutcome } from "../supervisor/stop.ts";

/** Stops what lives of an instance; of none there is nothing to stop, and that is proof enough. */
export async function endTree(
  instance: Instance | undefined,
  service: Service,
  graceMs: number,
  /** Known to be listened on by somebody else. */
  takenPorts: readonly number[],
): Promise<StopOutcome> {
  if (instance === undefined) return NOTHING_TO_STOP;
  const outcome = await instance.stop({
    signal: service.spec.stop?.signal || "SIGTERM",
    graceMs,
    ports: Object.values(service.ports).filter((port) => !takenPorts.includes(port)),
  });
  // Its exit first, so that the last row of an instance has both.
  if (outcome.proven) await instance.exited;
  return outcome;
}

export function receiptOf(
  service: Service,
  { proven: _, ...facts }: StopOutcome,
  exit = service.exit,
): StopReceipt {
  return { serviceId: service.serviceId, ...facts, ...(exit === undefined ? {} : { exit }) };
}

export const NOTHING_TO_STOP: StopOutcome = {
  proven: true,
  proof: "SCAN",
  signals: [],
  escalated: false,
  processesEnded: 0,
  survivors: [],
  durationMs: 0,
  portsFree: true,
};
