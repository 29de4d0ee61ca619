import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OperationPhase, OperationStatus } from "../../gen/workspace/runtime/v1/operation_pb.ts";
import { ServiceState, StateReason } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { WorkspaceState } from "../../gen/workspace/runtime/v1/workspace_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { createRepository, git, temporaryDirectory } from "../git/fixture.ts";
import { createPnpmWorkspace, linkPackage } from "../services/link-repair/fixture.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { isAlive, shellService } from "../support/workspace.ts";

const agent = { agentId: "a-1", name: "Ada" };
const told = (error: unknown) => {
  const { reason, metadata } = errorDetails(error);
  return { reason, metadata };
};

describe("the methods of workspaces, through the server", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.stop());

  it("keep a project workspace until nothing uses it any more", async () => {
    const { client } = server;
    const cwd = temporaryDirectory();
    const { projectWorkspace: made } = await client.putProjectWorkspace({
      projectWorkspace: { companyId: "c", name: "Shop", cwd, labels: { team: "a" } },
    });
    const projectWorkspaceId = made?.projectWorkspaceId ?? "";
    expect(await client.getProjectWorkspace({ projectWorkspaceId })).toMatchObject({
      projectWorkspace: { name: "Shop", cwd, revision: made?.revision },
    });
    const { projectWorkspaces } = await client.listProjectWorkspaces({ labels: { team: "a" } });
    expect(projectWorkspaces.map((one) => one.projectWorkspaceId)).toEqual([projectWorkspaceId]);
    const { workspace } = await client.realizeWorkspace({
      companyId: "c",
      projectWorkspaceId,
      baseCwd: cwd,
      agent,
    });
    const workspaceId = workspace?.workspaceId ?? "";
    const stale = client.deleteProjectWorkspace({ projectWorkspaceId, expectedRevision: 999n });
    expect(told(await stale.catch((error) => error))).toEqual({
      reason: "STALE_REVISION",
      metadata: { revision: String(made?.revision) },
    });
    const used = client.deleteProjectWorkspace({ projectWorkspaceId });
    expect(told(await used.catch((error) => error))).toEqual({
      reason: "PROJECT_WORKSPACE_IN_USE",
      metadata: { project_workspace_id: projectWorkspaceId, workspace_id: workspaceId },
    });
    await client.updateWorkspace({
      workspace: { workspaceId, state: WorkspaceState.ARCHIVED },
      updateMask: { paths: ["state"] },
    });
    await client.deleteProjectWorkspace({ projectWorkspaceId });
    const gone = client.getProjectWorkspace({ projectWorkspaceId });
    expect(told(await gone.catch((error) => error)).reason).toBe("PROJECT_WORKSPACE_NOT_FOUND");
  });

  it("archive a workspace: its services end, for that reason, and nothing is removed", async () => {
    const { client } = server;
    const repo = createRepository(join(temporaryDirectory(), "repo"));
    const { workspace } = await client.realizeWorkspace({
      companyId: "c",
      baseCwd: repo,
      agent,
      issue: { issueId: "archive", identifier: "PAP-1" },
      strategy: { case: "gitWorktree", value: {} },
    });
    const workspaceId = workspace?.workspaceId ?? "";
    const { services } = await client.ensureServices({
      runId: "run-1",
      workspaceId,
      services: [shellService("web", "sleep 600")],
    });
    const archive = (runId: string) =>
      client.updateWorkspace({
        workspace: { workspaceId, state: WorkspaceState.ARCHIVED },
        updateMask: { paths: ["state"] },
        actor: { runId },
      });
    expect(told(await archive("run-2").catch((error) => error))).toEqual({
      reason: "WORKSPACE_LEASED",
      metadata: { workspace_id: workspaceId, holder_run_ids: "run-1" },
    });
    expect((await archive("run-1")).workspace?.state).toBe(WorkspaceState.ARCHIVED);
    const { service } = await client.getService({ serviceId: services[0]?.serviceId ?? "" });
    expect(service).toMatchObject({
      state: ServiceState.STOPPED,
      stateReason: StateReason.WORKSPACE_ARCHIVED,
    });
    expect(isAlive(Number(services[0]?.providerRef))).toBe(false);
    expect(existsSync(workspace?.worktreePath ?? "")).toBe(true);
    expect(git(repo, "branch", "--list", workspace?.branchName ?? "")).not.toBe("");
    const { cleanedPath, cleaned } = await client.cleanupWorkspace({ workspaceId, force: true });
    expect({ cleanedPath, cleaned }).toEqual({
      cleanedPath: workspace?.worktreePath,
      cleaned: true,
    });
  });

  it("import what was made by hand, realize it, use it, and clean only what is said to be ours", async () => {
    const { client } = server;
    const directory = temporaryDirectory();
    const repo = createRepository(join(directory, "repo"));
    const clean = async (name: string, flag: boolean) => {
      const path = join(directory, name);
      git(repo, "worktree", "add", "--quiet", "-b", name, path);
      await client.importWorkspace({
        workspace: {
          workspaceId: name,
          companyId: "c",
          baseCwd: repo,
          worktreePath: path,
          directoryCreated: flag,
          branchCreated: flag,
        },
      });
      const { workspace } = await client.realizeWorkspace({ workspaceId: name, companyId: "c" });
      expect(workspace).toMatchObject({ cwd: path, branchName: name, directoryCreated: flag });
      const { services } = await client.ensureServices({
        runId: `run-${name}`,
        workspaceId: name,
        services: [shellService("web", "pwd; exec sleep 600")],
      });
      expect(services[0]?.cwd).toBe(path);
      await client.releaseRun({ runId: `run-${name}` });
      const { cleaned, warnings } = await client.cleanupWorkspace({ workspaceId: name });
      const branch = git(repo, "branch", "--list", name) !== "";
      return { cleaned, warnings, directory: existsSync(path), branch };
    };
    expect(await clean("ours", true)).toEqual({
      cleaned: true,
      warnings: [],
      directory: false,
      branch: false,
    });
    const path = join(directory, "found");
    expect(await clean("found", false)).toEqual({
      cleaned: true,
      warnings: [`Left "${path}": not made by this service`],
      directory: true,
      branch: true,
    });
  });

  it("cancel a provision: the realize fails, and says why", async () => {
    const { client } = server;
    const repo = createRepository(join(temporaryDirectory(), "repo"));
    const provision = (provisionCommand: string, noWait: boolean) =>
      client.realizeWorkspace({
        companyId: "c",
        baseCwd: repo,
        agent,
        issue: { issueId: "cancel", identifier: "PAP-2" },
        strategy: { case: "gitWorktree", value: { provisionCommand } },
        noWait,
      });
    const { workspace } = await provision("sleep 600", true);
    const workspaceId = workspace?.workspaceId ?? "";
    const { operationId } = await eventually(async () => {
      const { operations } = await client.listOperations({
        workspaceIds: [workspaceId],
        statuses: [OperationStatus.RUNNING],
      });
      return operations.find(({ phase }) => phase === OperationPhase.WORKSPACE_PROVISION);
    });
    const { operation } = await client.cancelOperation({ operationId });
    expect(operation).toMatchObject({
      status: OperationStatus.CANCELLED,
      message: 'Command "sleep 600" was cancelled',
    });
    await eventually(async () => {
      const { workspace: row } = await client.getWorkspace({ workspaceId });
      return row?.state === WorkspaceState.FAILED && row.stateMessage === operation?.message;
    });
    expect((await provision("true", false)).provisioned).toBe(true);
  });

  it("repair links before a service starts, and tell it before its first byte", async () => {
    const { client } = server;
    const { main, tree } = createPnpmWorkspace(temporaryDirectory());
    linkPackage(join(tree, "server"), "@shop/db", join(main, "packages/db"));
    mkdirSync(join(tree, "server/src"));
    const { workspace } = await client.realizeWorkspace({ companyId: "c", baseCwd: tree, agent });
    const spec = shellService("api", "cd -P node_modules/@shop/db; pwd >&2; exec sleep 600", {
      cwd: "server",
      repairWorkspaceLinks: true,
    });
    const { services } = await client.ensureServices({
      runId: "run-links",
      workspaceId: workspace?.workspaceId ?? "",
      services: [spec],
    });
    const log = join(server.dataDir, "services", services[0]?.serviceId ?? "", "stderr.log");
    const [was, is] = [join(main, "packages/db"), join(tree, "packages/db")];
    await eventually(
      () => readFileSync(log, "utf8") === `[runtime] @shop/db: ${was} -> ${is}\n${is}\n`,
    );
    const { chunks } = await client.readLogs({
      source: { case: "serviceId", value: services[0]?.serviceId ?? "" },
    });
    expect(chunks[0]?.content.value).toMatch(/^\[runtime\] @shop\/db/);
  });
});
