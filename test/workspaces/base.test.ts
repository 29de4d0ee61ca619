import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cloneRepository, commitFile, createRepository, git } from "../git/fixture.ts";
import { issue, startWorkspaces, worktree } from "./fixture.ts";

describe("the base of a worktree", () => {
  it("is origin's branch, and a worktree without work follows it", async () => {
    const { realize, origin, clone } = await startWithOrigin();
    const first = await realize({ ...worktree(clone), issue: issue(1) });
    expect(first.workspace).toMatchObject({ baseRef: "origin/main", warnings: [] });
    const newer = commitFile(origin, "a", "1");
    git(clone, "fetch", "--quiet");
    const again = await realize({ ...worktree(clone), issue: issue(1) });
    expect(git(first.workspace.cwd, "rev-parse", "HEAD")).toBe(newer);
    expect(again.workspace).toMatchObject({ baseCommit: newer, warnings: [] });
    expect(again.operations.map(({ message }) => message)).toEqual([
      `Reused existing git worktree at ${first.workspace.cwd}`,
      `Fast-forwarded branch ${first.workspace.branchName} to origin/main`,
    ]);
  });

  it.each([
    ["commits", (cwd: string) => void commitFile(cwd, "own", "1")],
    ["untracked files", (cwd: string) => writeFileSync(join(cwd, "own"), "1")],
    ["changed files", (cwd: string) => writeFileSync(join(cwd, "README.md"), "1")],
  ])("leaves a worktree with %s alone and says how far it is behind", async (_, work) => {
    const { realize, origin, clone } = await startWithOrigin();
    const { workspace } = await realize({ ...worktree(clone), issue: issue(1) });
    work(workspace.cwd);
    const head = git(workspace.cwd, "rev-parse", "HEAD");
    commitFile(origin, "a", "1");
    commitFile(origin, "a", "2");
    git(clone, "fetch", "--quiet");
    const again = await realize({ ...worktree(clone), issue: issue(1) });
    expect(git(workspace.cwd, "rev-parse", "HEAD")).toBe(head);
    expect(again.workspace.warnings).toEqual([
      `${workspace.branchName} is behind origin/main by 2 commit(s)`,
    ]);
  });

  it("does not move a worktree under another run", async () => {
    const { realize, origin, clone } = await startWithOrigin();
    const request = { ...worktree(clone), issue: issue(1) };
    const { workspace } = await realize({ ...request, runId: "run-1" });
    commitFile(origin, "a", "1");
    git(clone, "fetch", "--quiet");
    const again = await realize({ ...request, runId: "run-2" });
    expect(again.workspace.warnings).toEqual([
      `${workspace.branchName} is behind origin/main by 1 commit(s)`,
    ]);
    const own = await realize({ ...request, runId: "run-1" });
    expect(own.workspace.warnings).toHaveLength(1);
  });

  it("is fetched first when asked, as an operation", async () => {
    const { realize, origin, clone } = await startWithOrigin();
    const newer = commitFile(origin, "a", "1");
    const { workspace, operations } = await realize({
      ...worktree(clone, { fetchBase: true, baseRef: "main" }),
      issue: issue(1),
    });
    expect(workspace).toMatchObject({ baseRef: "origin/main", baseCommit: newer, warnings: [] });
    expect(operations[0]).toMatchObject({
      command: "git fetch origin '+refs/heads/main:refs/remotes/origin/main'",
      message: "Fetched main from origin",
    });
  });

  it.each([
    ["a bare clone", ["--bare"], ""],
    ["a clone of one branch", ["--single-branch", "--branch=other"], "main"],
    ["a clone that knows its default", [], ""],
  ])("is fetched into %s, which keeps no other branch", async (_, options, baseRef) => {
    const { realize, directory } = await startWorkspaces();
    const origin = createRepository(join(directory, "origin"));
    git(origin, "branch", "other");
    const clone = join(directory, "clone");
    git(directory, "clone", "--quiet", ...options, origin, clone);
    const newer = commitFile(origin, "a", "1");
    const { workspace } = await realize({
      ...worktree(clone, { fetchBase: true, baseRef: baseRef || "main" }),
      issue: issue(1),
    });
    expect(workspace).toMatchObject({ baseRef: "origin/main", baseCommit: newer, warnings: [] });
  });

  it("is fetched whatever it is called, and nothing else is", async () => {
    const { realize, origin, clone } = await startWithOrigin();
    const newer = commitFile(origin, "a", "1");
    git(origin, "tag", "v1");
    git(origin, "branch", "other");
    const commands: string[] = [];
    for (const [index, baseRef] of ["", "refs/tags/v1", newer].entries()) {
      const { workspace, operations } = await realize({
        ...worktree(clone, { fetchBase: true, baseRef }),
        issue: issue(index),
      });
      expect(workspace).toMatchObject({ baseCommit: newer, warnings: [] });
      commands.push(operations[0]?.command ?? "");
    }
    expect(commands).toEqual([
      "git fetch origin '+refs/heads/main:refs/remotes/origin/main'",
      "git fetch origin refs/tags/v1:refs/tags/v1",
      `git fetch origin ${newer}`,
    ]);
    expect(git(clone, "branch", "--all", "--list", "*other*")).toBe("");
  });

  it("is the last known one when the fetch takes too long", async () => {
    const { realize, directory } = await startWorkspaces({ gitTimeoutMs: 1_000 });
    const origin = createRepository(join(directory, "origin"));
    const clone = cloneRepository(origin, join(directory, "clone"));
    git(clone, "config", "remote.origin.uploadpack", "sleep 1000 #");
    const { workspace, operations } = await realize({
      ...worktree(clone, { fetchBase: true, baseRef: "main" }),
      issue: issue(1),
    });
    expect(workspace.warnings).toEqual([
      'Could not fetch "main" from origin: the last known one is used',
    ]);
    expect(operations[0]).toMatchObject({
      status: "FAILED",
      message: expect.stringContaining("timed out after 1 s"),
    });
  });

  it("is the last known one when the fetch fails, with a warning", async () => {
    const { realize, clone } = await startWithOrigin();
    git(clone, "remote", "set-url", "origin", "/nowhere");
    const { workspace, operations } = await realize({
      ...worktree(clone, { fetchBase: true, baseRef: "main" }),
      issue: issue(1),
    });
    expect(workspace).toMatchObject({
      state: "ACTIVE",
      baseRef: "origin/main",
      warnings: ['Could not fetch "main" from origin: the last known one is used'],
    });
    expect(operations[0]).toMatchObject({ status: "FAILED" });
  });

  it("that is gone since does not spoil a worktree that is there", async () => {
    const { realize, clone } = await startWithOrigin();
    git(clone, "branch", "old");
    const first = await realize({ ...worktree(clone, { baseRef: "old" }), issue: issue(1) });
    git(clone, "branch", "-D", "old");
    const again = await realize({ workspaceId: first.workspace.workspaceId });
    expect(again.workspace).toMatchObject({
      state: "ACTIVE",
      baseRef: "old",
      warnings: ['Base ref "old" no longer resolves'],
    });
  });
});

async function startWithOrigin() {
  const runtime = await startWorkspaces();
  const origin = createRepository(join(runtime.directory, "origin"));
  const clone = cloneRepository(origin, join(runtime.directory, "clone"));
  return { ...runtime, origin, clone };
}
