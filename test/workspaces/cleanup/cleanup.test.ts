import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { commitFile, git } from "../../git/fixture.ts";
import { issue, worktree } from "../fixture.ts";
import { endings, startWithWorktree } from "./fixture.ts";

describe("cleanup of a worktree", () => {
  it("removes what is clean and merged: directory, registration, branch and its settings", async () => {
    const { cleanup, repo, cwd, branchName, workspaceId } = await startWithWorktree();
    git(repo, "config", `branch.${branchName}.description`, "mine");
    const result = await cleanup();
    expect(result).toMatchObject({
      cleanedPath: cwd,
      cleaned: true,
      warnings: [],
      ready: "READY",
      rescueRef: "",
      git: { branchName, dirtyFiles: 0, untrackedFiles: 0, ahead: 0, merged: true },
      workspace: { state: "ARCHIVED", stateMessage: "", directoryCreated: false },
    });
    expect(result.plannedActions.map(({ kind }) => kind)).toEqual([
      "git_worktree_remove",
      "git_branch_delete",
    ]);
    const metadata = { workspaceId, workspacePath: cwd, branchName };
    expect(result.operations).toMatchObject([
      {
        phase: "WORKTREE_CLEANUP",
        command: `git worktree remove --force ${cwd}`,
        message: `Removed git worktree ${cwd}`,
        metadata: { ...metadata, cleanupAction: "worktree_remove" },
      },
      {
        command: `git branch -d ${branchName}`,
        message: `Deleted branch ${branchName}`,
        metadata: { ...metadata, cleanupAction: "branch_delete" },
      },
    ]);
    expect(existsSync(cwd)).toBe(false);
    expect(git(repo, "worktree", "list").split("\n")).toHaveLength(1);
    expect(git(repo, "for-each-ref", "--format=%(refname)")).toBe("refs/heads/main");
    expect(readFileSync(join(repo, ".git/config"), "utf8")).not.toContain(branchName);
  });

  it("does nothing the second time, and says that all is well", async () => {
    const { cleanup } = await startWithWorktree();
    const first = await cleanup();
    expect(await cleanup()).toMatchObject({
      cleanedPath: "",
      cleaned: true,
      warnings: [],
      operations: [],
      workspace: { state: "ARCHIVED", revision: first.workspace.revision },
    });
  });

  it("keeps a branch that is not merged", async () => {
    const { cleanup, repo, cwd, branchName } = await startWithWorktree();
    const tip = commitFile(cwd, "work", "1");
    expect(await cleanup()).toMatchObject({
      cleaned: true,
      warnings: [`Skipped deleting branch "${branchName}": not fully merged`],
      workspace: { state: "ARCHIVED", stateMessage: "", branchCreated: true },
    });
    expect(git(repo, "rev-parse", branchName)).toBe(tip);
  });

  it("saves uncommitted work, and restore brings it back", async () => {
    const { cleanup, restore, repo, cwd, branchName } = await startWithWorktree();
    writeFileSync(join(cwd, "README.md"), "changed\n");
    writeFileSync(join(cwd, "new"), "staged\n");
    git(cwd, "add", "new");
    writeFileSync(join(cwd, "new"), "and changed\n");
    mkdirSync(join(cwd, "sub"));
    writeFileSync(join(cwd, "sub/untracked"), "u\n", { mode: 0o755 });
    const before = git(cwd, "status", "--porcelain");
    const cleaned = await cleanup();
    expect(cleaned.warnings).toEqual([
      `Rescued uncommitted work of "${cwd}" to ${cleaned.rescueRef}`,
    ]);
    expect(existsSync(cwd)).toBe(false);
    expect(git(repo, "show", `${cleaned.rescueRef}:sub/untracked`)).toBe("u");
    const restored = await restore();
    expect(restored).toMatchObject({
      created: true,
      workspace: { state: "ACTIVE", cwd, branchName, directoryCreated: true, branchCreated: true },
    });
    expect(git(cwd, "status", "--porcelain")).toBe(before);
    expect(git(cwd, "branch", "--show-current")).toBe(branchName);
    expect(git(cwd, "diff", "--cached", "--name-only")).toBe("new");
    expect(readFileSync(join(cwd, "new"), "utf8")).toBe("and changed\n");
    expect(git(repo, "rev-parse", cleaned.rescueRef)).not.toBe("");
  });

  it("leaves a worktree that it found, and says so", async () => {
    const { realize, repo, directory, workspaces } = await startWithWorktree();
    const path = join(directory, "by-hand");
    git(repo, "worktree", "add", "--quiet", "-b", "mine", path);
    const { workspace } = await realize({
      ...worktree(repo, { branchTemplate: "mine" }),
      issue: issue(2),
    });
    const { cleanup } = endings(workspaces, workspace.workspaceId);
    expect(await cleanup()).toMatchObject({
      cleanedPath: "",
      cleaned: true,
      warnings: [`Left "${path}": not made by this service`],
      workspace: { state: "ARCHIVED" },
    });
    expect(existsSync(join(path, "README.md"))).toBe(true);
  });
});
