import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { commitFile, createRepository, git } from "../git/fixture.ts";
import { mountTmpfs } from "../supervisor/support.ts";
import { issue, startWithRepository, startWorkspaces, worktree } from "../workspaces/fixture.ts";

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

  it("a parent on a disk that is mounted read-only: told, and nothing half-registered", async () => {
    const { realize, repo, directory } = await startWithRepository();
    const parent = join(directory, "trees");
    mkdirSync(parent);
    const restore = makeReadOnly(parent);
    onTestFinished(restore);
    const request = { ...worktree(repo, { worktreeParentDir: parent }), issue: issue(1) };
    await expect(realize(request)).rejects.toMatchObject({ reason: "COMMAND_FAILED" });
    expect(git(repo, "worktree", "list").split("\n")).toHaveLength(1);
    restore();
    expect(await realize(request)).toMatchObject({ created: true });
  });

  it("a submodule's checkout as the base, and a repository that has submodules", async () => {
    const { realize, repo, directory } = await startWithRepository();
    createRepository(join(directory, "part"));
    const files = ["-c", "protocol.file.allow=always"];
    git(repo, ...files, "submodule", "--quiet", "add", join(directory, "part"), "lib/part");
    git(repo, "commit", "--quiet", "--message", "add part");
    const base = join(repo, "lib/part");
    const ofPart = await realize({ ...worktree(base), issue: issue(1) });
    expect(ofPart.workspace).toMatchObject({
      repoRoot: base,
      cwd: join(base, ".paperclip/worktrees/PAP-1-fix-the-login-form"),
    });
    expect(readFileSync(join(ofPart.workspace.cwd, "README.md"), "utf8")).toBe("hello\n");
    expect(await realize({ ...worktree(base), issue: issue(1) })).toMatchObject({ created: false });

    const provisionCommand = "git -c protocol.file.allow=always submodule --quiet update --init";
    const whole = { ...worktree(repo, { provisionCommand }), issue: issue(1) };
    const { workspace } = await realize(whole);
    expect(workspace.repoRoot).toBe(repo);
    expect(existsSync(join(workspace.cwd, "lib/part/README.md"))).toBe(true);
    expect(await realize(whole)).toMatchObject({ created: false, workspace: { warnings: [] } });
    expect(git(repo, "status", "--porcelain", "--ignore-submodules=untracked")).toBe("");
  });

  it("a shallow clone of one commit, which follows its origin", async () => {
    const { realize, repo, directory } = await startWithRepository();
    commitFile(repo, "a", "1");
    const clone = join(directory, "shallow");
    git(directory, "clone", "--quiet", "--depth=1", `file://${repo}`, clone);
    const request = { ...worktree(clone, { fetchBase: true }), issue: issue(1) };
    const { workspace } = await realize(request);
    const newer = commitFile(repo, "a", "2");
    const again = await realize(request);
    expect(again.workspace).toMatchObject({ baseCommit: newer, warnings: [] });
    expect(git(workspace.cwd, "rev-parse", "HEAD")).toBe(newer);
  });

  it("a repository without a commit: there is nothing to start from", async () => {
    const { realize, directory, store } = await startWorkspaces();
    git(directory, "init", "--quiet", "empty");
    await expect(
      realize({ ...worktree(join(directory, "empty")), issue: issue(1) }),
    ).rejects.toMatchObject({ reason: "BASE_REF_NOT_FOUND" });
    expect(await store.workspaces.listLive("")).toEqual([]);
  });

  it("names that would mean something to a shell, in every path", async () => {
    const { realize, directory } = await startWorkspaces();
    const base = createRepository(join(directory, "a 'b\" $(c) ünicode\nline"));
    const { workspace } = await realize({
      ...worktree(base, {
        worktreeParentDir: "../töpfe & more",
        provisionCommand: 'test "$PWD" = "$PAPERCLIP_WORKSPACE_CWD" && touch here',
      }),
      issue: issue(1),
    });
    expect(existsSync(join(workspace.cwd, "here"))).toBe(true);
    expect(workspace.repoRoot).toBe(base);
    const again = await realize({ workspaceId: workspace.workspaceId });
    expect(again).toMatchObject({ created: false, workspace: { cwd: workspace.cwd } });
  });
});

/** A read-only mount where that is permitted, since root may write everywhere else. Answers the way back. */
function makeReadOnly(path: string): () => void {
  const unmount = mountTmpfs(path, 4096 * 16);
  if (unmount === undefined) {
    chmodSync(path, 0o555);
    return () => chmodSync(path, 0o755);
  }
  execFileSync("mount", ["-o", "remount,ro", path]);
  let isMounted = true;
  return () => {
    if (isMounted) unmount();
    isMounted = false;
  };
}
