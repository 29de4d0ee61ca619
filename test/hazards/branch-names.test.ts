import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { git } from "../git/fixture.ts";
import { issue, startWithRepository, worktree } from "../workspaces/fixture.ts";

describe("hazard 25: branch names out of titles", () => {
  it.each([
    ["../../../etc", "PAP-1-etc"],
    ["--force", "PAP-1-force"],
    ["a@{1} b\nc\u0000d\u001b[31m", "PAP-1-a-1-b-c-d-31m"],
    ["config.lock", "PAP-1-config-lock"],
    ["x".repeat(10_000), `PAP-1-${"x".repeat(114)}`],
    ["ログイン画面", "PAP-1-pap-1"],
  ])("%j is a branch inside the parent", async (title, branch) => {
    const { realize, repo } = await startWithRepository();
    const { workspace } = await realize({ ...worktree(repo), issue: issue(1, title) });
    expect(workspace.branchName).toBe(branch);
    expect(workspace.cwd).toBe(join(repo, ".paperclip/worktrees", branch));
    expect(git(workspace.cwd, "symbolic-ref", "--short", "HEAD")).toBe(branch);
  });

  it.each(["a..b", "a.lock", "a//b", "{{issue.title}}/.x", "a/../../b", "a/./b"])(
    "the template %j is refused and makes nothing",
    async (branchTemplate) => {
      const { realize, repo, store } = await startWithRepository();
      await expect(
        realize({ ...worktree(repo, { branchTemplate }), issue: issue(1, "a..b") }),
      ).rejects.toMatchObject({
        reason: "INVALID_BRANCH_NAME",
        violations: [{ field: "git_worktree.branch_template" }],
      });
      expect(git(repo, "for-each-ref", "--format=%(refname)")).toBe("refs/heads/main");
      expect(await store.workspaces.listLive("")).toEqual([]);
    },
  );

  it("a symlink in the parent does not lead a branch out of it", async () => {
    const { realize, repo, directory } = await startWithRepository();
    mkdirSync(join(repo, ".paperclip/worktrees"), { recursive: true });
    mkdirSync(join(directory, "elsewhere"));
    symlinkSync(join(directory, "elsewhere"), join(repo, ".paperclip/worktrees/feature"));
    symlinkSync("/nowhere/at/all", join(repo, ".paperclip/worktrees/dangling"));
    for (const branchTemplate of ["feature/x", "dangling/x"]) {
      await expect(
        realize({ ...worktree(repo, { branchTemplate }), issue: issue(1) }),
      ).rejects.toMatchObject({ reason: "PATH_NOT_ALLOWED" });
    }
  });
});
