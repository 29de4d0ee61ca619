import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { WorkspaceState } from "../../gen/workspace/runtime/v1/workspace_pb.ts";
import { FAILPOINTS } from "../../src/failpoints.ts";
import { createRepository, git, temporaryDirectory } from "../git/fixture.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { isAlive } from "../support/workspace.ts";

/** The realize has run one command; the cleanup's own, the rescue, the removal and the branch follow. */
const commands = [2, 3, 4, 5].map((number) => `operation.spawned=kill(${number})`);
const cleanups = FAILPOINTS.filter((name) => name.startsWith("cleanup."));
const restores = FAILPOINTS.filter((name) => name.startsWith("restore."));

describe("the server killed in a cleanup, at", { timeout: 120_000 }, () => {
  it.each([...cleanups.map((name) => `${name}=kill`), ...commands])(
    "%s: the next cleanup finishes it, and nothing is lost",
    async (failpoint) => {
      const place = makePlace();
      const doomed = await startServer({
        dataDir: place.dataDir,
        env: { WORKSPACE_RUNTIME_FAILPOINTS: failpoint },
      });
      const workspaceId = await realizeAndWork(doomed, place);
      await expect(doomed.client.cleanupWorkspace({ workspaceId })).rejects.toThrow();
      await eventually(() => !isAlive(doomed.pid));
      const server = await startServer({ dataDir: place.dataDir });
      try {
        await expectCleaned(server, place, workspaceId);
        await expectRestored(server, place, workspaceId);
      } finally {
        await server.stop();
      }
    },
  );
});

describe("the server killed in a restore, at", { timeout: 120_000 }, () => {
  it.each(restores)("%s: the next restore finishes it", async (point) => {
    const place = makePlace();
    const doomed = await startServer({
      dataDir: place.dataDir,
      env: { WORKSPACE_RUNTIME_FAILPOINTS: `${point}=kill` },
    });
    const workspaceId = await realizeAndWork(doomed, place);
    await expectCleaned(doomed, place, workspaceId);
    await expect(doomed.client.restoreWorkspace({ workspaceId })).rejects.toThrow();
    await eventually(() => !isAlive(doomed.pid));
    const server = await startServer({ dataDir: place.dataDir });
    try {
      await expectRestored(server, place, workspaceId);
    } finally {
      await server.stop();
    }
  });
});

type Place = ReturnType<typeof makePlace>;

function makePlace() {
  const directory = temporaryDirectory();
  const repo = createRepository(join(directory, "repo"));
  return {
    repo,
    worktree: join(repo, ".paperclip/worktrees/feature/crash"),
    dataDir: join(directory, "data"),
  };
}

async function realizeAndWork(server: TestServer, { repo, worktree }: Place): Promise<string> {
  const { workspace } = await server.client.realizeWorkspace({
    companyId: "company",
    baseCwd: repo,
    agent: { agentId: "agent", name: "Agent" },
    issue: { issueId: "issue", identifier: "PAP-1", title: "Crash" },
    strategy: {
      case: "gitWorktree",
      value: { branchTemplate: "feature/crash", cleanupCommand: "true" },
    },
  });
  writeFileSync(join(worktree, "README.md"), "changed\n");
  writeFileSync(join(worktree, "new file"), "new\n");
  return workspace?.workspaceId ?? "";
}

async function expectCleaned(server: TestServer, { repo, worktree }: Place, workspaceId: string) {
  const { cleaned, workspace } = await server.client.cleanupWorkspace({ workspaceId });
  expect({ cleaned, state: workspace?.state }).toEqual({
    cleaned: true,
    state: WorkspaceState.ARCHIVED,
  });
  expect(existsSync(worktree)).toBe(false);
  expect(readdirSync(join(repo, ".paperclip/worktrees"))).toEqual([]);
  expect(git(repo, "worktree", "list", "--porcelain").match(/^worktree /gm)).toHaveLength(1);
  expect(git(repo, "branch", "--format=%(refname:short)")).toBe("main");
  const { operations } = await server.client.listOperations({});
  expect(operations.filter(({ endTime }) => endTime === undefined)).toEqual([]);
}

async function expectRestored(server: TestServer, { worktree }: Place, workspaceId: string) {
  const { workspace } = await server.client.restoreWorkspace({ workspaceId });
  expect(workspace).toMatchObject({ state: WorkspaceState.ACTIVE, cwd: worktree, warnings: [] });
  expect(git(worktree, "symbolic-ref", "--short", "HEAD")).toBe("feature/crash");
  expect(git(worktree, "status", "--porcelain")).toBe(' M README.md\n?? "new file"');
  expect(readFileSync(join(worktree, "README.md"), "utf8")).toBe("changed\n");
  expect(readFileSync(join(worktree, "new file"), "utf8")).toBe("new\n");
}
