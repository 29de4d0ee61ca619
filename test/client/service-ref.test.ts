import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type Service, toRuntimeServiceRef } from "../../src/client/index.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { httpService, realizePrimary, shellService } from "../support/workspace.ts";

describe("toRuntimeServiceRef", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.stop());

  it("has every field as the server writes it for the agent's process", async () => {
    const workspace = await realizePrimary(server, { projectId: "project" });
    onTestFinished(() => workspace.remove());
    const { workspaceId } = workspace;
    const ensure = () =>
      server.client.ensureServices({
        runId: "run",
        workspaceId,
        services: [httpService("web"), shellService("worker", "exec sleep 600")],
      });
    const first = await ensure();
    // Joined services, too.
    for (const { services, runEnv } of [first, await ensure()]) {
      const written: unknown = JSON.parse(runEnv.PAPERCLIP_RUNTIME_SERVICES_JSON ?? "");
      expect(services.map((service) => toRuntimeServiceRef(service, workspaceId))).toEqual(written);
    }
    expect(toRuntimeServiceRef(first.services[0] as Service)).toMatchObject({
      serviceName: "web",
      status: "running",
      lifecycle: "shared",
      scopeType: "project_workspace",
      scopeId: "project",
      provider: "local_process",
      healthStatus: "healthy",
      issueId: null,
      stoppedAt: null,
      startedByRunId: "run",
    });
  });

  it("reads a stopped service", async () => {
    const workspace = await realizePrimary(server);
    onTestFinished(() => workspace.remove());
    const { services } = await server.client.startServices({
      target: { case: "workspaceId", value: workspace.workspaceId },
      services: [shellService("done", "exec sleep 600")],
    });
    const target = { case: "serviceId", value: services[0]?.serviceId ?? "" } as const;
    const stopped = await server.client.stopServices({ target });
    const ref = toRuntimeServiceRef(stopped.services[0] as Service);
    expect(ref).toMatchObject({ status: "stopped", healthStatus: "unknown", providerRef: null });
    expect(ref.stoppedAt).toMatch(/^\d{4}-.*Z$/);
  });
});
