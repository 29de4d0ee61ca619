import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { commitFile, git } from "../git/fixture.ts";
import { issue, startWithRepository, worktree } from "./fixture.ts";

const BRANCH = "PAP-1-fix-the-login-form";
const NOBODY = "0".repeat(40);

/** What `git worktree add` has written when it is killed, the later after the earlier. */
const stages: Readonly<Record<string, (place: Place) => void>> = {
  "the branch's lock alone": ({ repo }) => {
    writeFileSync(join(repo, ".git/refs/heads", `${BRANCH}.lock`), "");
  },
  "the branch alone": ({ repo }) => void git(repo, "branch", BRANCH),
  "an entry without a name": ({ entry }) => {
    mkdirSync(entry, { recursive: true });
    writeFileSync(join(entry, "locked"), "initializing");
  },
  "an empty directory": ({ path }) => void mkdirSync(path, { recursive: true }),
  "a registration whose directory is empty": ({ entry, path }) => {
    writeFileSync(join(entry, "gitdir"), `${join(path, ".git")}\n`);
  },
  "a registration that is on no branch": ({ entry, path }) => {
    writeFileSync(join(path, ".git"), `gitdir: ${entry}\n`);
    writeFileSync(join(entry, "HEAD"), `${NOBODY}\n`);
    writeFileSync(join(entry, "commondir"), "../..\n");
  },
  "half of the files, and git's lock on its index": ({ entry, path }) => {
    writeFileSync(join(entry, "HEAD"), `ref: refs/heads/${BRANCH}\n`);
    writeFileSync(join(entry, "index.lock"), "");
    writeFileSync(join(path, "README.md"), "hel");
  },
};

interface Place {
  readonly repo: string;
  readonly path: string;
  readonly entry: string;
}

describe("a `git worktree add` that was killed", () => {
  it.each(Object.keys(stages))("at %s is made good by the next realize", async (last) => {
    const { realize, repo, store } = await startWithRepository();
    const { workspace } = await realize({ ...worktree(repo), issue: issue(1) });
    const { workspaceId, cwd: path } = workspace;
    // As a server that was killed leaves the row.
    await store.workspaces.update(workspaceId, { state: "PROVISIONING", provisionPending: true });
    git(repo, "worktree", "remove", path);
    git(repo, "branch", "-D", BRANCH);
    const place = { repo, path, entry: join(repo, ".git/worktrees", BRANCH) };
    for (const [stage, leave] of Object.entries(stages)) {
      leave(place);
      if (stage === last) break;
      // Git holds the branch's lock only until there is the branch.
      rmSync(join(repo, ".git/refs/heads", `${BRANCH}.lock`), { force: true });
    }
    const again = await realize({ ...worktree(repo), issue: issue(1) });
    expect(again).toMatchObject({ created: true, workspace: { workspaceId, state: "ACTIVE" } });
    expectOneWorktree(repo, path);
  });

  it.each([1, 7, 20])("at file %d of many is made good too", async (killedAt) => {
    const { realize, repo, directory, workspaces } = await startWithRepository();
    for (let file = 0; file < 20; file += 1) writeFileSync(join(repo, `${file}.txt`), "1\n");
    git(repo, "add", ".");
    commitFile(repo, ".gitattributes", "*.txt filter=trap\n");
    const [trap, count] = [join(directory, "trap"), join(directory, "count")];
    // Kills the git that checks out and, first, the one that was asked for.
    const program = `#!/bin/sh
      cat; echo >>'${count}'
      [ "$(wc -l <'${count}')" -ne ${killedAt} ] || kill -9 $(ps -o ppid= -p $PPID) $PPID`;
    writeFileSync(trap, program, { mode: 0o755 });
    git(repo, "config", "filter.trap.smudge", trap);
    const request = { ...worktree(repo), issue: issue(1) };
    const error = await realize(request).catch((e) => e);
    expect(error).toMatchObject({ reason: "COMMAND_FAILED", metadata: { signal: "SIGKILL" } });
    const failed = await workspaces.get(error.metadata.workspace_id);
    expect(failed).toMatchObject({ state: "FAILED", directoryCreated: true, branchCreated: true });
    expect(git(repo, "worktree", "list", "--porcelain")).toContain("locked initializing");

    const again = await realize(request);
    expect(again.workspace).toMatchObject({ workspaceId: failed.workspaceId, state: "ACTIVE" });
    expect(again.operations[0]).toMatchObject({
      command: `git worktree remove --force --force ${failed.cwd}`,
      message: `Removed the unfinished git worktree ${failed.cwd}`,
    });
    expectOneWorktree(repo, failed.cwd);
    expect(readdirSync(failed.cwd)).toHaveLength(23);
  });

  it("that this service did not begin is left alone", async () => {
    const { realize, repo } = await startWithRepository();
    const { workspace } = await realize({ ...worktree(repo), issue: issue(1) });
    writeFileSync(join(repo, ".git/worktrees", BRANCH, "locked"), "initializing");
    await expect(realize({ ...worktree(repo), issue: issue(1) })).rejects.toMatchObject({
      reason: "WORKTREE_BRANCH_MISMATCH",
    });
    expect(existsSync(join(workspace.cwd, "README.md"))).toBe(true);
  });
});

function expectOneWorktree(repo: string, path: string): void {
  expect(git(path, "symbolic-ref", "--short", "HEAD")).toBe(BRANCH);
  expect(git(path, "status", "--porcelain")).toBe("");
  expect(readdirSync(path)).toContain("README.md");
  expect(git(repo, "worktree", "list", "--porcelain").match(/^worktree /gm)).toHaveLength(2);
  expect(git(repo, "worktree", "list", "--porcelain")).not.toContain("locked");
  expect(readdirSync(join(repo, ".git/worktrees"))).toEqual([BRANCH]);
  expect(existsSync(join(repo, ".git/refs/heads", `${BRANCH}.lock`))).toBe(false);
}
