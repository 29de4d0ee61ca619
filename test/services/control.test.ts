import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OperationPhase, OperationStatus } from "../../gen/workspace/runtime/v1/operation_pb.ts";
import { DesiredState, ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { realizePrimary, shellService, type TestWorkspace } from "../support/workspace.ts";

describe("starting and stopping by a person", () => {
  let server: TestServer;
  let workspace: TestWorkspace;
  beforeAll(async () => {
    server = await startServer();
    workspace = await realizePrimary(server, { projectId: "project" });
    await server.client.realizeWorkspace({
      workspaceId: workspace.workspaceId,
      runtimeConfig: {
        services: [
          shellService("web", "sleep 600", { reuseScope: 2 }),
          shellService("worker", "sleep 601", { reuseScope: 2 }),
        ],
      },
    });
  });
  afterAll(async () => {
    await server.stop();
    workspace.remove();
  });

  const target = () => ({ case: "workspaceId" as const, value: workspace.workspaceId });
  const desired = async () => {
    const { workspace: row } = await server.client.getWorkspace({
      workspaceId: workspace.workspaceId,
    });
    return { whole: row?.desiredState, named: row?.serviceStates };
  };

  it("starts the configured services without leases, as one recorded operation", async () => {
    const { services, operation, failures } = await server.client.startServices({
      target: target(),
      actor: { userId: "ann" },
    });
    expect(failures).toEqual([]);
    expect(
      services.map(({ serviceName, state, leaseRunIds }) => [serviceName, state, leaseRunIds]),
    ).toEqual([
      ["web", ServiceState.RUNNING, []],
      ["worker", ServiceState.RUNNING, []],
    ]);
    expect(operation).toMatchObject({
      phase: OperationPhase.SERVICE_CONTROL,
      command: "workspace runtime start",
      status: OperationStatus.SUCCEEDED,
      metadata: { action: "start", serviceNames: ["web", "worker"], serviceCount: 2 },
      actor: { userId: "ann" },
    });
    expect(await desired()).toMatchObject({ whole: DesiredState.RUNNING });
  });

  it("is joined by a run, and joins what a run started", async () => {
    const { services } = await server.client.ensureServices({
      runId: "run",
      workspaceId: workspace.workspaceId,
      fromConfig: true,
      serviceNames: ["web"],
    });
    expect(services).toMatchObject([{ serviceName: "web", reused: true, leaseRunIds: ["run"] }]);
    const again = await server.client.startServices({ target: target(), serviceNames: ["web"] });
    expect(again.services).toMatchObject([{ serviceId: services[0]?.serviceId, reused: true }]);
  });

  it("leaves a leased service alone while the others stop, and says who holds it", async () => {
    const { services, failures, stopped } = await server.client.stopServices({ target: target() });
    expect(services.map(({ serviceName }) => serviceName)).toEqual(["worker"]);
    expect(stopped).toHaveLength(1);
    expect(failures).toMatchObject([
      { serviceName: "web", message: expect.stringContaining("run") },
    ]);
    expect(await desired()).toMatchObject({ whole: DesiredState.STOPPED });
    const error = await server.client.stopServices({ target: target() }).then(
      () => undefined,
      (reason: unknown) => errorDetails(reason)?.reason,
    );
    expect(error).toBe("SERVICE_LEASED");
    await server.client.releaseRun({ runId: "run" });
    expect((await server.client.stopServices({ target: target() })).services).toMatchObject([
      { serviceName: "web", state: ServiceState.STOPPED },
    ]);
  });

  it("takes the project workspace's services for a workspace that has none of its own", async () => {
    await server.client.putProjectWorkspace({
      projectWorkspace: {
        projectWorkspaceId: "primary",
        companyId: "company",
        projectId: "project",
        cwd: workspace.cwd,
        runtimeConfig: { services: [shellService("shared", "sleep 602")] },
      },
    });
    const { workspace: other } = await server.client.realizeWorkspace({
      companyId: "company",
      projectWorkspaceId: "primary",
      baseCwd: workspace.cwd,
      issue: { issueId: "other", identifier: "O-1", title: "Other" },
      agent: { name: "Agent" },
    });
    const { services } = await server.client.ensureServices({
      runId: "of-project",
      workspaceId: other?.workspaceId ?? "",
      fromConfig: true,
    });
    expect(services).toMatchObject([{ serviceName: "shared", scopeId: "primary" }]);
  });

  it("answers a request id once, also when it is asked for again and again", async () => {
    const call = () =>
      server.client.startServices({ target: target(), serviceNames: ["worker"], requestId: "r-1" });
    const [first, joined] = await Promise.all([call(), call()]);
    const later = await call();
    const ids = [first, joined, later].map(({ operation }) => operation?.operationId);
    expect(new Set(ids).size).toBe(1);
    expect(later.services[0]?.serviceId).toBe(first.services[0]?.serviceId);
  });

  it("refuses a name that the config does not have, with what it has", async () => {
    const error = await server.client
      .startServices({ target: target(), serviceNames: ["wep"] })
      .then(
        () => undefined,
        (reason: unknown) => errorDetails(reason),
      );
    expect(error?.violations).toMatchObject([
      { field: "service_names[0]", description: expect.stringContaining("web, worker") },
    ]);
  });
});
