import { mkdirSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createAllowedRoots, isInside } from "../../src/workspaces/allowed-roots.ts";
import { worktreeParent, worktreePath } from "../../src/workspaces/worktree-path.ts";
import { temporaryDirectory } from "../git/fixture.ts";

describe("worktreeParent", () => {
  it.each([
    ["", "", "/repo/.paperclip/worktrees", true],
    ["", "/all/trees", "/all/trees", true],
    ["trees", "/all/trees", "/repo/trees", false],
    ["../trees", "", "/trees", false],
    ["/abs", "", "/abs", false],
    ["~/trees", "", join(homedir(), "trees"), false],
    ["~trees", "", "/repo/~trees", false],
  ])("of %j under the setting %j is %j", (requested, setting, path, isDefault) => {
    expect(worktreeParent("/repo", requested, setting)).toEqual({ path, isDefault });
  });
});

describe("worktreePath", () => {
  it("follows a parent that is a symlink within the roots, and no other way out", async () => {
    const root = temporaryDirectory();
    mkdirSync(join(root, "real"));
    symlinkSync(join(root, "real"), join(root, "link"));
    symlinkSync("/", join(root, "real", "out"));
    const roots = createAllowedRoots([root]);
    expect(await worktreePath(join(root, "link"), "a/b", roots)).toBe(join(root, "real/a/b"));
    await expect(worktreePath(join(root, "link"), "out/etc", roots)).rejects.toMatchObject({
      reason: "PATH_NOT_ALLOWED",
    });
    await expect(worktreePath("/usr", "x", roots)).rejects.toMatchObject({
      reason: "PATH_NOT_ALLOWED",
      metadata: { path: "/usr" },
    });
  });
});

describe("isInside", () => {
  it.each([
    ["/x/project", "/x/project", true],
    ["/x/project/a", "/x/project", true],
    ["/x/project-extended", "/x/project", false],
    ["/x", "/x/project", false],
    ["/x", "/", true],
  ])("%s in %s: %s", (path, directory, expected) => {
    expect(isInside(path, directory)).toBe(expected);
  });
});
