import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { listWorktrees } from "../../src/git/worktree-list.ts";
import { createRepository, git, inspector, temporaryDirectory } from "./fixture.ts";

describe("listWorktrees", () => {
  it("tells main, linked, detached, locked and gone ones apart", async () => {
    const directory = temporaryDirectory();
    const root = createRepository(join(directory, "main"));
    const head = git(root, "rev-parse", "HEAD");
    const odd = join(directory, "line\nbreak");
    git(root, "worktree", "add", "--quiet", "-b", "feature/odd", odd);
    git(root, "worktree", "add", "--quiet", "--detach", join(directory, "detached"));
    git(root, "worktree", "lock", "--reason", "on a stick", join(directory, "detached"));
    git(root, "worktree", "add", "--quiet", "-b", "gone", join(directory, "gone"));
    rmSync(join(directory, "gone"), { recursive: true });

    const list = await listWorktrees(inspector(), root);
    expect(list).toHaveLength(4);
    expect(list[0]).toEqual({ path: root, isMain: true, head, branch: "main" });
    expect(list).toContainEqual({ path: odd, isMain: false, head, branch: "feature/odd" });
    expect(list).toContainEqual({
      path: join(directory, "detached"),
      isMain: false,
      head,
      locked: "on a stick",
    });
    expect(list).toContainEqual({
      path: join(directory, "gone"),
      isMain: false,
      head,
      branch: "gone",
      prunable: expect.any(String),
    });
  });

  it("lists a bare repository as the main one, without a commit", async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "bare"));
    git(join(directory, "bare"), "init", "--quiet", "--bare");
    const list = await listWorktrees(inspector(), join(directory, "bare"));
    expect(list).toEqual([{ path: join(directory, "bare"), isMain: true }]);
  });
});
