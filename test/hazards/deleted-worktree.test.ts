import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { commitFile, git } from "../git/fixture.ts";
import { issue, startWithRepository, worktree } from "../workspaces/fixture.ts";

describe("hazard 28: worktrees and branches that people moved about", () => {
  it("a directory deleted by hand is made again, with the branch's commits", async () => {
    const { realize, repo } = await startWithRepository();
    const { workspace } = await realize({ ...worktree(repo), issue: issue(1) });
    const tip = commitFile(workspace.cwd, "a", "1");
    rmSync(workspace.cwd, { recursive: true });
    const again = await realize({ workspaceId: workspace.workspaceId });
    expect(again.created).toBe(true);
    expect(again.workspace).toMatchObject({ cwd: workspace.cwd, branchCreated: true });
    expect(git(workspace.cwd, "rev-parse", "HEAD")).toBe(tip);
    expect(git(repo, "worktree", "list").split("\n")).toHaveLength(2);
  });

  it("a directory whose parents were deleted too, and one whose branch was", async () => {
    const { realize, repo } = await startWithRepository();
    const request = { ...worktree(repo, { branchTemplate: "deep/er/{{slug}}" }), issue: issue(1) };
    const { workspace } = await realize(request);
    rmSync(join(repo, ".paperclip"), { recursive: true });
    expect(await realize(request)).toMatchObject({ created: true });
    git(repo, "worktree", "remove", workspace.cwd);
    git(repo, "branch", "-D", workspace.branchName);
    expect(await realize(request)).toMatchObject({ created: true });
    expect(git(workspace.cwd, "rev-parse", "HEAD")).toBe(git(repo, "rev-parse", "main"));
  });

  it("a branch that is checked out elsewhere: that worktree", async () => {
    const { realize, repo, directory } = await startWithRepository();
    const { workspace } = await realize({ ...worktree(repo), issue: issue(1) });
    const moved = join(directory, "moved");
    git(repo, "worktree", "move", workspace.cwd, moved);
    const again = await realize({ workspaceId: workspace.workspaceId });
    expect(again).toMatchObject({ created: false, workspace: { cwd: moved, worktreePath: moved } });
    expect(existsSync(workspace.cwd)).toBe(false);
  });

  it.each([
    ["release", "release/x"],
    ["release/x", "release"],
    ["a/b", "a/b/c/d"],
  ])("%s exists, %s is wanted: a typed error", async (exists, wanted) => {
    const { realize, repo, store } = await startWithRepository();
    git(repo, "branch", exists);
    await expect(
      realize({ ...worktree(repo, { branchTemplate: wanted }), issue: issue(1) }),
    ).rejects.toMatchObject({
      reason: "BRANCH_CONFLICT",
      metadata: { branch: wanted, conflicting_branch: exists },
    });
    expect(await store.workspaces.listLive("")).toEqual([]);
  });
});
