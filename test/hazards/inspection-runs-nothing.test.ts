import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { commitFile, git } from "../git/fixture.ts";
import { issue, startWithRepository, worktree } from "../workspaces/fixture.ts";

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

  it("runs no filter of it either then", async () => {
    const { realize, repo, directory } = await startWithRepository({ repoHooks: false });
    const trace = join(directory, "trace");
    commitFile(repo, ".gitattributes", "* filter=spy\n");
    for (const key of ["smudge", "clean"]) {
      git(repo, "config", `filter.spy.${key}`, `echo ${key} >>'${trace}'; cat`);
    }
    git(repo, "config", "filter.spy.required", "true");
    const { workspace } = await realize({ ...worktree(repo), issue: issue(1) });
    expect(readFileSync(join(workspace.cwd, "README.md"), "utf8")).toBe("hello\n");
    expect(existsSync(trace)).toBe(false);
  });

  it("fetches nothing that a partial clone left out", async () => {
    const { realize, repo, directory } = await startWithRepository();
    git(repo, "config", "uploadpack.allowFilter", "true");
    commitFile(repo, "a", "1");
    const clone = join(directory, "clone");
    git(directory, "clone", "--quiet", "--filter=tree:0", "--no-checkout", `file://${repo}`, clone);
    const trace = join(directory, "trace");
    git(clone, "config", "remote.origin.uploadpack", `touch '${trace}'; git-upload-pack`);
    const baseRef = git(repo, "rev-parse", "HEAD^{tree}");
    await expect(
      realize({ ...worktree(clone, { baseRef }), issue: issue(1) }),
    ).rejects.toMatchObject({ reason: "COMMAND_FAILED" });
    expect(existsSync(trace)).toBe(false);
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
