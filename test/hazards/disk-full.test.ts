import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { WorkspaceState } from "../../gen/workspace/runtime/v1/workspace_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { commitFile, createRepository, git, temporaryDirectory } from "../git/fixture.ts";
import { mountTmpfs } from "../supervisor/support.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";

const MIB = 1024 * 1024;

/** Only a small disk of its own is ever filled. */
const mayMount = (() => {
  const path = mkdtempSync(join(tmpdir(), "wsrt-mount-"));
  const unmount = mountTmpfs(path, MIB);
  unmount?.();
  rmdirSync(path);
  return unmount !== undefined;
})();

describe.runIf(mayMount)("hazard 36: a full disk", { timeout: 120_000 }, () => {
  it("under the worktree: told, no half a worktree, and made when there is space", async () => {
    const { directory, repo, server } = await start();
    commitFile(repo, "large", "x".repeat(6 * MIB));
    const trees = disk(join(directory, "trees"), 16 * MIB);
    trees.fill(MIB);
    const before = git(repo, "worktree", "list");
    const error = await realize(server, repo, trees.path).catch(errorDetails);
    expect(error).toMatchObject({ reason: "COMMAND_FAILED" });
    expect(git(repo, "worktree", "list")).toBe(before);
    const { workspaces } = await server.client.listWorkspaces({});
    expect(workspaces).toMatchObject([{ state: WorkspaceState.FAILED, directoryCreated: false }]);
    const { operations } = await server.client.listOperations({});
    expect(operations.at(-1)?.stderrExcerpt).toMatch(/No space left|unable to write/);
    trees.free();
    await expectRealized(server, repo, trees.path);
  });

  it.each([0, 16, 48, 128, 256])(
    "under the server, %d KiB left: told, it stays up, and goes on when there is space",
    async (kibibytes) => {
      const { directory, repo, server, data } = await start(24 * MIB);
      const trees = join(directory, "trees");
      mkdirSync(trees);
      const { workspace: older } = await realize(server, repo, trees, "older");
      data.fill(kibibytes * 1024);
      const error = await realize(server, repo, trees).then(() => undefined, errorDetails);
      expect([undefined, "STORAGE_FULL", "COMMAND_FAILED", "SPAWN_FAILED"]).toContain(
        error?.reason,
      );
      if (kibibytes === 0) expect(error?.reason).toBe("STORAGE_FULL");
      // What it knows it still says.
      const { workspace } = await server.client.getWorkspace({
        workspaceId: older?.workspaceId ?? "",
      });
      expect(workspace?.state).toBe(WorkspaceState.ACTIVE);
      expect(server.stderr()).not.toContain("unhandled");
      data.free();
      await expectRealized(server, repo, trees);
      expect(git(repo, "worktree", "list").split("\n")).toHaveLength(3);
      expect((await server.client.listWorkspaces({})).workspaces).toHaveLength(2);
      await expectAllOver(server);
    },
  );

  it("while a command logs: it runs to its end, and what was lost is told", async () => {
    const { directory, repo, server, data } = await start(24 * MIB);
    const trees = join(directory, "trees");
    mkdirSync(trees);
    const [go, done] = [join(directory, "go"), join(directory, "done")];
    const provisionCommand = `while ! [ -e '${go}' ]; do sleep 0.01; done; yes | head -c ${8 * MIB}; echo done >'${done}'`;
    const realizing = realize(server, repo, trees, "log", provisionCommand);
    const outcome = realizing.then(() => undefined, errorDetails);
    data.fill(2 * MIB);
    writeFileSync(go, "");
    await eventually(() => readIfThere(done) === "done\n", { timeoutMs: 30_000 });
    data.free();
    expect([undefined, "STORAGE_FULL"]).toContain((await outcome)?.reason);
    await expectRealized(server, repo, trees, "log");
    await expectAllOver(server);
  });
});

async function start(dataBytes = 64 * MIB) {
  const directory = temporaryDirectory();
  const repo = createRepository(join(directory, "repo"));
  const data = disk(join(directory, "data"), dataBytes);
  const server = await startServer({ dataDir: data.path });
  onTestFinished(() => server.stop());
  return { directory, repo, server, data };
}

function disk(path: string, bytes: number) {
  mkdirSync(path);
  const unmount = mountTmpfs(path, bytes);
  if (unmount === undefined) throw new Error("nothing was mounted");
  onTestFinished(unmount);
  const filler = join(path, "filler");
  return {
    path,
    /** Leaves so many bytes. */
    fill(left: number) {
      const { bavail, bsize } = statfsSync(path);
      writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - left)));
    },
    free() {
      rmSync(filler, { force: true });
    },
  };
}

async function realize(
  server: TestServer,
  repo: string,
  worktreeParentDir: string,
  branchTemplate = "full",
  provisionCommand = "",
) {
  return await server.client.realizeWorkspace({
    companyId: "company",
    baseCwd: repo,
    agent: { agentId: "agent", name: "Agent" },
    issue: { issueId: branchTemplate, identifier: "PAP-1", title: "Full" },
    strategy: {
      case: "gitWorktree",
      value: { worktreeParentDir, branchTemplate, provisionCommand },
    },
  });
}

async function expectRealized(
  server: TestServer,
  repo: string,
  parent: string,
  branch = "full",
): Promise<void> {
  const { workspace } = await realize(server, repo, parent, branch, "true");
  expect(workspace?.state).toBe(WorkspaceState.ACTIVE);
  expect(git(join(parent, branch), "status", "--porcelain")).toBe("");
}

/** What could not be written then is written by now, or soon. */
async function expectAllOver({ client }: TestServer): Promise<void> {
  await eventually(async () => {
    const { operations } = await client.listOperations({});
    return operations.every(({ endTime }) => endTime !== undefined);
  });
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
