import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  HealthStatus,
  ServiceState,
  StateReason,
  StopProof,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { startServer } from "../support/server.ts";
import { realizePrimary, shellService } from "../support/workspace.ts";

/** Living processes whose working directory is this one. */
function processesIn(directory: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const environ = readFileSync(`/proc/${pid}/environ`, "utf8");
      return environ.includes(`MARK_OF_TEST=${directory}\0`);
    } catch {
      return false;
    }
  });
}

describe("hazard 16: a stop leaves nothing", () => {
  it("ends a tree with a background child, a setsid child and a main that ignores TERM, and says how", async () => {
    const server = await startServer();
    onTestFinished(() => server.stop());
    const workspace = await realizePrimary(server);
    onTestFinished(() => workspace.remove());
    const { services } = await server.client.ensureServices({
      runId: "run",
      workspaceId: workspace.workspaceId,
      services: [
        shellService(
          "stubborn",
          'sleep 1000 & setsid sleep 1000 & trap "" TERM; while :; do sleep 1; done',
          { env: { MARK_OF_TEST: workspace.cwd } },
        ),
      ],
    });
    const serviceId = services[0]?.serviceId ?? "";
    expect(processesIn(workspace.cwd).length).toBeGreaterThanOrEqual(3);

    const refused = await server.client
      .stopServices({ target: { case: "serviceId", value: serviceId } })
      .then(
        () => undefined,
        (error: unknown) => String(error),
      );
    expect(refused).toContain("leased by run");

    const { stopped, services: after } = await server.client.stopServices({
      target: { case: "serviceId", value: serviceId },
      force: true,
      gracePeriod: { nanos: 300_000_000 },
    });
    expect(processesIn(workspace.cwd)).toEqual([]);
    const [receipt] = stopped;
    expect(receipt).toMatchObject({
      serviceId,
      signals: ["SIGTERM", "SIGCONT", "SIGKILL"],
      escalated: true,
      survivors: [],
      portsFree: true,
      exit: { signal: "SIGKILL" },
    });
    expect(receipt?.processesEnded).toBeGreaterThanOrEqual(3);
    expect(receipt?.proof).not.toBe(StopProof.UNSPECIFIED);
    expect(after[0]).toMatchObject({
      state: ServiceState.STOPPED,
      stateReason: StateReason.STOP_REQUESTED,
      health: HealthStatus.UNKNOWN,
      providerRef: "",
      leaseRunIds: [],
    });
    const again = await server.client.stopServices({
      target: { case: "serviceId", value: serviceId },
    });
    expect(again.stopped).toEqual([]);
    expect(again.services[0]?.state).toBe(ServiceState.STOPPED);
  });
});
