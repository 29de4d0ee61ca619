import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  HealthStatus,
  ServiceState,
  StateReason,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { isAlive, realizePrimary, shellService } from "../support/workspace.ts";

const DEAF = 'trap "" TERM; while :; do sleep 1; done';

describe("hazard 19: a signal that ended a service", { timeout: 120_000 }, () => {
  async function start(server: TestServer, commands: Readonly<Record<string, string>>) {
    const workspace = await realizePrimary(server);
    onTestFinished(() => workspace.remove());
    const { services } = await server.client.ensureServices({
      runId: "run",
      workspaceId: workspace.workspaceId,
      services: Object.entries(commands).map(([name, command]) => shellService(name, command)),
    });
    return new Map(services.map((service) => [service.serviceName, service]));
  }
  const over = (server: TestServer, serviceId = "") =>
    eventually(
      async () => {
        const { service } = await server.client.getService({ serviceId });
        return service?.stopTime !== undefined && service;
      },
      { timeoutMs: 60_000 },
    );
  const failedBy = (signal: string) => ({
    state: ServiceState.FAILED,
    stateReason: StateReason.SIGNALLED,
    health: HealthStatus.UNHEALTHY,
    exit: { signal, reason: StateReason.SIGNALLED },
    providerRef: "",
  });

  it("is a failure when nobody asked for it, and named, also when no server saw it", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "wsrt-"));
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
    const first = await startServer({ dataDir });
    const services = await start(first, {
      killed: "exec sleep 1000",
      terminated: "exec sleep 1000",
      crashed: "exec sleep 1000",
      "killed-unseen": "exec sleep 1000",
    });
    const pidOf = (name: string) => Number(services.get(name)?.providerRef);
    const idOf = (name: string) => services.get(name)?.serviceId;

    process.kill(pidOf("killed"), "SIGKILL");
    process.kill(pidOf("terminated"), "SIGTERM");
    process.kill(pidOf("crashed"), "SIGSEGV");
    expect(await over(first, idOf("killed"))).toMatchObject(failedBy("SIGKILL"));
    expect(await over(first, idOf("terminated"))).toMatchObject(failedBy("SIGTERM"));
    expect(await over(first, idOf("crashed"))).toMatchObject(failedBy("SIGSEGV"));

    await first.kill("SIGKILL");
    process.kill(pidOf("killed-unseen"), "SIGKILL");
    await eventually(() => !isAlive(pidOf("killed-unseen")));
    const second = await startServer({ dataDir });
    onTestFinished(() => second.stop());
    expect(await over(second, idOf("killed-unseen"))).toMatchObject(failedBy("SIGKILL"));
  });

  it("is no failure when it was our own: asked for, escalated, STOPPED", async () => {
    const server = await startServer();
    onTestFinished(() => server.stop());
    const services = await start(server, { deaf: DEAF, plain: "exec sleep 1000" });
    for (const [name, signal] of [
      ["deaf", "SIGKILL"],
      ["plain", "SIGTERM"],
    ] as const) {
      const { stopped, services: after } = await server.client.stopServices({
        target: { case: "serviceId", value: services.get(name)?.serviceId ?? "" },
        force: true,
        gracePeriod: { nanos: 200_000_000 },
      });
      expect(stopped[0], name).toMatchObject({ escalated: name === "deaf", exit: { signal } });
      expect(after[0], name).toMatchObject({
        state: ServiceState.STOPPED,
        stateReason: StateReason.STOP_REQUESTED,
        health: HealthStatus.UNKNOWN,
        exit: { signal },
      });
    }
  });
});
