import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cloneRepository, createRepository, git } from "../git/fixture.ts";
import { issue, startWorkspaces, worktree } from "../workspaces/fixture.ts";

describe("hazard 26: a base ref is never an option", () => {
  it.each([
    "--lock",
    "--force",
    "-b x",
    "-B",
    "--detach",
    "--end-of-options",
    "--upload-pack=touch TRACE",
    "+refs/heads/main:refs/heads/stolen",
    "main:refs/heads/stolen",
    "ext::sh -c touch% TRACE",
  ])("%j", async (text) => {
    const { realize, directory, store } = await startWorkspaces();
    const trace = join(directory, "trace");
    const origin = createRepository(join(directory, "origin"));
    const clone = cloneRepository(origin, join(directory, "clone"));
    const before = git(clone, "for-each-ref");
    const baseRef = text.replace("TRACE", trace);
    for (const request of [
      worktree(clone, { baseRef }),
      worktree(clone, { baseRef, fetchBase: true }),
      { ...worktree(clone), repoRef: baseRef },
    ]) {
      await expect(realize({ ...request, issue: issue(1) })).rejects.toMatchObject({
        reason: "BASE_REF_NOT_FOUND",
        metadata: { ref: baseRef },
      });
    }
    expect(git(clone, "for-each-ref")).toBe(before);
    expect(git(clone, "worktree", "list").split("\n")).toHaveLength(1);
    expect(existsSync(trace)).toBe(false);
    for (const { state, directoryCreated } of await store.workspaces.listLive("")) {
      expect({ state, directoryCreated }).toEqual({ state: "FAILED", directoryCreated: false });
    }
  });
});
