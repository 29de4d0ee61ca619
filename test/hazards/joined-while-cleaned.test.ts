import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ScopeType, ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { WorkspaceState } from "../../gen/workspace/runtime/v1/workspace_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { createRepository, temporaryDirectory } from "../git/fixture.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { isAlive, shellService } from "../support/workspace.ts";

/** Long enough to start a service meanwhile. */
const HELD = "delay(1500)";

describe("a run that starts a service in a workspace while it is cleaned by force", () => {
  it("leaves nothing alive when it comes after the services were stopped", async () => {
    const { server, workspaceId, ensure } = await setUp(`cleanup.services-stopped=${HELD}`);
    const before = Number(await ensure("before"));
    const cleaning = server.client.cleanupWorkspace({ workspaceId, force: true });
    await eventually(() => !isAlive(before));
    await expectStopped(server, await ensure("joined"), cleaning);
    expect(await ensure("late")).toBe("WORKSPACE_ARCHIVED");
  });

  it("leaves nothing alive when it comes after the directory was removed", async () => {
    const { server, workspaceId, ensure, worktree } = await setUp(
      `cleanup.directory-removed=${HELD}`,
    );
    const cleaning = server.client.cleanupWorkspace({ workspaceId, force: true });
    await eventually(() => !existsSync(worktree));
    await expectStopped(server, await ensure("joined"), cleaning);
  });

  it("leaves nothing alive after a server that died before it stopped that too", async () => {
    const { server, workspaceId, ensure, worktree } = await setUp(
      `cleanup.directory-removed=${HELD};cleanup.outcome-written=kill`,
    );
    const cleaning = server.client.cleanupWorkspace({ workspaceId, force: true });
    cleaning.catch(() => {});
    await eventually(() => !existsSync(worktree));
    const pid = Number(await ensure("joined"));
    await expect(cleaning).rejects.toThrow();
    const next = await startServer({ dataDir: server.dataDir });
    onTestFinished(() => next.stop());
    // Its policy is manual: nothing but the cleanup ends it.
    expect(isAlive(pid)).toBe(true);
    await next.client.cleanupWorkspace({ workspaceId });
    expect(isAlive(pid)).toBe(false);
  });
});

async function setUp(failpoints: string) {
  const directory = temporaryDirectory();
  const repository = createRepository(join(directory, "repository"));
  const server = await startServer({
    dataDir: join(directory, "data"),
    env: { WORKSPACE_RUNTIME_FAILPOINTS: failpoints },
  });
  onTestFinished(() => server.stop());
  const { workspace } = await server.client.realizeWorkspace({
    companyId: "company",
    baseCwd: repository,
    agent: { agentId: "agent", name: "Agent" },
    issue: { issueId: "issue", identifier: "J-1", title: "Joined" },
    strategy: { case: "gitWorktree", value: {} },
  });
  const workspaceId = workspace?.workspaceId ?? "";
  const own = { cwd: repository, reuseScope: ScopeType.EXECUTION_WORKSPACE };
  /** The process's number, or why there is none. */
  const ensure = (name: string) =>
    server.client
      .ensureServices({
        runId: "joiner",
        workspaceId,
        services: [shellService(name, "exec sleep 600", own)],
      })
      .then(
        ({ services }) => Number(services[0]?.providerRef),
        (error: unknown) => errorDetails(error)?.reason ?? String(error),
      );
  return { server, workspaceId, ensure, worktree: workspace?.cwd ?? "" };
}

async function expectStopped(
  { client }: TestServer,
  pid: number | string,
  cleaning: ReturnType<TestServer["client"]["cleanupWorkspace"]>,
): Promise<void> {
  expect(isAlive(Number(pid))).toBe(true);
  const { workspace } = await cleaning;
  expect(workspace?.state).toBe(WorkspaceState.ARCHIVED);
  expect(isAlive(Number(pid))).toBe(false);
  const { services } = await client.listServices({ serviceNames: ["joined"] });
  expect(services.map(({ state }) => state)).toEqual([ServiceState.STOPPED]);
}
