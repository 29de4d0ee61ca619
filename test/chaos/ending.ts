import { isLiveState, markedProcesses, observe } from "../support/invariants.ts";
import type { Role, Stage } from "./stage.ts";

const AT_ONCE = 8;

/** Releases every run and stops every service, by its own id. */
export async function stopEverything({ ledger }: Stage, { client, call }: Role, dataDir: string) {
  for (const [runId, state] of ledger.runs) {
    if (state === "open") await call(`release ${runId}`, () => client.releaseRun({ runId }));
    ledger.runs.set(runId, "released");
  }
  const { services } = await observe(client, dataDir);
  const live = services.filter(({ state }) => isLiveState(state)).entries();
  const stopper = async () => {
    for (const [, { serviceId, serviceName }] of live) {
      const target = { case: "serviceId", value: serviceId } as const;
      const gracePeriod = { seconds: 0n, nanos: 0 };
      await call(`stop ${serviceName}`, () =>
        client.stopServices({ target, force: true, gracePeriod }),
      );
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, stopper));
}

/** What the server could not end, each by its own number; answers how many there were. */
export function killLeftovers(dataDir: string): number {
  const left = markedProcesses(dataDir);
  for (const { pid } of left) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
  return left.length;
}
