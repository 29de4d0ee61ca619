import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createRepository, git } from "../git/fixture.ts";
import { issue, startWithRepository, worktree } from "../workspaces/fixture.ts";

describe("hazard 30: the server's own GIT_* variables", () => {
  it("lead nowhere", async () => {
    const { realize, repo, directory } = await startWithRepository();
    const other = createRepository(join(directory, "other"));
    const before = { ...process.env };
    onTestFinished(() => {
      process.env = before;
    });
    process.env.GIT_DIR = join(other, ".git");
    process.env.GIT_WORK_TREE = other;
    process.env.GIT_INDEX_FILE = join(other, "index");
    const { workspace } = await realize({
      ...worktree(repo, { provisionCommand: "git status --porcelain; env | grep ^GIT_DIR || :" }),
      issue: issue(1),
    });
    process.env = before;
    expect(workspace.repoRoot).toBe(repo);
    expect(git(other, "worktree", "list").split("\n")).toHaveLength(1);
    expect(git(workspace.cwd, "status", "--porcelain")).toBe("");
  });
});
