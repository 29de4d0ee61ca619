import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { commitFile, git } from "../../git/fixture.ts";
import { eventually } from "../../support/eventually.ts";
import { issue, realizeRequest, worktree } from "../fixture.ts";
import { endings, startWithWorktree } from "./fixture.ts";

describe("restore", () => {
  it("makes a merged branch again where it was, though its commits were squashed", async () => {
    const { cleanup, restore, repo, cwd, branchName } = await startWithWorktree();
    const tip = commitFile(cwd, "work", "1");
    git(repo, "merge", "--quiet", "--squash", branchName);
    git(repo, "commit", "--quiet", "--message", "squashed");
    expect(await cleanup()).toMatchObject({ warnings: [], git: { merged: true, ahead: 1 } });
    expect(git(repo, "branch", "--list", branchName)).toBe("");
    const { workspace, operations } = await restore();
    expect(workspace).toMatchObject({ state: "ACTIVE", branchCreated: true, cwd });
    expect(operations[0]).toMatchObject({ command: `git branch ${branchName} ${tip}` });
    expect(git(cwd, "rev-parse", "HEAD")).toBe(tip);
    expect(git(cwd, "symbolic-ref", "--short", "HEAD")).toBe(branchName);
  });

  it("starts the branch from its base where nobody knows its commit any more", async () => {
    const { cleanup, restore, repo, cwd, branchName } = await startWithWorktree();
    commitFile(cwd, "work", "1");
    await cleanup();
    git(repo, "branch", "--quiet", "-D", branchName);
    await restore();
    expect(git(cwd, "rev-parse", "HEAD")).toBe(git(repo, "rev-parse", "main"));
  });

  it("provisions by the policy, with the call's environment, over the rescued work", async () => {
    const { cleanup, restore, cwd } = await startWithWorktree({
      provisionCommand: 'echo "$TOKEN $(cat work 2>/dev/null)" >>provisioned',
      provisionPolicy: "ON_CREATE",
    });
    writeFileSync(join(cwd, "work"), "mine");
    await cleanup();
    expect(await restore({ commandEnv: { TOKEN: "t" } })).toMatchObject({ provisioned: true });
    expect(readFileSync(join(cwd, "provisioned"), "utf8")).toBe(" \nt mine\n");
  });

  it("is nothing for a workspace that is there; joined calls are one", async () => {
    const { cleanup, restore, cwd } = await startWithWorktree();
    expect(await restore()).toMatchObject({ created: false, operations: [], provisioned: false });
    await cleanup();
    const both = await Promise.all([restore(), restore()]);
    expect(both.map(({ created }) => created).sort()).toEqual([false, true]);
    expect(existsSync(cwd)).toBe(true);
    expect(await restore()).toMatchObject({ created: false, workspace: { state: "ACTIVE" } });
  });

  it("answers at once with no_wait, and says FAILED and why when it fails; again finishes it", async () => {
    const { cleanup, restore, cwd, repo, workspaces, workspaceId } = await startWithWorktree({
      provisionCommand: 'echo >>log; test ! -e "$PAPERCLIP_WORKSPACE_BASE_CWD/stop" || exit 4',
      provisionPolicy: "ON_CREATE",
    });
    writeFileSync(join(cwd, "work"), "1");
    await cleanup();
    writeFileSync(join(repo, "stop"), "");
    expect(await restore({ noWait: true })).toMatchObject({ workspace: { state: "PROVISIONING" } });
    const failed = await eventually(async () => {
      const workspace = await workspaces.get(workspaceId);
      return workspace.state === "FAILED" && workspace;
    });
    expect(failed.stateMessage).toContain("failed with exit code 4");
    expect(readFileSync(join(cwd, "work"), "utf8")).toBe("1");
    rmSync(join(repo, "stop"));
    expect(await restore()).toMatchObject({
      created: false,
      provisioned: true,
      workspace: { state: "ACTIVE", warnings: [] },
    });
    expect(git(cwd, "status", "--porcelain")).toBe("?? log\n?? work");
  });

  it("puts no rescued work over a branch that has moved on", async () => {
    const { cleanup, restore, repo, cwd, branchName } = await startWithWorktree();
    commitFile(cwd, "work", "1");
    writeFileSync(join(cwd, "work"), "uncommitted");
    const { rescueRef } = await cleanup();
    git(repo, "switch", "--quiet", branchName);
    const tip = commitFile(repo, "work", "committed meanwhile");
    git(repo, "switch", "--quiet", "main");
    const { workspace } = await restore();
    expect(workspace.warnings).toEqual([
      expect.stringMatching(`^Rescued work of ${rescueRef} was not applied: branch .* moved from`),
    ]);
    expect(git(cwd, "rev-parse", "HEAD")).toBe(tip);
    expect(git(cwd, "status", "--porcelain")).toBe("");
  });

  it("refuses a path that others have, and a branch that another live workspace has", async () => {
    const { cleanup, restore, realize, workspaces, repo, cwd, branchName } =
      await startWithWorktree();
    commitFile(cwd, "work", "1");
    await cleanup();
    mkdirSync(cwd, { recursive: true });
    writeFileSync(join(cwd, "foreign"), "");
    await expect(restore()).rejects.toMatchObject({ reason: "WORKTREE_PATH_OCCUPIED" });
    rmSync(cwd, { recursive: true });
    const other = await realize({ ...worktree(repo), issue: issue(1) });
    await expect(restore()).rejects.toMatchObject({ reason: "WORKTREE_IN_USE" });
    await endings(workspaces, other.workspace.workspaceId).cleanup();
    expect(await restore()).toMatchObject({ workspace: { state: "ACTIVE", branchName } });
  });

  it("of a workspace that was only marked finds its worktree as it is", async () => {
    const { restore, store, workspaceId, cwd } = await startWithWorktree();
    writeFileSync(join(cwd, "work"), "1");
    await store.workspaces.update(workspaceId, { state: "ARCHIVED" });
    expect(await restore()).toMatchObject({
      created: false,
      workspace: { state: "ACTIVE", directoryCreated: true, warnings: [] },
    });
    expect(existsSync(join(cwd, "work"))).toBe(true);
  });

  it("of a primary checkout opens it again", async () => {
    const { workspaces, repo } = await startWithWorktree();
    const signal = new AbortController().signal;
    const { workspace } = await workspaces.realize(realizeRequest({ baseCwd: repo }), signal);
    const { cleanup, restore } = endings(workspaces, workspace.workspaceId);
    expect(await cleanup({ cleanupCommand: "touch ran" })).toMatchObject({
      cleanedPath: "",
      cleaned: true,
      warnings: [],
      workspace: { state: "ARCHIVED" },
    });
    expect(existsSync(join(repo, "ran"))).toBe(true);
    expect((await restore()).workspace).toMatchObject({ state: "ACTIVE", cwd: repo });
  });
});
