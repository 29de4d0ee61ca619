import { existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ImportedWorkspace } from "../../src/workspaces/workspaces.ts";
import { git } from "../git/fixture.ts";
import { issue, startWithRepository, worktree } from "./fixture.ts";

/** A repository with a worktree on branch `hand`, made by hand, and what is needed to import it. */
async function startWithWorktree() {
  const runtime = await startWithRepository();
  const path = join(runtime.directory, "trees", "hand");
  git(runtime.repo, "worktree", "add", "--quiet", "-b", "hand", path);
  const ask = (workspace: Partial<ImportedWorkspace> = {}, dryRun = false) =>
    runtime.workspaces.import(
      {
        workspace: imported({ baseCwd: runtime.repo, worktreePath: path, ...workspace }),
        dryRun,
      },
      new AbortController().signal,
    );
  return { ...runtime, path, ask };
}

function imported(workspace: Partial<ImportedWorkspace>): ImportedWorkspace {
  return {
    workspaceId: "w-1",
    companyId: "c",
    projectId: "",
    projectWorkspaceId: "",
    name: "",
    baseCwd: "",
    cwd: "",
    worktreePath: "",
    branchName: "",
    repoUrl: "",
    repoRef: "",
    baseRef: "",
    directoryCreated: false,
    branchCreated: false,
    serviceStates: {},
    labels: {},
    ...workspace,
  };
}

describe("the import of a worktree", () => {
  it("stores what git says of it, with the flags that are given", async () => {
    const { ask, path, repo, realize } = await startWithWorktree();
    const stored = await ask({
      branchName: "hand",
      directoryCreated: true,
      branchCreated: true,
      state: "IN_REVIEW",
      issue: issue(1),
      labels: { a: "1" },
    });
    expect(stored).toMatchObject({
      strategy: "GIT_WORKTREE",
      state: "IN_REVIEW",
      cwd: path,
      worktreePath: path,
      branchName: "hand",
      repoRoot: repo,
      gitCommonDir: join(repo, ".git"),
      baseRef: "HEAD",
      baseCommit: git(repo, "rev-parse", "HEAD"),
      directoryCreated: true,
      branchCreated: true,
      provisionPending: false,
      warnings: [],
      labels: { a: "1" },
    });
    const realized = await realize({ workspaceId: "w-1" });
    expect(realized).toMatchObject({
      created: false,
      workspace: { cwd: path, directoryCreated: true, branchCreated: true },
    });
    expect(await ask({ branchName: "hand", directoryCreated: true })).toEqual(realized.workspace);
  });

  it("finds branch and base directory by itself, and the worktree through a symlink", async () => {
    const { ask, path, repo, directory } = await startWithWorktree();
    symlinkSync(path, join(directory, "link"));
    const stored = await ask({ baseCwd: "", worktreePath: join(directory, "link") });
    expect(stored).toMatchObject({ baseCwd: repo, worktreePath: path, branchName: "hand" });
  });

  it("of a dry run stores nothing", async () => {
    const { ask, path, store } = await startWithWorktree();
    expect(await ask({ directoryCreated: true }, true)).toMatchObject({
      worktreePath: path,
      directoryCreated: true,
      revision: 0,
    });
    expect(await store.workspaces.get("w-1")).toBeUndefined();
  });

  it("refuses what is there otherwise than was said, with the evidence", async () => {
    const { ask, path, repo, directory } = await startWithWorktree();
    await expect(ask({ branchName: "other" })).rejects.toMatchObject({
      reason: "WORKTREE_BRANCH_MISMATCH",
      metadata: { path, branch: "other", actual_branch: "hand" },
    });
    await expect(ask({ worktreePath: repo })).rejects.toMatchObject({
      reason: "WORKTREE_BRANCH_MISMATCH",
      message: expect.stringContaining("main checkout"),
    });
    mkdirSync(join(directory, "plain"));
    await expect(ask({ worktreePath: join(directory, "plain") })).rejects.toMatchObject({
      reason: "WORKTREE_PATH_OCCUPIED",
    });
    await expect(ask({ baseCwd: directory })).rejects.toMatchObject({
      reason: "NOT_A_GIT_REPOSITORY",
    });
    await expect(ask({ worktreePath: "/usr/share" })).rejects.toMatchObject({
      reason: "PATH_NOT_ALLOWED",
    });
    git(path, "checkout", "--quiet", "--detach");
    await expect(ask()).rejects.toMatchObject({ reason: "WORKTREE_BRANCH_MISMATCH" });
    rmSync(path, { recursive: true });
    await expect(ask()).rejects.toMatchObject({
      reason: "INVALID_FIELD",
      violations: [{ field: "workspace.worktree_path" }],
    });
  });

  it("refuses a request that lacks what it needs, all mistakes at once", async () => {
    const { ask } = await startWithWorktree();
    await expect(
      ask({ workspaceId: "", companyId: "", worktreePath: "", baseCwd: "repo", state: "FAILED" }),
    ).rejects.toMatchObject({
      reason: "INVALID_FIELD",
      violations: ["workspace_id", "company_id", "worktree_path", "base_cwd", "state"].map(
        (field) => ({ field: `workspace.${field}` }),
      ),
    });
  });

  it("refuses a worktree that another live workspace has, its id told within the company only", async () => {
    const { ask, path } = await startWithWorktree();
    await ask();
    await expect(ask({ workspaceId: "w-2" })).rejects.toMatchObject({
      reason: "WORKTREE_IN_USE",
      metadata: { path, workspace_id: "w-1" },
    });
    const foreign = await ask({ workspaceId: "w-2", companyId: "d" }).catch((error) => error);
    expect(foreign).toMatchObject({ reason: "WORKTREE_IN_USE" });
    expect(foreign.metadata).not.toHaveProperty("workspace_id");
  });

  it("refuses an id that is known with other facts, and keeps the row of the same ones", async () => {
    const { ask, repo, directory } = await startWithWorktree();
    const stored = await ask({ name: "First" });
    expect(await ask({ name: "Second", state: "IDLE" })).toEqual(stored);
    const second = join(directory, "trees", "second");
    git(repo, "worktree", "add", "--quiet", "-b", "second", second);
    const conflict = (field: string) => ({ reason: "WORKSPACE_CONFLICT", metadata: { field } });
    await expect(ask({ companyId: "d" })).rejects.toMatchObject(conflict("company_id"));
    await expect(ask({ worktreePath: second })).rejects.toMatchObject(conflict("cwd"));
    await expect(ask({ baseCwd: second })).rejects.toMatchObject(conflict("base_cwd"));
    await expect(ask({ directoryCreated: true })).rejects.toMatchObject(
      conflict("directory_created"),
    );
  });

  it("keeps the memory of an archived one that is gone", async () => {
    const { ask, path, repo } = await startWithWorktree();
    git(repo, "worktree", "remove", path);
    const stored = await ask({
      branchName: "hand",
      state: "ARCHIVED",
      directoryCreated: true,
      branchCreated: true,
    });
    expect(stored).toMatchObject({
      state: "ARCHIVED",
      directoryCreated: false,
      branchCreated: true,
      warnings: [expect.stringContaining("Ignored directory_created")],
    });
    expect(existsSync(path)).toBe(false);
  });
});

describe("the import of a directory", () => {
  it("stores a primary checkout, and one that was made for the workspace", async () => {
    const { ask, repo, directory } = await startWithWorktree();
    const own = join(directory, "own");
    mkdirSync(own);
    const primary = { worktreePath: "", baseCwd: repo } as const;
    expect(await ask({ ...primary, cwd: repo })).toMatchObject({
      strategy: "PROJECT_PRIMARY",
      cwd: repo,
      worktreePath: "",
      branchName: "",
      directoryCreated: false,
    });
    expect(
      await ask({ ...primary, workspaceId: "w-2", cwd: own, directoryCreated: true }),
    ).toMatchObject({ cwd: own, directoryCreated: true, warnings: [] });
  });

  it("never believes that what holds more than a workspace was made for one", async () => {
    const { ask, repo, directory, path, store } = await startWithWorktree();
    const own = join(directory, "own");
    mkdirSync(own);
    symlinkSync(own, join(directory, "link"));
    const primary = { worktreePath: "", directoryCreated: true } as const;
    const places = [repo, dirname(repo), directory, join(directory, "link")];
    for (const [index, cwd] of places.entries()) {
      const stored = await ask({ ...primary, workspaceId: `p-${index}`, cwd });
      expect(stored, cwd).toMatchObject({
        directoryCreated: false,
        warnings: [expect.stringContaining("Ignored directory_created")],
      });
    }
    await store.projectWorkspaces.insert({
      projectWorkspaceId: "pw",
      companyId: "c",
      projectId: "",
      name: "",
      cwd: path,
      repoUrl: "",
      repoRef: "",
      cleanupCommand: "",
      serviceStates: {},
      labels: {},
    });
    expect(await ask({ directoryCreated: true })).toMatchObject({ directoryCreated: false });
  });

  it("never believes that the base's branch was made for a workspace", async () => {
    const { ask, repo, path } = await startWithWorktree();
    const stored = await ask({ baseRef: "hand", branchCreated: true });
    expect(stored).toMatchObject({
      branchCreated: false,
      warnings: ['Ignored branch_created: "hand" is the base.'],
    });
    expect(existsSync(path) && existsSync(repo)).toBe(true);
  });
});

it("a worktree of the import is the one that a realize of its branch finds", async () => {
  const { ask, realize, repo, path } = await startWithWorktree();
  await ask({ issue: issue(1) });
  const { workspace } = await realize({
    ...worktree(repo, { branchTemplate: "hand" }),
    issue: issue(1),
  });
  expect(workspace).toMatchObject({ workspaceId: "w-1", worktreePath: path });
});
