import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { git } from "../git/fixture.ts";
import { issue, startWithRepository, worktree } from "../workspaces/fixture.ts";

describe("hazard 29: realizes at once in one repository", () => {
  it("20, of which 5 for one issue: no error, 16 worktrees, provision once for the five", async () => {
    const { realize, repo, directory } = await startWithRepository();
    const ran = join(directory, "ran");
    const provisionCommand = `echo "$PAPERCLIP_ISSUE_ID" >>'${ran}'`;
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        realize({
          ...worktree(repo, { provisionCommand }),
          issue: issue(Math.max(0, index - 4)),
          runId: `run-${index}`,
        }),
      ),
    );
    expect(new Set(results.map(({ workspace }) => workspace.cwd)).size).toBe(16);
    expect(results.filter(({ created }) => created)).toHaveLength(16);
    expect(new Set(results.map(({ workspace }) => workspace.state))).toEqual(new Set(["ACTIVE"]));
    const provisioned = readFileSync(ran, "utf8").trim().split("\n");
    expect(provisioned.sort()).toEqual(
      Array.from({ length: 16 }, (_, index) => `issue-${index}`).sort(),
    );
    expect(git(repo, "worktree", "list").split("\n")).toHaveLength(17);
    expect(git(repo, "status", "--porcelain")).toBe("");
  });
});
