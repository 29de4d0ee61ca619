import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { commitFile, createRepository, git } from "../git/fixture.ts";
import { issue, startWithRepository, startWorkspaces, worktree } from "./fixture.ts";

describe("realize a git worktree", () => {
  it("makes branch and worktree in the default place and says so", async () => {
    const { realize, repo, store, workspaces } = await startWithRepository();
    const head = git(repo, "rev-parse", "HEAD");
    const result = await realize({ ...worktree(repo), issue: issue(1) });
    const path = join(repo, ".paperclip/worktrees/PAP-1-fix-the-login-form");
    expect(result).toMatchObject({ created: true, provisioned: false });
    expect(result.previousState).toBeUndefined();
    expect(result.lease).toBeUndefined();
    expect(result.workspace).toMatchObject({
      state: "ACTIVE",
      strategy: "GIT_WORKTREE",
      cwd: path,
      worktreePath: path,
      repoRoot: repo,
      baseCwd: repo,
      branchName: "PAP-1-fix-the-login-form",
      baseRef: "HEAD",
      baseCommit: head,
      directoryCreated: true,
      branchCreated: true,
      warnings: [],
      issue: issue(1),
      agent: { agentId: "a-1", name: "Ada" },
    });
    expect(git(path, "symbolic-ref", "--short", "HEAD")).toBe("PAP-1-fix-the-login-form");
    expect(git(path, "rev-parse", "HEAD")).toBe(head);
    expect(git(repo, "status", "--porcelain")).toBe("");
    expect(result.operations).toHaveLength(1);
    expect(result.operations[0]).toMatchObject({
      phase: "WORKTREE_PREPARE",
      command: `git worktree add -b PAP-1-fix-the-login-form ${path} HEAD`,
      message: `Created git worktree at ${path}`,
      status: "SUCCEEDED",
      cwd: repo,
      issueId: "issue-1",
      metadata: {
        repoRoot: repo,
        worktreePath: path,
        branchName: "PAP-1-fix-the-login-form",
        baseRef: "HEAD",
        created: true,
        reused: false,
        reusedExistingBranch: false,
      },
    });
    expect(await workspaces.get(result.workspace.workspaceId)).toEqual(result.workspace);
    expect(await store.operations.get(result.operations[0]?.operationId ?? "")).toEqual(
      result.operations[0],
    );
  });

  it("finds the same workspace again without an id, and by its id alone", async () => {
    const { realize, repo } = await startWithRepository();
    const first = await realize({ ...worktree(repo), issue: issue(1) });
    const again = await realize({ ...worktree(repo), issue: issue(1) });
    const byId = await realize({ workspaceId: first.workspace.workspaceId });
    for (const { workspace, created, operations, previousState } of [again, byId]) {
      expect(workspace).toMatchObject({
        workspaceId: first.workspace.workspaceId,
        cwd: first.workspace.cwd,
        branchName: first.workspace.branchName,
        directoryCreated: true,
        branchCreated: true,
      });
      expect({ created, previousState }).toEqual({ created: false, previousState: "ACTIVE" });
      expect(operations).toMatchObject([
        {
          message: `Reused existing git worktree at ${first.workspace.cwd}`,
          command: "",
          metadata: { created: false, reused: true },
        },
      ]);
    }
  });

  it("makes no nested worktree from within a linked one", async () => {
    const { realize, repo } = await startWithRepository();
    const first = await realize({ ...worktree(repo), issue: issue(1) });
    const nested = await realize({ ...worktree(first.workspace.cwd), issue: issue(2) });
    expect(nested.workspace).toMatchObject({
      repoRoot: repo,
      cwd: join(repo, ".paperclip/worktrees/PAP-2-fix-the-login-form"),
    });
  });

  it("attaches a branch that exists and keeps its commits", async () => {
    const { realize, repo } = await startWithRepository();
    git(repo, "checkout", "--quiet", "-b", "topic");
    const tip = commitFile(repo, "a", "1");
    git(repo, "checkout", "--quiet", "main");
    const { workspace, operations, created } = await realize({
      ...worktree(repo, { branchTemplate: "topic" }),
      issue: issue(1),
    });
    expect(created).toBe(true);
    expect(workspace).toMatchObject({ directoryCreated: true, branchCreated: false });
    expect(git(workspace.cwd, "rev-parse", "HEAD")).toBe(tip);
    expect(operations).toMatchObject([
      {
        message: `Attached existing branch topic at ${workspace.cwd}`,
        command: `git worktree add ${workspace.cwd} topic`,
        metadata: { created: true, reusedExistingBranch: true },
      },
    ]);
  });

  it("reuses the worktree that has the branch, wherever it is, and did not make it", async () => {
    const { realize, repo, directory } = await startWithRepository();
    git(repo, "worktree", "add", "--quiet", "-b", "topic", join(directory, "by hand"));
    const { workspace, created } = await realize({
      ...worktree(repo, { branchTemplate: "topic" }),
      issue: issue(1),
    });
    expect(created).toBe(false);
    expect(workspace).toMatchObject({
      cwd: join(directory, "by hand"),
      directoryCreated: false,
      branchCreated: false,
    });
  });

  it("makes a worktree again whose directory was deleted by hand", async () => {
    const { realize, repo } = await startWithRepository();
    const other = await realize({ ...worktree(repo), issue: issue(2) });
    const first = await realize({ ...worktree(repo), issue: issue(1) });
    const tip = commitFile(first.workspace.cwd, "a", "1");
    rmSync(first.workspace.cwd, { recursive: true });
    rmSync(other.workspace.cwd, { recursive: true });
    const again = await realize({ workspaceId: first.workspace.workspaceId });
    expect(again).toMatchObject({ created: true });
    expect(again.workspace.cwd).toBe(first.workspace.cwd);
    expect(git(again.workspace.cwd, "rev-parse", "HEAD")).toBe(tip);
    expect(git(repo, "worktree", "list", "--porcelain")).toContain(other.workspace.cwd);
  });

  it("switches a clean worktree back that was left on another branch at the same commit", async () => {
    const { realize, repo } = await startWithRepository();
    const { workspace } = await realize({ ...worktree(repo), issue: issue(1) });
    git(workspace.cwd, "switch", "--quiet", "--create", "other");
    const again = await realize({ workspaceId: workspace.workspaceId });
    expect(git(workspace.cwd, "symbolic-ref", "--short", "HEAD")).toBe(workspace.branchName);
    expect(again.workspace.warnings).toEqual([
      `Switched "${workspace.cwd}" back from "other" to "${workspace.branchName}"`,
    ]);
  });

  it("refuses a worktree on another branch with other content, with the evidence", async () => {
    const { realize, repo, workspaces } = await startWithRepository();
    const { workspace } = await realize({ ...worktree(repo), issue: issue(1) });
    git(workspace.cwd, "switch", "--quiet", "--create", "other");
    writeFileSync(join(workspace.cwd, "new"), "");
    await expect(realize({ workspaceId: workspace.workspaceId })).rejects.toMatchObject({
      reason: "WORKTREE_BRANCH_MISMATCH",
      metadata: {
        workspace_id: workspace.workspaceId,
        path: workspace.cwd,
        branch: workspace.branchName,
        actual_branch: "other",
        untracked_files: "1",
      },
    });
    expect(await workspaces.get(workspace.workspaceId)).toMatchObject({ state: "ACTIVE" });
  });

  it("never uses the main checkout, a locked worktree or one outside the allowed roots", async () => {
    const { realize, repo, directory } = await startWithRepository();
    const outside = await startWorkspaces();
    git(repo, "worktree", "add", "--quiet", "-b", "locked", join(directory, "locked"));
    git(repo, "worktree", "lock", join(directory, "locked"));
    git(repo, "worktree", "add", "--quiet", "-b", "outside", join(outside.directory, "x"));
    for (const branchTemplate of ["main", "locked", "outside"]) {
      await expect(
        realize({ ...worktree(repo, { branchTemplate }), issue: issue(1) }),
      ).rejects.toMatchObject({ reason: "WORKTREE_BRANCH_MISMATCH" });
    }
  });

  it("leaves an ordinary directory at the path alone", async () => {
    const { realize, repo, workspaces } = await startWithRepository();
    const path = join(repo, ".paperclip/worktrees/PAP-1-fix-the-login-form");
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, "mine"), "1");
    await expect(realize({ ...worktree(repo), issue: issue(1) })).rejects.toMatchObject({
      reason: "WORKTREE_PATH_OCCUPIED",
      metadata: { path },
    });
    expect(readFileSync(join(path, "mine"), "utf8")).toBe("1");
    expect(git(repo, "branch", "--list", "PAP-*")).toBe("");
    expect((await workspaces.list(EVERY, FIRST_PAGE)).items).toEqual([]);
  });

  it("tells a conflict of branches and directories of branches", async () => {
    const { realize, repo } = await startWithRepository();
    git(repo, "branch", "release");
    await expect(
      realize({ ...worktree(repo, { branchTemplate: "release/{{slug}}" }), issue: issue(1) }),
    ).rejects.toMatchObject({
      reason: "BRANCH_CONFLICT",
      metadata: { branch: "release/fix-the-login-form", conflicting_branch: "release" },
    });
  });

  it("tells what is no repository and has no base", async () => {
    const { realize, repo, directory } = await startWithRepository();
    await expect(realize({ ...worktree(directory), issue: issue(1) })).rejects.toMatchObject({
      reason: "NOT_A_GIT_REPOSITORY",
      metadata: { path: directory },
    });
    for (const baseRef of ["nowhere", "--lock", "--force", "-b x"]) {
      await expect(
        realize({ ...worktree(repo, { baseRef }), issue: issue(1) }),
      ).rejects.toMatchObject({ reason: "BASE_REF_NOT_FOUND" });
    }
    expect(git(repo, "worktree", "list").split("\n")).toHaveLength(1);
  });

  it("puts worktrees where the strategy says, relative to the repository", async () => {
    const { realize, repo, directory } = await startWithRepository();
    const { workspace } = await realize({
      ...worktree(repo, { worktreeParentDir: "../trees", branchTemplate: "a/{{slug}}" }),
      issue: issue(1),
    });
    expect(workspace.cwd).toBe(join(directory, "trees/a/fix-the-login-form"));
    expect(existsSync(join(workspace.cwd, "README.md"))).toBe(true);
  });

  it("refuses a place outside the allowed roots", async () => {
    const { realize, repo, directory } = await startWithRepository();
    const elsewhere = await startWorkspaces();
    const outside = createRepository(join(elsewhere.directory, "repo"));
    for (const request of [
      worktree(outside),
      worktree(repo, { worktreeParentDir: elsewhere.directory }),
      { baseCwd: elsewhere.directory },
    ]) {
      await expect(realize({ ...request, issue: issue(1) })).rejects.toMatchObject({
        reason: "PATH_NOT_ALLOWED",
      });
    }
    expect(existsSync(join(directory, "trees"))).toBe(false);
  });

  it("keeps the row FAILED with the reason when git fails, and comes back from it", async () => {
    const { realize, repo, workspaces } = await startWithRepository();
    const hook = join(repo, ".git/hooks/post-checkout");
    mkdirSync(join(repo, ".git/hooks"), { recursive: true });
    writeFileSync(hook, "#!/bin/sh\nexit 7\n", { mode: 0o755 });
    const error = await realize({ ...worktree(repo), issue: issue(1) }).catch((e) => e);
    expect(error).toMatchObject({ reason: "COMMAND_FAILED", metadata: { exit_code: "7" } });
    const failed = await workspaces.get(error.metadata.workspace_id);
    expect(failed).toMatchObject({
      state: "FAILED",
      stateMessage: expect.stringContaining("exit code 7"),
      directoryCreated: true,
      branchCreated: true,
    });
    rmSync(hook);
    const again = await realize({ ...worktree(repo), issue: issue(1) });
    expect(again.previousState).toBe("FAILED");
    expect(again.workspace).toMatchObject({
      workspaceId: failed.workspaceId,
      state: "ACTIVE",
      stateMessage: "",
      directoryCreated: true,
    });
  });
});

describe("realize the primary checkout", () => {
  it("takes the base as it is: no git, no operation", async () => {
    const { realize, directory } = await startWorkspaces();
    const result = await realize({ baseCwd: directory, issue: issue(1) });
    expect(result).toMatchObject({ created: false, provisioned: false, operations: [] });
    expect(result.workspace).toMatchObject({
      state: "ACTIVE",
      strategy: "PROJECT_PRIMARY",
      cwd: directory,
      branchName: "",
      worktreePath: "",
      directoryCreated: false,
    });
    const again = await realize({ baseCwd: directory, issue: issue(1) });
    expect(again.workspace.workspaceId).toBe(result.workspace.workspaceId);
    const other = await realize({ baseCwd: directory, issue: issue(2) });
    expect(other.workspace.workspaceId).not.toBe(result.workspace.workspaceId);
  });
});

const EVERY = {
  companyId: "",
  projectId: "",
  projectWorkspaceIds: [],
  issueIds: [],
  states: [],
  labels: {},
};
const FIRST_PAGE = { pageSize: 0, pageToken: "" };
