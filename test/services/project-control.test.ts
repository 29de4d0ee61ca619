import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  DesiredState,
  ScopeType,
  ServiceState,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { type SpecInit, shellService } from "../support/workspace.ts";

describe("control by project workspace", { timeout: 120_000 }, () => {
  let server: TestServer;
  let cwd: string;
  beforeAll(async () => {
    server = await startServer();
    cwd = mkdtempSync(join(tmpdir(), "wsrt-project-"));
  });
  afterAll(async () => {
    await server.stop();
    rmSync(cwd, { recursive: true, force: true });
  });

  const put = (projectWorkspaceId: string, services: SpecInit[], companyId = "company") =>
    server.client.putProjectWorkspace({
      projectWorkspace: {
        projectWorkspaceId,
        companyId,
        projectId: "project",
        cwd,
        repoRef: "main",
        repoUrl: "git@example.org:x.git",
        runtimeConfig: { services },
      },
    });
  const target = (value: string) => ({ case: "projectWorkspaceId" as const, value });
  const reasonOf = (call: Promise<unknown>) =>
    call.then(
      () => undefined,
      (error: unknown) => errorDetails(error),
    );

  it("renders for the primary checkout: its cwd and ref, no issue and no agent", async () => {
    const spec = shellService("web", 'echo "<$SEEN>"; exec sleep 600', {
      cwd: "{{workspace.cwd}}",
      env: {
        SEEN: "{{workspace.branchName}}|{{workspace.repoRef}}|{{workspace.repoUrl}}|{{workspace.worktreePath}}|{{issue.id}}{{issue.title}}|{{agent.id}}{{agent.name}}",
      },
    });
    await put("rendered", [spec]);
    const { services, operation } = await server.client.startServices({
      target: target("rendered"),
      actor: { userId: "ann", agent: { agentId: "never", name: "Never" } },
    });
    expect(services).toMatchObject([
      {
        serviceName: "web",
        state: ServiceState.RUNNING,
        cwd,
        workspaceId: "",
        projectWorkspaceId: "rendered",
        projectId: "project",
        scopeType: ScopeType.PROJECT_WORKSPACE,
        scopeId: "rendered",
        issueId: "",
        ownerAgentId: "",
        startedByRunId: "",
        leaseRunIds: [],
      },
    ]);
    expect(operation).toMatchObject({
      companyId: "company",
      workspaceId: "",
      projectWorkspaceId: "rendered",
      cwd,
      command: "workspace runtime start",
      metadata: { action: "start", serviceNames: ["web"], serviceCount: 1 },
    });
    const { chunks } = await server.client.readLogs({
      source: { case: "serviceId", value: services[0]?.serviceId ?? "" },
    });
    expect(chunks[0]?.content).toEqual({
      case: "text",
      value: "<main|main|git@example.org:x.git|||>\n",
    });
  });

  it("restarts and stops exactly its own of scope project_workspace, whoever started them", async () => {
    const shared = shellService("shared", "exec sleep 601");
    await put("mine", [shared]);
    await put("other", [shellService("shared", "exec sleep 602")]);
    const { services: others } = await server.client.startServices({ target: target("other") });
    const { workspace } = await server.client.realizeWorkspace({
      companyId: "company",
      projectWorkspaceId: "mine",
      baseCwd: cwd,
      issue: { issueId: "mine", identifier: "M-1", title: "Mine" },
      agent: { agentId: "agent", name: "Agent" },
    });
    const { services: ofRun } = await server.client.ensureServices({
      runId: "run-of-mine",
      workspaceId: workspace?.workspaceId ?? "",
      services: [shared, shellService("own", "exec sleep 603", { reuseScope: 2 })],
    });
    await server.client.releaseRun({ runId: "run-of-mine" });
    const [sharedId, ownId] = ofRun.map(({ serviceId }) => serviceId);

    const restarted = await server.client.restartServices({ target: target("mine") });
    expect(restarted.services).toMatchObject([{ serviceId: sharedId, instance: 2 }]);
    const stopped = await server.client.stopServices({ target: target("mine") });
    expect(stopped.services).toMatchObject([{ serviceId: sharedId, state: ServiceState.STOPPED }]);
    expect(stopped.operation).toMatchObject({ projectWorkspaceId: "mine" });
    for (const serviceId of [ownId ?? "", others[0]?.serviceId ?? ""]) {
      const { service } = await server.client.getService({ serviceId });
      expect(service?.state).toBe(ServiceState.RUNNING);
    }
  });

  it("never reaches another company's services under the same foreign id", async () => {
    await put("foreign", [shellService("db", "exec sleep 604")]);
    const { workspace } = await server.client.realizeWorkspace({
      companyId: "second-company",
      projectWorkspaceId: "foreign",
      baseCwd: cwd,
      agent: { name: "Agent" },
    });
    const { services } = await server.client.startServices({
      target: { case: "workspaceId", value: workspace?.workspaceId ?? "" },
      services: [shellService("db", "exec sleep 604")],
    });
    expect(services).toMatchObject([{ scopeId: "foreign", companyId: "second-company" }]);
    expect((await server.client.stopServices({ target: target("foreign") })).services).toEqual([]);
    const [service] = services;
    const now = await server.client.getService({ serviceId: service?.serviceId ?? "" });
    expect(now.service?.state).toBe(ServiceState.RUNNING);
  });

  it("keeps ephemeral services of two project workspaces apart", async () => {
    const own = (seconds: number) =>
      shellService("own", `exec sleep ${seconds}`, { lifecycle: 2, reuseScope: 1 });
    await put("left", [own(605)]);
    await put("right", [own(606)]);
    const left = await server.client.startServices({ target: target("left") });
    const right = await server.client.startServices({ target: target("right") });
    expect(right.services).toMatchObject([{ reused: false }]);
    const { service } = await server.client.getService({
      serviceId: left.services[0]?.serviceId ?? "",
    });
    expect(service?.state).toBe(ServiceState.RUNNING);
  });

  it("says which project workspace or name there is not, and refuses a cwd outside the roots", async () => {
    for (const call of [
      server.client.startServices({ target: target("missing") }),
      server.client.stopServices({ target: target("missing") }),
      server.client.restartServices({ target: target("missing") }),
    ]) {
      expect(await reasonOf(call)).toMatchObject({
        reason: "PROJECT_WORKSPACE_NOT_FOUND",
        metadata: { project_workspace_id: "missing" },
      });
    }
    await put("named", [shellService("web", "exec sleep 607", { cwd: "/usr" })]);
    const call = (serviceNames: string[]) =>
      reasonOf(server.client.startServices({ target: target("named"), serviceNames }));
    expect(await call(["wep"])).toMatchObject({
      reason: "INVALID_FIELD",
      violations: [{ field: "service_names[0]", description: expect.stringContaining("web") }],
    });
    expect(await call([])).toMatchObject({ reason: "PATH_NOT_ALLOWED" });
    const { projectWorkspace } = await server.client.getProjectWorkspace({
      projectWorkspaceId: "named",
    });
    expect(projectWorkspace?.desiredState).toBe(DesiredState.UNSPECIFIED);
  });
});
