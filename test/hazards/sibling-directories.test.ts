import { mkdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ScopeType, ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { createProject, type TestProject } from "../support/project.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { isAlive, type SpecInit, shellService } from "../support/workspace.ts";

describe("hazard 22: what the end of one workspace must not reach", { timeout: 120_000 }, () => {
  let server: TestServer;
  let project: TestProject;
  beforeAll(async () => {
    server = await startServer();
    project = createProject();
  });
  afterAll(async () => {
    await server.stop();
    project.remove();
  });

  async function realize(issueId: string, branch = "") {
    const { workspace } = await server.client.realizeWorkspace({
      companyId: "company",
      projectId: "project",
      projectWorkspaceId: "primary",
      baseCwd: project.path,
      issue: { issueId, identifier: issueId.toUpperCase(), title: "Task" },
      agent: { agentId: "agent", name: "Agent" },
      ...(branch === ""
        ? {}
        : { strategy: { case: "gitWorktree" as const, value: { branchTemplate: branch } } }),
    });
    if (workspace === undefined) throw new Error("no workspace in the answer");
    return workspace;
  }
  async function start(workspaceId: string, spec: SpecInit) {
    const { services } = await server.client.startServices({
      target: { case: "workspaceId", value: workspaceId },
      services: [spec],
    });
    return { serviceId: services[0]?.serviceId ?? "", pid: Number(services[0]?.providerRef) };
  }
  type Started = Awaited<ReturnType<typeof start>>;
  const own = (name: string, seconds: number): SpecInit =>
    shellService(name, `exec sleep ${seconds}`, { reuseScope: ScopeType.EXECUTION_WORKSPACE });
  const isRunning = async ({ serviceId, pid }: Started) => {
    const { service } = await server.client.getService({ serviceId });
    return service?.state === ServiceState.RUNNING && isAlive(pid);
  };
  const stop = async (workspaceId: string) => {
    const answer = await server.client.stopServices({
      target: { case: "workspaceId", value: workspaceId },
    });
    return answer.services.map(({ serviceName }) => serviceName).sort();
  };

  it("a directory whose name begins alike: neither a stop nor a cleanup reaches its services", async () => {
    const short = await realize("short", "work/project");
    const long = await realize("long", "work/project-extended");
    expect(long.worktreePath).toBe(`${short.worktreePath}-extended`);
    const inShort = await start(short.workspaceId, own("in-short", 640));
    const sharedInShort = await start(short.workspaceId, shellService("shared", "exec sleep 641"));
    const inLong = await start(long.workspaceId, own("in-long", 642));
    const sharedInLong = await start(long.workspaceId, shellService("shared", "exec sleep 643"));

    expect(await stop(short.workspaceId)).toEqual(["in-short", "shared"]);
    expect([await isRunning(inShort), await isRunning(sharedInShort)]).toEqual([false, false]);
    expect([await isRunning(inLong), await isRunning(sharedInLong)]).toEqual([true, true]);

    await start(short.workspaceId, own("in-short", 640));
    const { cleaned } = await server.client.cleanupWorkspace({ workspaceId: short.workspaceId });
    expect(cleaned).toBe(true);
    expect([await isRunning(inLong), await isRunning(sharedInLong)]).toEqual([true, true]);
  });

  it("worktrees below the primary checkout: a workspace on the checkout ends its own services alone", async () => {
    const primary = await realize("on-primary");
    const nested = await realize("nested", "nested");
    expect(nested.worktreePath.startsWith(`${project.path}/`)).toBe(true);
    const inNested = await start(nested.workspaceId, own("in-nested", 644));
    const sharedInNested = await start(nested.workspaceId, shellService("near", "exec sleep 645"));
    await start(primary.workspaceId, own("on-primary", 646));

    expect(await stop(primary.workspaceId)).toEqual(["on-primary"]);
    await start(primary.workspaceId, own("on-primary", 646));
    await server.client.cleanupWorkspace({ workspaceId: primary.workspaceId });
    expect([await isRunning(inNested), await isRunning(sharedInNested)]).toEqual([true, true]);
  });

  it("the project's shared service outside the worktree stays, though the workspace started it", async () => {
    const workspace = await realize("starts-shared", "starts-shared");
    const shared = await start(
      workspace.workspaceId,
      shellService("outside", "exec sleep 647", { cwd: project.path }),
    );
    mkdirSync(`${workspace.worktreePath}/below`);
    const below = await start(
      workspace.workspaceId,
      shellService("below", "exec sleep 648", { cwd: "below" }),
    );
    const { services: planned } = await server.client.cleanupWorkspace({
      workspaceId: workspace.workspaceId,
      dryRun: true,
    });
    expect(planned.map(({ serviceName }) => serviceName)).toEqual(["below"]);
    expect(await stop(workspace.workspaceId)).toEqual(["below"]);
    expect([await isRunning(shared), await isRunning(below)]).toEqual([true, false]);
    await server.client.cleanupWorkspace({ workspaceId: workspace.workspaceId });
    expect(await isRunning(shared)).toBe(true);
  });

  it("another workspace's own service, though it runs in this worktree", async () => {
    const host = await realize("host", "host");
    const guest = await realize("guest", "guest");
    const inHost = await start(guest.workspaceId, {
      ...own("guest-in-host", 649),
      cwd: host.worktreePath,
    });
    expect(await stop(host.workspaceId)).toEqual([]);
    expect(await isRunning(inHost)).toBe(true);
    expect(await stop(guest.workspaceId)).toEqual(["guest-in-host"]);
  });
});
