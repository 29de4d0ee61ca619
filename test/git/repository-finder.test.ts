import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Git } from "../../src/git/git.ts";
import { createRepositoryFinder } from "../../src/git/repository-finder.ts";
import { createRepository, git, inspector, temporaryDirectory } from "./fixture.ts";

describe("the repository finder", () => {
  it("asks git once about a main checkout, by whatever path", async () => {
    const { finder, asked, root, directory } = start();
    symlinkSync(root, join(directory, "link"));
    const first = await finder.find(root);
    expect(first).toMatchObject({ root, commonDir: join(root, ".git") });
    expect(await finder.find(join(directory, "link"))).toEqual(first);
    expect(asked()).toBe(1);
  });

  it("asks again about one that is gone or has become another's worktree", async () => {
    const { finder, root, directory } = start();
    const other = createRepository(join(directory, "other"));
    await finder.find(root);
    rmSync(root, { recursive: true });
    git(other, "worktree", "add", "--quiet", root);
    expect(await finder.find(root)).toMatchObject({ root: other });
    rmSync(root, { recursive: true });
    await expect(finder.find(root)).rejects.toMatchObject({ reason: "SPAWN_FAILED" });
  });

  it("asks each time about everything else", async () => {
    const { finder, asked, root, directory } = start();
    const linked = join(directory, "linked");
    git(root, "worktree", "add", "--quiet", linked);
    for (const cwd of [linked, linked, join(root, ".git"), join(root, ".git"), directory]) {
      await finder.find(cwd);
    }
    expect(asked()).toBeGreaterThanOrEqual(5);
  });
});

function start() {
  const directory = temporaryDirectory();
  const root = createRepository(join(directory, "repo"));
  const real = inspector();
  let count = 0;
  const counting: Git = {
    inspect(...question) {
      count += 1;
      return real.inspect(...question);
    },
  };
  return { finder: createRepositoryFinder(counting), asked: () => count, root, directory };
}
