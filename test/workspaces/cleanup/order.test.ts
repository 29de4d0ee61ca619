import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { leaseWorkspace } from "../../../src/leases/leases.ts";
import { git } from "../../git/fixture.ts";
import { issue, worktree } from "../fixture.ts";
import { endings, startWithWorktree } from "./fixture.ts";

describe("the commands of a cleanup", () => {
  it("run in their order before anything is removed; one that fails is a warning", async () => {
    const { realize, store, repo, directory, workspaces } = await startWithWorktree();
    const trace = join(directory, "trace");
    const log = (name: string) =>
      `echo "${name} $TOKEN $PAPERCLIP_WORKSPACE_BRANCH $PWD" >>${trace}`;
    await store.projectWorkspaces.insert({
      projectWorkspaceId: "pw",
      companyId: "c",
      projectId: "",
      name: "",
      cwd: repo,
      repoUrl: "",
      repoRef: "",
      cleanupCommand: `${log("project")}; exit 3`,
      serviceStates: {},
      labels: {},
    });
    const { workspace } = await realize({
      ...worktree(repo, { cleanupCommand: log("cleanup"), teardownCommand: log("teardown") }),
      projectWorkspaceId: "pw",
      issue: issue(2),
    });
    const { cwd, branchName, workspaceId } = workspace;
    const { cleanup } = endings(workspaces, workspaceId);
    const result = await cleanup({ commandEnv: { TOKEN: "secret" } });
    expect(readFileSync(trace, "utf8").trim().split("\n")).toEqual(
      ["cleanup", "project", "teardown"].map((name) => `${name} secret ${branchName} ${cwd}`),
    );
    const failed = `${log("project")}; exit 3`;
    expect(result).toMatchObject({
      cleaned: true,
      warnings: [`Command "${failed}" failed with exit code 3`],
      workspace: { state: "ARCHIVED" },
    });
    expect(result.plannedActions.map(({ kind }) => kind)).toEqual([
      "cleanup_command",
      "project_cleanup_command",
      "teardown_command",
      "git_worktree_remove",
      "git_branch_delete",
    ]);
    expect(result.operations.slice(0, 3)).toMatchObject([
      {
        phase: "WORKSPACE_TEARDOWN",
        status: "SUCCEEDED",
        cwd,
        message: `Completed cleanup command "${log("cleanup")}"`,
        metadata: { workspaceId, workspacePath: cwd, branchName },
      },
      { status: "FAILED", exitCode: 3, command: failed },
      { status: "SUCCEEDED" },
    ]);
    expect(JSON.stringify(await store.operations.list(ALL, FIRST))).not.toContain("secret");
  });

  it("are overridden by the call; an empty one is none", async () => {
    const { cleanup, directory } = await startWithWorktree({
      cleanupCommand: "touch stored",
      teardownCommand: "exit 9",
    });
    const trace = join(directory, "trace");
    const result = await cleanup({ cleanupCommand: `touch ${trace}`, teardownCommand: "" });
    expect(existsSync(trace)).toBe(true);
    expect(result.warnings).toEqual([]);
    expect(result.plannedActions[0]).toMatchObject({
      kind: "cleanup_command",
      command: `touch ${trace}`,
    });
  });

  it("may leave work behind, which is rescued too, or take the worktree away", async () => {
    const first = await startWithWorktree({ cleanupCommand: "echo late >late" });
    const { rescueRef } = await first.cleanup();
    expect(git(first.repo, "show", `${rescueRef}:late`)).toBe("late");
    const second = await startWithWorktree({
      cleanupCommand: 'cd / && rm -rf "$PAPERCLIP_WORKSPACE_PATH"',
    });
    expect(await second.cleanup()).toMatchObject({ cleaned: true, warnings: [] });
    expect(git(second.repo, "worktree", "list").split("\n")).toHaveLength(1);
  });
});

describe("what a cleanup refuses", () => {
  it("uncommitted work, with counts and a sample, before anything is done", async () => {
    const { cleanup, cwd, directory } = await startWithWorktree({ cleanupCommand: "touch ../ran" });
    writeFileSync(join(cwd, "README.md"), "changed\n");
    writeFileSync(join(cwd, "new"), "");
    await expect(cleanup({ onDirty: "REFUSE" })).rejects.toMatchObject({
      reason: "WORKSPACE_DIRTY",
      metadata: { path: cwd, dirty_files: "1", untracked_files: "1", sample: "README.md\nnew" },
    });
    expect(existsSync(join(cwd, "../ran"))).toBe(false);
    expect(directory).not.toBe("");
    expect(await cleanup({ onDirty: "DISCARD" })).toMatchObject({ cleaned: true, rescueRef: "" });
  });

  it("a workspace that another run leases, unless forced: then its leases end", async () => {
    const { cleanup, store, workspaceId, cwd } = await startWithWorktree();
    const lease = (runId: string) =>
      store.transaction((tx) =>
        leaseWorkspace(tx, { companyId: "c", workspaceId, runId, mode: "SHARED", ttlMs: 0 }),
      );
    await lease("r1");
    await lease("r2");
    const asRun = { actor: { runId: "r1", userId: "" } };
    await expect(cleanup(asRun)).rejects.toMatchObject({
      reason: "WORKSPACE_LEASED",
      metadata: { holder_run_ids: "r2", workspace_id: workspaceId },
    });
    expect(existsSync(cwd)).toBe(true);
    expect(await cleanup({ dryRun: true })).toMatchObject({
      ready: "BLOCKED",
      runIds: ["r1", "r2"],
    });
    expect(await cleanup({ ...asRun, force: true })).toMatchObject({
      cleaned: true,
      runIds: ["r1", "r2"],
    });
    expect(await store.leases.holdersOfWorkspace(workspaceId)).toEqual([]);
  });

  it("another revision than the expected one, an unknown workspace, a senseless environment", async () => {
    const { cleanup, restore, workspaces, workspaceId } = await startWithWorktree();
    const { revision } = await workspaces.get(workspaceId);
    for (const end of [cleanup, restore]) {
      await expect(end({ expectedRevision: revision + 1 })).rejects.toMatchObject({
        reason: "STALE_REVISION",
      });
      await expect(end({ commandEnv: { "a=b": "" } })).rejects.toMatchObject({
        reason: "INVALID_FIELD",
      });
      await expect(end({ workspaceId: "nobody" })).rejects.toMatchObject({
        reason: "WORKSPACE_NOT_FOUND",
      });
    }
    expect(await cleanup({ expectedRevision: revision })).toMatchObject({ cleaned: true });
  });
});

describe("a dry run", () => {
  it("tells the plan, changes nothing and runs nothing", async () => {
    const { cleanup, cwd, branchName, repo, workspaces, workspaceId, store } =
      await startWithWorktree({ cleanupCommand: "touch ran" });
    git(cwd, "commit", "--quiet", "--allow-empty", "--message", "empty");
    writeFileSync(join(cwd, "work"), "1");
    git(cwd, "add", "work");
    git(cwd, "commit", "--quiet", "--message", "work");
    writeFileSync(join(cwd, "README.md"), "changed\n");
    for (const name of ["one", "two"]) writeFileSync(join(cwd, name), "");
    const before = await workspaces.get(workspaceId);
    const operations = await store.operations.list(ALL, FIRST);
    expect(await cleanup({ dryRun: true })).toMatchObject({
      cleanedPath: cwd,
      cleaned: false,
      ready: "READY_WITH_WARNINGS",
      warnings: [
        "The workspace has 2 untracked files.",
        "The workspace has 1 modified tracked file.",
        "This workspace is 2 commits ahead of HEAD and is not merged.",
        `Skipped deleting branch "${branchName}": not fully merged`,
      ],
      plannedActions: [
        { kind: "cleanup_command", command: "touch ran" },
        { kind: "rescue" },
        { kind: "git_worktree_remove", command: `git worktree remove --force ${cwd}` },
      ],
      git: {
        branchName,
        dirtyFiles: 1,
        untrackedFiles: 2,
        ahead: 2,
        behind: 0,
        merged: false,
        isPrimary: false,
      },
      operations: [],
      workspace: before,
    });
    expect(await cleanup({ dryRun: true, onDirty: "REFUSE" })).toMatchObject({ ready: "BLOCKED" });
    expect(await store.operations.list(ALL, FIRST)).toEqual(operations);
    expect(git(repo, "for-each-ref", "refs/workspace-runtime")).toBe("");
  });

  it("says nothing of what could not be looked at", async () => {
    const { cleanup, repo } = await startWithWorktree();
    writeFileSync(join(repo, ".git/worktrees/PAP-1-fix-the-login-form/index"), "damaged");
    const { git: state, plannedActions, ready } = await cleanup({ dryRun: true });
    expect(state).toBeUndefined();
    expect(plannedActions.map(({ kind }) => kind)).not.toContain("git_worktree_remove");
    expect(ready).toBe("READY_WITH_WARNINGS");
  });
});

const ALL = { companyId: "", workspaceIds: [], runIds: [], statuses: [] };
const FIRST = { pageSize: 500, pageToken: "" };
