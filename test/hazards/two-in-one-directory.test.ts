import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { git } from "../git/fixture.ts";
import { endings } from "../workspaces/cleanup/fixture.ts";
import { issue, startWithRepository, worktree } from "../workspaces/fixture.ts";

const signal = new AbortController().signal;

describe("hazard 27a: companies and issues whose branches render alike", () => {
  it("share no directory by accident", async () => {
    const { realize, repo } = await startWithRepository();
    const request = worktree(repo, { branchTemplate: "fix" });
    await realize({ ...request, issue: issue(1) });
    const others = [
      { companyId: "d", issue: issue(1) },
      { companyId: "c", issue: issue(2) },
      { companyId: "c", issue: issue(1), workspaceId: "another" },
    ];
    for (const other of others) {
      await expect(realize({ ...request, ...other })).rejects.toMatchObject({
        reason: "WORKTREE_IN_USE",
      });
    }
  });

  it("lose nothing to the cleanup of one that had the directory before", async () => {
    const { realize, repo, workspaces } = await startWithRepository();
    const request = worktree(repo, { branchTemplate: "fix" });
    const first = (await realize({ ...request, issue: issue(1) })).workspace;
    const { workspaceId, worktreePath } = first;
    await workspaces.update(
      { workspaceId, changes: { state: "ARCHIVED" }, expectedRevision: 0 },
      signal,
    );
    const second = (await realize({ ...request, companyId: "d", issue: issue(2) })).workspace;
    expect(second).toMatchObject({ worktreePath, directoryCreated: false });
    expect(second.workspaceId).not.toBe(workspaceId);
    const work = join(worktreePath, "work.txt");
    writeFileSync(work, "of the second");

    const { cleanedPath } = await endings(workspaces, workspaceId).cleanup();
    expect(cleanedPath).toBe("");
    expect(existsSync(work)).toBe(true);
    expect(git(repo, "branch", "--list", "fix")).not.toBe("");
    expect(await realize({ companyId: "d", workspaceId: second.workspaceId })).toMatchObject({
      created: false,
      workspace: { worktreePath },
    });
  });
});
