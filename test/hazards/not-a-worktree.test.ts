import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { commitFile, createRepository, git } from "../git/fixture.ts";
import { issue, startWithRepository, worktree } from "../workspaces/fixture.ts";

describe("hazard 27: what is no worktree is never reused", () => {
  it("a directory inside the repository with a tracked file of that name", async () => {
    const { realize, repo } = await startWithRepository();
    commitFile(repo, "trees/topic/file", "1");
    await expect(
      realize({
        ...worktree(repo, { worktreeParentDir: "trees", branchTemplate: "topic" }),
        issue: issue(1),
      }),
    ).rejects.toMatchObject({ reason: "WORKTREE_PATH_OCCUPIED" });
  });

  it("another repository's checkout at the path", async () => {
    const { realize, repo } = await startWithRepository();
    const path = createRepository(join(repo, ".paperclip/worktrees/topic"));
    await expect(
      realize({ ...worktree(repo, { branchTemplate: "topic" }), issue: issue(1) }),
    ).rejects.toMatchObject({ reason: "WORKTREE_PATH_OCCUPIED", metadata: { path } });
  });

  it("an ordinary directory in the place of a deleted worktree", async () => {
    const { realize, repo } = await startWithRepository();
    const { workspace } = await realize({ ...worktree(repo), issue: issue(1) });
    rmSync(workspace.cwd, { recursive: true });
    mkdirSync(workspace.cwd);
    await expect(realize({ workspaceId: workspace.workspaceId })).rejects.toMatchObject({
      reason: "WORKTREE_PATH_OCCUPIED",
      metadata: { workspace_id: workspace.workspaceId },
    });
  });

  it("the main checkout, also when the template renders its branch or it took the branch over", async () => {
    const { realize, repo } = await startWithRepository();
    const request = { ...worktree(repo, { branchTemplate: "main" }), issue: issue(2) };
    await expect(realize(request)).rejects.toMatchObject({
      reason: "WORKTREE_BRANCH_MISMATCH",
      metadata: { path: repo, actual_branch: "main" },
    });
    const { workspace } = await realize({ ...worktree(repo), issue: issue(1) });
    git(repo, "worktree", "remove", workspace.cwd);
    git(repo, "checkout", "--quiet", workspace.branchName);
    await expect(realize({ workspaceId: workspace.workspaceId })).rejects.toMatchObject({
      reason: "WORKTREE_BRANCH_MISMATCH",
      metadata: { path: repo, actual_branch: workspace.branchName },
    });
    expect(git(repo, "status", "--porcelain")).toBe("");
  });

  it("a worktree's registration that its directory no longer answers to", async () => {
    const { realize, repo } = await startWithRepository();
    const { workspace } = await realize({ ...worktree(repo), issue: issue(1) });
    rmSync(join(workspace.cwd, ".git"));
    await expect(realize({ workspaceId: workspace.workspaceId })).rejects.toMatchObject({
      reason: "WORKTREE_PATH_OCCUPIED",
    });
    expect(existsSync(join(workspace.cwd, "README.md"))).toBe(true);
  });
});
