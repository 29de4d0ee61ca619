import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { WorkspacePatch } from "../../../src/store/workspaces.ts";
import { git } from "../../git/fixture.ts";
import { issue, worktree } from "../fixture.ts";
import { endings, startWithWorktree } from "./fixture.ts";

describe("cleanup, whatever a row says, does not remove", () => {
  it("the root, the home directory, the repository, what is above them, or symlinks to these", async () => {
    const { cleanup, store, repo, cwd, directory, workspaceId } = await startWithWorktree(
      {},
      { allowRoots: ["/"] },
    );
    for (const [name, target] of [
      ["to-repo", repo],
      ["to-home", homedir()],
      ["to-worktree", cwd],
    ] as const) {
      symlinkSync(target, join(directory, name));
    }
    symlinkSync(directory, join(directory, "around"));
    const places = [
      ...[repo, dirname(repo), join(repo, ".git"), directory],
      ...["to-repo", "to-home", "to-worktree", "around/repo/.paperclip/worktrees/x"].map((name) =>
        join(directory, name),
      ),
    ];
    for (const path of places) {
      if (!existsSync(path)) mkdirSync(path, { recursive: true });
      for (const strategy of ["GIT_WORKTREE", "PROJECT_PRIMARY"] as const) {
        await store.workspaces.update(workspaceId, claimOf(path, strategy));
        const result = await cleanup({ onDirty: "DISCARD", force: true });
        expect(result, `${strategy} ${path}`).toMatchObject({
          cleanedPath: "",
          cleaned: false,
          operations: [],
          workspace: { state: "CLEANUP_FAILED", stateMessage: result.warnings.join(" | ") },
        });
        expect(result.warnings).toEqual([
          expect.stringMatching(/^(Refusing to remove path|Left) "/),
        ]);
      }
    }
    // Only asked for: a defect here must not cost anybody their home.
    for (const path of ["/", homedir()]) {
      await store.workspaces.update(workspaceId, claimOf(path, "PROJECT_PRIMARY"));
      const { plannedActions, warnings } = await cleanup({ onDirty: "DISCARD", dryRun: true });
      expect(plannedActions.map(({ kind }) => kind)).not.toContain("remove_local_fs");
      expect(warnings.join()).toContain(`Refusing to remove path "${path}"`);
    }
    expect(existsSync(join(cwd, "README.md"))).toBe(true);
    expect(existsSync(join(repo, ".git/HEAD"))).toBe(true);
  });

  it("what contains a project workspace: in the words of the contract", async () => {
    const { cleanup, store, cwd } = await startWithWorktree();
    await store.projectWorkspaces.insert({
      ...{ projectWorkspaceId: "pw", companyId: "other", projectId: "", name: "", repoUrl: "" },
      ...{ repoRef: "", cleanupCommand: "", serviceStates: {}, labels: {} },
      cwd: join(cwd, "packages/app"),
    });
    expect((await cleanup()).warnings).toEqual([
      `Refusing to remove path "${cwd}" because it contains the project workspace.`,
    ]);
    expect(existsSync(cwd)).toBe(true);
  });

  it("what lies outside the directories that may be used", async () => {
    const { cleanup, store, workspaceId } = await startWithWorktree();
    await store.workspaces.update(workspaceId, { cwd: "/usr", worktreePath: "/usr" });
    for (const dryRun of [true, false]) {
      await expect(cleanup({ dryRun })).rejects.toMatchObject({ reason: "PATH_NOT_ALLOWED" });
    }
  });

  it("what is no worktree of the repository any more, is locked, or has another inside", async () => {
    const { cleanup, cwd, repo, directory } = await startWithWorktree();
    git(repo, "worktree", "lock", "--reason", "on a stick", cwd);
    expect((await cleanup()).warnings).toEqual([
      `Left "${cwd}": its worktree is locked: on a stick`,
    ]);
    git(repo, "worktree", "unlock", cwd);
    git(repo, "worktree", "add", "--quiet", "--detach", join(cwd, "nested"));
    expect((await cleanup()).warnings).toEqual([
      `Left "${cwd}": worktree "${join(cwd, "nested")}" lies in it`,
    ]);
    git(repo, "worktree", "remove", join(cwd, "nested"));
    const elsewhere = join(directory, "elsewhere");
    renameSync(cwd, elsewhere);
    git(repo, "worktree", "prune");
    mkdirSync(cwd);
    writeFileSync(join(cwd, "mine"), "");
    expect((await cleanup()).warnings).toEqual([`Left "${cwd}": it is no worktree of "${repo}"`]);
    expect(existsSync(join(cwd, "mine")) && existsSync(elsewhere)).toBe(true);
  });

  it("a branch that somebody checked out elsewhere", async () => {
    const { cleanup, cwd, repo, branchName, directory } = await startWithWorktree();
    git(cwd, "checkout", "--quiet", "--detach");
    const elsewhere = join(directory, "elsewhere");
    git(repo, "worktree", "add", "--quiet", elsewhere, branchName);
    expect(await cleanup()).toMatchObject({
      cleaned: true,
      warnings: [`Skipped deleting branch "${branchName}": checked out at "${elsewhere}"`],
    });
    expect(git(repo, "branch", "--list", branchName)).not.toBe("");
  });
});

describe("cleanup also takes away", () => {
  it("the registration of a directory that is gone", async () => {
    const { cleanup, cwd, repo } = await startWithWorktree();
    rmSync(cwd, { recursive: true });
    expect(await cleanup()).toMatchObject({ cleanedPath: cwd, cleaned: true, warnings: [] });
    expect(git(repo, "worktree", "list").split("\n")).toHaveLength(1);
    expect(git(repo, "branch", "--list")).toBe("* main");
  });

  it("the empty directories of a branch's slashes, but not those that others use", async () => {
    const { realize, workspaces, repo } = await startWithWorktree();
    const make = async (number: number, branchTemplate: string) => {
      const { workspace } = await realize({
        ...worktree(repo, { branchTemplate }),
        issue: issue(number),
      });
      return endings(workspaces, workspace.workspaceId);
    };
    const [one, two] = [await make(2, "team/a/one"), await make(3, "team/two")];
    const parent = join(repo, ".paperclip/worktrees");
    await one.cleanup();
    expect(existsSync(join(parent, "team/two"))).toBe(true);
    expect(existsSync(join(parent, "team/a"))).toBe(false);
    await two.cleanup();
    expect(existsSync(join(parent, "team"))).toBe(false);
    expect(existsSync(parent)).toBe(true);
  });

  it("nothing of a worktree that another live workspace is in: that one takes it over", async () => {
    const { cleanup, realize, workspaces, store, cwd, repo, workspaceId } = await startWithWorktree(
      { cleanupCommand: "touch ran" },
    );
    await store.workspaces.update(workspaceId, { state: "ARCHIVED" });
    const { workspace } = await realize({ ...worktree(repo), companyId: "other", issue: issue(1) });
    expect(workspace).toMatchObject({ cwd, directoryCreated: false });
    expect(await cleanup()).toMatchObject({
      cleanedPath: "",
      cleaned: true,
      operations: [],
      warnings: [`Left "${cwd}": another workspace is in it`],
      workspace: { state: "ARCHIVED", directoryCreated: false, branchCreated: false },
    });
    expect(existsSync(join(cwd, "ran"))).toBe(false);
    expect(await workspaces.get(workspace.workspaceId)).toMatchObject({
      directoryCreated: true,
      branchCreated: true,
    });
    const { cleanup: cleanupOther } = endings(workspaces, workspace.workspaceId);
    expect(await cleanupOther()).toMatchObject({ cleanedPath: cwd, cleaned: true });
  });
});

/** A row that says that the directory was made for it. */
function claimOf(path: string, strategy: "GIT_WORKTREE" | "PROJECT_PRIMARY"): WorkspacePatch {
  const worktreePath = strategy === "GIT_WORKTREE" ? path : "";
  return { strategy, state: "ACTIVE", directoryCreated: true, cwd: path, worktreePath };
}
