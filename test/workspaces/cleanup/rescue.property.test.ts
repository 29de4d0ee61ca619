import { existsSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { createRepository, git } from "../../git/fixture.ts";
import { issue, startWorkspaces, worktree } from "../fixture.ts";
import { endings } from "./fixture.ts";
import { carryOut, generatedWork } from "./generated-work.ts";
import { snapshot } from "./worktree-snapshot.ts";

const numRuns = process.env.TEST_FULL ? 200 : 20;

it("cleanup and restore give back the identical tree and status, whatever was left", {
  timeout: numRuns * 20_000,
}, async () => {
  const { realize, directory, workspaces } = await startWorkspaces();
  let number = 0;
  await fc.assert(
    fc.asyncProperty(generatedWork, async ({ history, work, conflict, detached }) => {
      number += 1;
      const repo = createRepository(join(directory, `repo-${number}`));
      carryOut(repo, [...history, { do: "stage-all" }, { do: "commit" }]);
      git(repo, "reset", "--quiet", "--hard");
      const { workspace } = await realize({ ...worktree(repo), issue: issue(number) });
      const { cwd, workspaceId } = workspace;
      if (detached) git(cwd, "checkout", "--quiet", "--detach");
      if (conflict) beginConflict(repo, cwd);
      carryOut(cwd, work);
      const before = snapshot(cwd);

      const { cleanup, restore } = endings(workspaces, workspaceId);
      const cleaned = await cleanup();
      expect(cleaned).toMatchObject({ cleaned: true, workspace: { state: "ARCHIVED" } });
      expect(existsSync(cwd)).toBe(false);
      await restore();
      const after = snapshot(cwd);
      if (cleaned.rescueRef !== "") expect(after).toEqual(before);
      else expect(whatIsCommitted(after, before)).toEqual(whatIsCommitted(before, before));
    }),
    { numRuns },
  );
});

type Snapshot = ReturnType<typeof snapshot>;

/**
 * With nothing to save, a clean worktree comes back on its branch, wherever its HEAD was, and without
 * the index's flags, which kept files out of the tree.
 */
function whatIsCommitted({ files, status, index }: Snapshot, before: Snapshot) {
  const skipped = before.index
    .filter((line) => line.startsWith("S "))
    .map((line) => line.split("\t")[1]);
  return {
    files: Object.fromEntries(Object.entries(files).filter(([path]) => !skipped.includes(path))),
    status: status.filter((line) => !line.startsWith("# branch.head ")),
    index: index.map((line) => line.slice(2)),
  };
}

function beginConflict(repo: string, cwd: string): void {
  carryOut(cwd, [
    { do: "write", path: "README.md", content: "ours\n", mode: 0o644 },
    { do: "stage-all" },
    { do: "commit" },
  ]);
  carryOut(repo, [
    { do: "write", path: "README.md", content: "theirs\n", mode: 0o644 },
    { do: "stage-all" },
    { do: "commit" },
  ]);
  try {
    git(cwd, "merge", "--quiet", "main");
  } catch {
    // That it stops is the point.
  }
}
