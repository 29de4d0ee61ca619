import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  HealthStatus,
  Lifecycle,
  Provider,
  ScopeType,
  ServiceState,
  StateReason,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { realizePrimary, shellService, type TestWorkspace } from "../support/workspace.ts";

describe("services that an adapter reports", { timeout: 120_000 }, () => {
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

  type Request = Parameters<TestServer["client"]["reportServices"]>[0];
  const report = (request: Request) =>
    server.client.reportServices({
      adapterType: "docker",
      workspaceId: workspace.workspaceId,
      ...request,
    });
  const get = async (serviceId = "") => (await server.client.getService({ serviceId })).service;
  const detailsOf = (call: Promise<unknown>) =>
    call.then(
      () => undefined,
      (error: unknown) => errorDetails(error),
    );

  it("get their defaults from the request and its workspace, and a ready comment", async () => {
    const { services, readyComment } = await report({
      runId: "run-1",
      issue: { issueId: "issue", identifier: "I-1", title: "Issue" },
      agent: { agentId: "reporter", name: "Reporter" },
      reports: [{ serviceName: "web", url: "http://box:80/", port: 80, providerRef: "c0ffee" }],
    });
    const named = {
      adapterType: "docker",
      providerRef: "c0ffee",
      reuseKey: null,
      runId: "run-1",
      scopeId: "run-1",
      scopeType: "run",
      serviceName: "web",
    };
    const digest = createHash("sha256").update(JSON.stringify(named)).digest("hex").slice(0, 32);
    expect(services).toMatchObject([
      {
        serviceId: `docker-${digest}`,
        companyId: "company",
        projectId: "project",
        workspaceId: workspace.workspaceId,
        issueId: "issue",
        ownerAgentId: "reporter",
        startedByRunId: "run-1",
        cwd: workspace.cwd,
        state: ServiceState.RUNNING,
        health: HealthStatus.HEALTHY,
        lifecycle: Lifecycle.EPHEMERAL,
        scopeType: ScopeType.RUN,
        scopeId: "run-1",
        provider: Provider.ADAPTER_MANAGED,
        providerRef: "c0ffee",
        port: 80,
      },
    ]);
    expect(services[0]?.startTime).toBeDefined();
    expect(services[0]?.stopTime).toBeUndefined();
    expect(readyComment).toBe(
      `## Workspace Ready\n\n- Strategy: \`project_primary\`\n- CWD: \`${workspace.cwd}\`\n- Service: web: http://box:80/`,
    );
  });

  it("may say otherwise of themselves, and name no workspace at all", async () => {
    const { services, readyComment } = await report({
      workspaceId: "",
      companyId: "company",
      projectId: "project",
      cwd: "/in/a/container",
      reports: [
        {
          id: "own-words",
          projectId: "its-project",
          projectWorkspaceId: "its-checkout",
          issueId: "its-issue",
          ownerAgentId: "its-owner",
          scopeType: ScopeType.PROJECT_WORKSPACE,
          lifecycle: Lifecycle.SHARED,
          reuseKey: "key",
          state: ServiceState.STARTING,
          stopPolicy: { policy: { case: "onRunFinish", value: {} } },
        },
      ],
    });
    expect(services).toMatchObject([
      {
        serviceId: "own-words",
        serviceName: "service",
        projectId: "its-project",
        projectWorkspaceId: "its-checkout",
        issueId: "its-issue",
        ownerAgentId: "its-owner",
        scopeType: ScopeType.PROJECT_WORKSPACE,
        scopeId: "its-checkout",
        lifecycle: Lifecycle.SHARED,
        reuseKey: "key",
        cwd: "/in/a/container",
        state: ServiceState.STARTING,
        health: HealthStatus.UNKNOWN,
        stopPolicy: { policy: { case: "onRunFinish" } },
      },
    ]);
    expect(readyComment).toBe("");
  });

  it("keep their start and create times; the end gets a time, which a new beginning takes away", async () => {
    const say = async (state: ServiceState) =>
      (await report({ reports: [{ id: "lived", state }] })).services[0];
    const first = await say(ServiceState.RUNNING);
    expect((await say(ServiceState.RUNNING))?.revision).toBe(first?.revision);
    const failed = await say(ServiceState.FAILED);
    expect(failed).toMatchObject({
      health: HealthStatus.UNHEALTHY,
      startTime: first?.startTime,
      createTime: first?.createTime,
    });
    expect(failed?.stopTime).toBeDefined();
    const stopped = await say(ServiceState.STOPPED);
    expect(stopped).toMatchObject({ health: HealthStatus.UNKNOWN, stopTime: failed?.stopTime });
    const again = await say(ServiceState.RUNNING);
    expect(again).toMatchObject({ startTime: first?.startTime, health: HealthStatus.HEALTHY });
    expect(again?.stopTime).toBeUndefined();
  });

  it("belong to one adapter of one company; a local process to none. One refusal undoes the whole call", async () => {
    await report({ reports: [{ id: "held" }] });
    const local = await server.client.startServices({
      target: { case: "workspaceId", value: workspace.workspaceId },
      services: [shellService("local", "exec sleep 600")],
    });
    const localId = local.services[0]?.serviceId ?? "";
    const before = await get(localId);
    const thief = { state: ServiceState.FAILED };
    for (const request of [
      { adapterType: "podman", reports: [{ id: "before" }, { id: "held", ...thief }] },
      {
        workspaceId: "",
        companyId: "rival",
        reports: [{ id: "before" }, { id: "held", ...thief }],
      },
      { reports: [{ id: "before" }, { id: localId, ...thief }] },
      { companyId: "rival", reports: [{ id: "before" }] },
    ]) {
      expect(await detailsOf(report(request))).toMatchObject({ reason: "FORBIDDEN" });
    }
    expect(await detailsOf(get("before"))).toMatchObject({ reason: "SERVICE_NOT_FOUND" });
    expect(await get("held")).toMatchObject({ state: ServiceState.RUNNING });
    expect(await get(localId)).toEqual(before);
  });

  it.each([
    ["no adapter", { adapterType: "" }, "adapter_type"],
    ["an adapter with blanks", { adapterType: "a b" }, "adapter_type"],
    ["no company", { workspaceId: "" }, "company_id"],
    ["a port beyond all", { reports: [{}, { serviceName: "x", port: 65_536 }] }, "reports[1].port"],
    ["an unknown state", { reports: [{ state: 77 as ServiceState }] }, "reports[0].state"],
    ["an unknown lifecycle", { reports: [{ lifecycle: 9 as Lifecycle }] }, "reports[0].lifecycle"],
    ["an id with blanks", { reports: [{ id: "a b" }] }, "reports[0].id"],
    [
      "one service twice",
      { reports: [{ serviceName: "x" }, { serviceName: "x" }] },
      "reports[1].id",
    ],
    [
      "501 reports",
      { reports: Array.from({ length: 501 }, (_, n) => ({ id: `n${n}` })) },
      "reports",
    ],
  ] as const)("are refused with %s, by the field's path", async (_, request, field) => {
    const details = await detailsOf(report(request as unknown as Request));
    expect(details?.reason).toBe("INVALID_FIELD");
    expect(details?.violations.map((violation) => violation.field)).toContain(field);
  });

  it("need a workspace that is there", async () => {
    expect(await detailsOf(report({ workspaceId: "nowhere" }))).toMatchObject({
      reason: "WORKSPACE_NOT_FOUND",
    });
  });

  it("end with their run if they are ephemeral, and the answer names them", async () => {
    const ids = ["of-run", "shared-of-run", "ended-of-run"] as const;
    await report({
      runId: "run-2",
      reports: [
        { id: ids[0] },
        { id: ids[1], lifecycle: Lifecycle.SHARED },
        { id: ids[2], state: ServiceState.STOPPED },
      ],
    });
    const { released, stopped } = await server.client.releaseRun({ runId: "run-2" });
    expect(released).toMatchObject([
      {
        serviceId: "of-run",
        state: ServiceState.STOPPED,
        stateReason: StateReason.RUN_RELEASED,
        health: HealthStatus.UNKNOWN,
      },
    ]);
    expect(released[0]?.stopTime).toBeDefined();
    expect(stopped).toEqual([]);
    const states = await Promise.all([get(ids[1]), get(ids[2])]);
    expect(states).toMatchObject([
      { state: ServiceState.RUNNING },
      { state: ServiceState.STOPPED, stateReason: StateReason.UNSPECIFIED },
    ]);
    expect((await server.client.releaseRun({ runId: "run-2" })).released).toEqual([]);
    const [again] = (await report({ runId: "run-2", reports: [{ id: "of-run" }] })).services;
    expect(again).toMatchObject({
      state: ServiceState.RUNNING,
      stateReason: StateReason.UNSPECIFIED,
    });
  });

  it("are the adapter's to control: by id refused with who runs them, by workspace left out", async () => {
    await report({ reports: [{ id: "elsewhere", scopeType: ScopeType.EXECUTION_WORKSPACE }] });
    const byId = { target: { case: "serviceId" as const, value: "elsewhere" }, force: true };
    for (const call of [server.client.stopServices(byId), server.client.restartServices(byId)]) {
      expect(await detailsOf(call)).toMatchObject({
        reason: "INVALID_FIELD",
        violations: [{ field: "service_id", description: expect.stringContaining('"docker"') }],
      });
    }
    const byWorkspace = { case: "workspaceId" as const, value: workspace.workspaceId };
    const { services } = await server.client.stopServices({ target: byWorkspace });
    expect(services.map(({ serviceId }) => serviceId)).not.toContain("elsewhere");
    expect(await get("elsewhere")).toMatchObject({ state: ServiceState.RUNNING });
  });

  it("have no log here, whatever path their id spells", async () => {
    const id = "../../etc";
    await report({ reports: [{ id }] });
    const read = server.client.readLogs({ source: { case: "serviceId", value: id } });
    expect(await detailsOf(read)).toMatchObject({ reason: "INVALID_FIELD" });
  });

  it("stand in `current` once an identity: by reuse key, else by where and what they are", async () => {
    const shared = { scopeType: ScopeType.EXECUTION_WORKSPACE, command: "same" };
    await report({
      reports: [
        { ...shared, id: "k-1", serviceName: "k", reuseKey: "one" },
        { ...shared, id: "p-1", serviceName: "p" },
      ],
    });
    await report({
      reports: [
        { id: "k-2", serviceName: "renamed", reuseKey: "one", state: ServiceState.STOPPED },
        { ...shared, id: "p-2", serviceName: "p" },
        { ...shared, id: "p-3", serviceName: "p", command: "other" },
      ],
    });
    const list = async (states: ServiceState[]) => {
      const { services } = await server.client.listServices({
        serviceNames: ["k", "renamed", "p"],
        current: true,
        states,
      });
      return services.map(({ serviceId }) => serviceId).sort();
    };
    expect(await list([])).toEqual(["k-2", "p-2", "p-3"]);
    expect(await list([ServiceState.RUNNING])).toEqual(["p-2", "p-3"]);
  });
});
