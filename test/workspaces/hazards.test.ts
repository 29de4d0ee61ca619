import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { commitFile, createRepository, git } from "../git/fixture.ts";
import { issue, startWithRepository, startWorkspaces, worktree } from "./fixture.ts";

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
});

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

describe("hazard 33: a repository that would run code when looked at", () => {
  it("runs none of it on a reuse", async () => {
    const { realize, repo } = await startWithRepository();
    await realize({ ...worktree(repo), issue: issue(1) });
    const trace = plantPrograms(repo);
    await realize({ ...worktree(repo), issue: issue(1) });
    expect(existsSync(trace)).toBe(false);
  });

  it("runs its hooks when a worktree is made, unless the server was told not to", async () => {
    const withHooks = await startWithRepository();
    const trace = plantPrograms(withHooks.repo);
    await withHooks.realize({ ...worktree(withHooks.repo), issue: issue(1) });
    expect(existsSync(trace)).toBe(true);

    const without = await startWithRepository({ repoHooks: false });
    const untouched = plantPrograms(without.repo);
    await without.realize({ ...worktree(without.repo), issue: issue(1) });
    expect(existsSync(untouched)).toBe(false);
  });
});

describe("hazard 34: repositories of other shapes", () => {
  it("a bare repository: worktrees beside it", async () => {
    const { realize, directory } = await startWorkspaces();
    createRepository(join(directory, "source"));
    git(directory, "clone", "--quiet", "--bare", "source", "project/.bare");
    const base = join(directory, "project/.bare");
    const first = await realize({ ...worktree(base), issue: issue(1) });
    expect(first.workspace).toMatchObject({
      repoRoot: join(directory, "project"),
      cwd: join(directory, "project/.paperclip/worktrees/PAP-1-fix-the-login-form"),
    });
    const again = await realize({ ...worktree(first.workspace.cwd), issue: issue(1) });
    expect(again).toMatchObject({
      created: false,
      workspace: { workspaceId: first.workspace.workspaceId },
    });
  });

  it("a separate git directory, a detached HEAD, blanks and unicode in the path", async () => {
    const { realize, directory } = await startWorkspaces();
    const base = join(directory, "with blank and ünicode");
    mkdirSync(join(directory, "stores"));
    git(
      directory,
      "init",
      "--quiet",
      `--separate-git-dir=${join(directory, "stores/a.git")}`,
      base,
    );
    commitFile(base, "a", "1");
    git(base, "checkout", "--quiet", "--detach");
    const { workspace } = await realize({ ...worktree(base), issue: issue(1) });
    expect(workspace.repoRoot).toBe(join(directory, "stores"));
    expect(existsSync(join(workspace.cwd, "a"))).toBe(true);
  });

  it("a parent that cannot be written: told, the row FAILED, nothing half-registered", async () => {
    const { realize, repo, workspaces } = await startWithRepository();
    mkdirSync(join(repo, ".paperclip"));
    writeFileSync(join(repo, ".paperclip/worktrees"), "a file in the way");
    const error = await realize({ ...worktree(repo), issue: issue(1) }).catch((e) => e);
    expect(error).toMatchObject({ reason: "COMMAND_FAILED" });
    expect(await workspaces.get(error.metadata.workspace_id)).toMatchObject({
      state: "FAILED",
      directoryCreated: false,
    });
    expect(git(repo, "worktree", "list").split("\n")).toHaveLength(1);
  });
});

/** Hooks and a monitor that leave a trace where it can be seen whether they ran. */
function plantPrograms(repo: string): string {
  const trace = join(repo, ".git", "trace");
  const program = `#!/bin/sh\necho ran >>'${trace}'\n`;
  mkdirSync(join(repo, ".git/hooks"), { recursive: true });
  for (const hook of ["post-checkout", "reference-transaction", "post-index-change"]) {
    writeFileSync(join(repo, ".git/hooks", hook), program, { mode: 0o755 });
  }
  writeFileSync(join(repo, ".git/monitor"), program, { mode: 0o755 });
  git(repo, "config", "core.fsmonitor", join(repo, ".git/monitor"));
  rmSync(trace, { force: true });
  return trace;
}
