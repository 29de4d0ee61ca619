import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { rescuePrefix, rescueRef, rescueTime } from "../../../src/workspaces/rescue/rescue-ref.ts";
import { commitFile, createRepository, git, temporaryDirectory } from "../../git/fixture.ts";
import { issue, worktree } from "../fixture.ts";
import { endings, startWithWorktree } from "./fixture.ts";

const ALL = { companyId: "", workspaceId: "" };
const FIRST = { pageSize: 0, pageToken: "" };
const signal = new AbortController().signal;

describe("the ref of a rescue", () => {
  it("is a name that git takes, one of its own for every id", () => {
    const repo = createRepository(join(temporaryDirectory(), "repo"));
    const ids = ["run-1", "a/b", "..", ".", "x.lock", "-", "@{", "ä", "A%2F", "a%2Fb", "*?[~^:\\"];
    const long = ["x".repeat(200), `${"x".repeat(199)}y`, "ü".repeat(200)];
    const prefixes = [...ids, ...long].map(rescuePrefix);
    expect(new Set(prefixes).size).toBe(prefixes.length);
    for (const id of [...ids, ...long]) {
      const ref = rescueRef(id, 1_700_000_000_123);
      expect(git(repo, "check-ref-format", ref)).toBe("");
      expect(Math.max(...ref.split("/").map((part) => part.length))).toBeLessThan(250);
      expect(rescueTime(ref)).toBe(1_700_000_000_123);
    }
    expect(rescueRef("w-1", 0)).toBe("refs/workspace-runtime/rescue/w-1/19700101T000000000Z");
    expect(rescueTime("refs/workspace-runtime/rescue/w-1/x")).toBeUndefined();
  });
});

describe("rescues", () => {
  it("are listed by company and workspace, newest first, in pages", async () => {
    const { workspaces, cleanup, restore, realize, repo, cwd, workspaceId, branchName } =
      await startWithWorktree();
    const head = commitFile(cwd, "committed", "1");
    writeFileSync(join(cwd, "one"), "1");
    const first = await cleanup();
    await restore();
    writeFileSync(join(cwd, "two"), "2");
    const second = await cleanup();
    const other = await realize({ ...worktree(repo), companyId: "other", issue: issue(2) });
    writeFileSync(join(other.workspace.cwd, "three"), "3");
    const third = await endings(workspaces, other.workspace.workspaceId).cleanup();

    const list = (filter: Partial<typeof ALL>, page = FIRST) =>
      workspaces.listRescues({ ...ALL, ...filter }, page);
    const refs = async (filter: Partial<typeof ALL>) =>
      (await list(filter)).items.map(({ ref }) => ref);
    expect(await refs({})).toEqual([third.rescueRef, second.rescueRef, first.rescueRef]);
    expect(await refs({ companyId: "c" })).toEqual([second.rescueRef, first.rescueRef]);
    expect(await refs({ workspaceId: other.workspace.workspaceId })).toEqual([third.rescueRef]);
    expect(await refs({ companyId: "c", workspaceId: other.workspace.workspaceId })).toEqual([]);
    expect((await list({ companyId: "c" })).items[1]).toMatchObject({
      workspaceId,
      companyId: "c",
      repoRoot: repo,
      branchName,
      baseCommit: head,
      changedFiles: 1,
      commit: git(repo, "rev-parse", first.rescueRef),
    });
    const page = await list({}, { pageSize: 2, pageToken: "" });
    expect(page.items).toHaveLength(2);
    const rest = await list({}, { pageSize: 2, pageToken: page.nextPageToken });
    expect(rest.items.map(({ ref }) => ref)).toEqual([first.rescueRef]);
    expect(rest.nextPageToken).toBe("");
    await expect(list({}, { pageSize: 2, pageToken: "x" })).rejects.toMatchObject({
      reason: "INVALID_FIELD",
    });
  });

  it("stay until they are deleted: by their workspace, at the commit that was seen", async () => {
    const { workspaces, cleanup, restore, realize, repo, cwd, workspaceId, store } =
      await startWithWorktree();
    writeFileSync(join(cwd, "one"), "1");
    const { rescueRef: ref } = await cleanup();
    await restore();
    const commit = git(repo, "rev-parse", ref);
    const other = await realize({ ...worktree(repo), issue: issue(2) });
    const remove = (request: object) =>
      workspaces.deleteRescue({ ref, workspaceId, expectedCommit: "", ...request }, signal);
    await expect(remove({ workspaceId: "nobody" })).rejects.toMatchObject({
      reason: "WORKSPACE_NOT_FOUND",
    });
    for (const wrong of [
      { workspaceId: other.workspace.workspaceId },
      { ref: "refs/heads/main" },
      { ref: `${ref}1` },
    ]) {
      await expect(remove(wrong)).rejects.toMatchObject({ reason: "INVALID_FIELD" });
    }
    await expect(remove({ expectedCommit: "0".repeat(40) })).rejects.toMatchObject({
      reason: "STALE_REVISION",
    });
    expect(await remove({ expectedCommit: commit })).toMatchObject({ ref, commit });
    expect(git(repo, "for-each-ref", "refs/workspace-runtime")).toBe("");
    expect(await workspaces.get(workspaceId)).toMatchObject({ rescueRef: "" });
    const { items } = await store.operations.list(
      { companyId: "", workspaceIds: [workspaceId], runIds: [], statuses: [] },
      { pageSize: 1, pageToken: "" },
    );
    expect(items[0]).toMatchObject({
      command: `git update-ref -d ${ref} ${commit}`,
      phase: "WORKTREE_CLEANUP",
    });
    await expect(remove({})).rejects.toMatchObject({ reason: "INVALID_FIELD" });
  });
});
