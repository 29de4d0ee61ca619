import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { commitFile, createRepository, git } from "../git/fixture.ts";
import { startWithWorktree } from "../workspaces/cleanup/fixture.ts";
import { snapshot } from "../workspaces/cleanup/worktree-snapshot.ts";

const LATER = Math.floor(Date.now() / 1000) + 60;

describe("hazard 31: a cleanup loses nothing", () => {
  it("of a dirty worktree: modes, symlinks, untracked and staged files come back as they were", async () => {
    const { cleanup, restore, repo, cwd } = await startWithWorktree();
    commitFile(cwd, "tracked", "1\n");
    commitFile(cwd, "goes", "1\n");
    writeFileSync(join(cwd, "tracked"), "2\n");
    git(cwd, "add", "tracked");
    writeFileSync(join(cwd, "tracked"), "3\n");
    rmSync(join(cwd, "goes"));
    mkdirSync(join(cwd, "goes/deep"), { recursive: true });
    writeFileSync(join(cwd, "goes/deep/crlf.txt"), "a\r\nb\r\n");
    writeFileSync(join(cwd, "tool"), "#!/bin/sh\n", { mode: 0o755 });
    writeFileSync(join(cwd, "secret"), "s", { mode: 0o600 });
    writeFileSync(join(cwd, ".gitattributes"), "* text=auto\n");
    chmodSync(join(cwd, "README.md"), 0o755);
    symlinkSync("/etc/hostname", join(cwd, "link"));
    const before = snapshot(cwd);
    const { rescueRef } = await cleanup();
    const saved = git(repo, "ls-tree", "-r", "--name-only", rescueRef).split("\n");
    expect(saved).toEqual(Object.keys(before.files).sort());
    await restore();
    expect(snapshot(cwd)).toEqual(before);
    expect(lstatSync(join(cwd, "secret")).mode & 0o777).toBe(0o600);
    expect(git(repo, "rev-parse", "--verify", rescueRef)).toMatch(/^[0-9a-f]{40}$/);
  });

  it("of a branch that is not merged, with uncommitted work on top", async () => {
    const { cleanup, restore, repo, cwd, branchName } = await startWithWorktree();
    const tip = commitFile(cwd, "work", "1");
    writeFileSync(join(cwd, "work"), "2");
    const before = snapshot(cwd);
    const { rescueRef } = await cleanup();
    expect(git(repo, "rev-parse", branchName, `${rescueRef}^`)).toBe(`${tip}\n${tip}`);
    await restore();
    expect(snapshot(cwd)).toEqual(before);
  });

  it("of a detached HEAD with commits, its worktree clean", async () => {
    const { cleanup, restore, cwd, repo } = await startWithWorktree();
    git(cwd, "checkout", "--quiet", "--detach");
    const lost = commitFile(cwd, "work", "1");
    const before = snapshot(cwd);
    await expect(cleanup({ onDirty: "REFUSE" })).rejects.toMatchObject({
      reason: "WORKSPACE_DIRTY",
    });
    const { rescueRef } = await cleanup();
    expect(git(repo, "rev-parse", `${rescueRef}^1`)).toBe(lost);
    git(repo, "reflog", "expire", "--expire=now", "--all");
    git(repo, "gc", "--quiet", "--prune=now");
    const { workspace } = await restore();
    expect(workspace.warnings).toEqual([
      `"${cwd}" is detached at ${lost}: it was on a detached HEAD when it was cleaned`,
    ]);
    expect(snapshot(cwd)).toEqual(before);
  });

  it("of the blobs that only the index has, whatever git collects meanwhile", async () => {
    const { cleanup, restore, cwd, repo } = await startWithWorktree();
    writeFileSync(join(cwd, "only-staged"), "precious\n");
    git(cwd, "add", "only-staged");
    rmSync(join(cwd, "only-staged"));
    await cleanup();
    git(repo, "gc", "--quiet", "--prune=now");
    await restore();
    expect(git(cwd, "show", ":only-staged")).toBe("precious");
    expect(git(repo, "fsck", "--strict")).toBe("");
  });

  it("of a merge under way, with its conflicts", async () => {
    const { cleanup, restore, cwd, repo } = await startWithWorktree();
    commitFile(repo, "README.md", "theirs\n");
    commitFile(cwd, "README.md", "ours\n");
    expect(() => git(cwd, "merge", "--quiet", "main")).toThrow();
    const before = { ...snapshot(cwd), parents: git(cwd, "rev-parse", "MERGE_HEAD") };
    await cleanup();
    await restore();
    expect({ ...snapshot(cwd), parents: git(cwd, "rev-parse", "MERGE_HEAD") }).toEqual(before);
  });

  it("of what was told to be hidden from git status", async () => {
    const { cleanup, restore, cwd } = await startWithWorktree();
    git(cwd, "update-index", "--skip-worktree", "README.md");
    writeFileSync(join(cwd, "README.md"), "local\n");
    expect(git(cwd, "status", "--porcelain")).toBe("");
    const before = snapshot(cwd);
    expect(await cleanup()).toMatchObject({ git: { dirtyFiles: 1 } });
    await restore();
    expect(snapshot(cwd)).toEqual(before);
  });

  it("of a hidden change that no time and no size tells", async () => {
    const { cleanup, restore, repo, cwd } = await startWithWorktree();
    const file = join(cwd, "README.md");
    const { mtimeMs, size } = lstatSync(file);
    git(repo, "config", "core.trustctime", "false");
    git(cwd, "update-index", "--skip-worktree", "README.md");
    writeFileSync(file, "local\n");
    utimesSync(file, mtimeMs / 1000, mtimeMs / 1000);
    utimesSync(join(repo, ".git/worktrees/PAP-1-fix-the-login-form/index"), LATER, LATER);
    expect(lstatSync(file).size).toBe(size);
    expect(await cleanup()).toMatchObject({ git: { dirtyFiles: 1 } });
    await restore();
    expect(readFileSync(file, "utf8")).toBe("local\n");
  });

  it("of a repository inside, which no rescue can hold: it stays", async () => {
    const { cleanup, cwd } = await startWithWorktree();
    createRepository(join(cwd, "clone"));
    expect(await cleanup()).toMatchObject({
      cleaned: false,
      warnings: [
        `Left "${cwd}": "clone" in it is a repository with work of its own, which no rescue can hold`,
      ],
      workspace: {
        state: "CLEANUP_FAILED",
        stateMessage: `Left "${cwd}": "clone" in it is a repository with work of its own, which no rescue can hold`,
      },
    });
    expect(existsSync(join(cwd, "clone/README.md"))).toBe(true);
    expect(await cleanup({ onDirty: "DISCARD" })).toMatchObject({ cleaned: true });
    expect(existsSync(cwd)).toBe(false);
  });

  it("of a submodule with commits that no remote has; one without goes", async () => {
    const { cleanup, cwd, directory } = await startWithWorktree();
    createRepository(join(directory, "library"));
    git(
      cwd,
      "-c",
      "protocol.file.allow=always",
      "submodule",
      "--quiet",
      "add",
      `${directory}/library`,
      "lib",
    );
    git(cwd, "commit", "--quiet", "--message", "submodule");
    expect(await cleanup({ dryRun: true })).toMatchObject({
      plannedActions: [{ kind: "git_worktree_remove" }],
    });
    commitFile(join(cwd, "lib"), "work", "1");
    git(cwd, "commit", "--quiet", "--all", "--message", "bump");
    expect(await cleanup()).toMatchObject({ cleaned: false });
    git(join(cwd, "lib"), "push", "--quiet", "origin", "HEAD:refs/heads/work");
    expect(await cleanup()).toMatchObject({ cleaned: true });
  });

  it("when the rescue cannot be written: the directory stays, and the next cleanup does it", async () => {
    const { cleanup, cwd, repo } = await startWithWorktree();
    writeFileSync(join(cwd, "work"), "1");
    writeFileSync(join(repo, ".git/refs/workspace-runtime"), "in the way");
    const failed = await cleanup();
    expect(failed).toMatchObject({
      cleaned: false,
      rescueRef: "",
      workspace: { state: "CLEANUP_FAILED", rescueRef: "" },
    });
    expect(failed.workspace.stateMessage).toBe(failed.warnings.join(" | "));
    expect(readFileSync(join(cwd, "work"), "utf8")).toBe("1");
    rmSync(join(repo, ".git/refs/workspace-runtime"));
    expect(await cleanup()).toMatchObject({ cleaned: true, workspace: { state: "ARCHIVED" } });
  });
});
