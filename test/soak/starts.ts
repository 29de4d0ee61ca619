import type { TestServer } from "../support/server.ts";
import { shellService, type TestWorkspace } from "../support/workspace.ts";

/** Starts and stops so many services in small waves: one run each, which is released. */
export async function startAndStop(
  { client }: TestServer,
  { workspaceId }: TestWorkspace,
  count: number,
  wave: number,
): Promise<void> {
  for (let done = 0; done < count; done += wave) {
    const size = Math.min(wave, count - done);
    const runId = `soak-${crypto.randomUUID()}`;
    const services = Array.from({ length: size }, (_, index) =>
      shellService(`soaked-${index}`, "echo up; exec sleep 600", {
        readiness: { check: { case: "log", value: { pattern: "^up" } } },
        stopPolicy: { policy: { case: "onRunFinish", value: {} } },
        stop: { gracePeriod: { seconds: 0n, nanos: 0 } },
      }),
    );
    await client.ensureServices({ runId, workspaceId, services });
    const { stopped } = await client.releaseRun({ runId });
    if (stopped.length !== size || stopped.some(({ survivors }) => survivors.length > 0)) {
      throw new Error(`${stopped.length} of ${size} services were stopped`);
    }
  }
}
