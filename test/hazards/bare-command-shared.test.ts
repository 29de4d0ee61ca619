import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  Lifecycle,
  ScopeType,
  ServiceState,
  StateReason,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { isAlive, realizePrimary, shellService, type TestWorkspace } from "../support/workspace.ts";

describe("hazard 11: a service of a name and a command alone", { timeout: 120_000 }, () => {
  let server: TestServer;
  let workspace: TestWorkspace;
  beforeAll(async () => {
    server = await startServer();
    workspace = await realizePrimary(server, { projectId: "project" });
  });
  afterAll(async () => {
    await server.stop();
    workspace.remove();
  });

  const bare = shellService("web", "exec sleep 600");

  it("is one process for three runs of different agents and secrets, shared in the project", async () => {
    const answers = await Promise.all(
      ["one", "two", "three"].map((run) =>
        server.client.ensureServices({
          runId: run,
          workspaceId: workspace.workspaceId,
          services: [bare],
          agent: { agentId: `agent-${run}`, name: run },
          adapterEnv: { API_KEY: `secret of ${run}` },
        }),
      ),
    );
    const services = answers.map(({ services: [service] }) => service);
    expect(new Set(services.map((service) => service?.serviceId)).size).toBe(1);
    expect(new Set(services.map((service) => service?.providerRef)).size).toBe(1);
    expect(services.filter((service) => service?.reused === false)).toHaveLength(1);
    expect(services[0]).toMatchObject({
      lifecycle: Lifecycle.SHARED,
      scopeType: ScopeType.PROJECT_WORKSPACE,
      scopeId: "project",
      stopPolicy: { policy: { case: "manual" } },
    });
  });

  it("outlives the runs that release it, and ends when it is asked to: no process is left", async () => {
    const { services } = await server.client.listServices({ runIds: ["one"] });
    const [service] = services;
    const pid = Number(service?.providerRef);
    for (const runId of ["one", "two", "three"]) {
      const { released, stopped } = await server.client.releaseRun({ runId });
      expect([released.length, stopped.length]).toEqual([1, 0]);
    }
    const unleased = await server.client.getService({ serviceId: service?.serviceId ?? "" });
    expect(unleased.service).toMatchObject({ state: ServiceState.RUNNING, leaseRunIds: [] });
    expect(isAlive(pid)).toBe(true);
    const { services: ended } = await server.client.stopServices({
      target: { case: "serviceId", value: service?.serviceId ?? "" },
    });
    expect(ended).toMatchObject([
      { state: ServiceState.STOPPED, stateReason: StateReason.STOP_REQUESTED },
    ]);
    expect(isAlive(pid)).toBe(false);
  });
});
