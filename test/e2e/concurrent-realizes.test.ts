import { execFileSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { startServer } from "../support/server.ts";

describe("five concurrent realizes of one issue, without ids", () => {
  it("are one workspace, one branch and one worktree", async () => {
    const server = await startServer();
    onTestFinished(() => server.stop());
    const repository = realpathSync(mkdtempSync(join(tmpdir(), "wsrt-repo-")));
    onTestFinished(() => rmSync(repository, { recursive: true, force: true }));
    const git = (...args: string[]) =>
      execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@example.org", ...args], {
        cwd: repository,
        encoding: "utf8",
      });
    git("init", "--quiet", "--initial-branch=main");
    writeFileSync(join(repository, "file.txt"), "content\n");
    git("add", ".");
    git("commit", "--quiet", "-m", "first");

    const answers = await Promise.all(
      Array.from({ length: 5 }, (_, index) =>
        server.client.realizeWorkspace({
          companyId: "company",
          baseCwd: repository,
          agent: { agentId: "agent", name: "Agent" },
          runId: `run-${index}`,
          issue: { issueId: "issue", identifier: "P-1", title: "Fix the lamp" },
          strategy: {
            case: "gitWorktree",
            value: { provisionCommand: "echo provisioned >> provisioned.txt" },
          },
        }),
      ),
    );
    const workspaces = answers.map(({ workspace }) => workspace);
    expect(new Set(workspaces.map((workspace) => workspace?.workspaceId)).size).toBe(1);
    expect(workspaces[0]?.branchName).toBe("P-1-fix-the-lamp");
    expect(new Set(answers.map(({ lease }) => lease?.runId)).size).toBe(5);
    const worktrees = git("worktree", "list", "--porcelain").match(/^worktree .*$/gm);
    expect(worktrees).toEqual([
      `worktree ${repository}`,
      `worktree ${repository}/.paperclip/worktrees/P-1-fix-the-lamp`,
    ]);
    expect(git("status", "--porcelain")).toBe("");
  });
});
