import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { resolveBase } from "../../src/git/base-ref.ts";
import {
  cloneRepository,
  commitFile,
  createRepository,
  git,
  inspector,
  temporaryDirectory,
} from "./fixture.ts";

const resolve = (root: string, asked: string) => resolveBase(inspector(), root, asked);

describe("resolveBase", () => {
  it("detects origin's default branch", async () => {
    const directory = temporaryDirectory();
    const origin = createRepository(join(directory, "origin"));
    git(origin, "branch", "--move", "main", "trunk");
    const clone = cloneRepository(origin, join(directory, "clone"));
    const commit = git(clone, "rev-parse", "HEAD");
    expect(await resolve(clone, "")).toEqual({ ref: "origin/trunk", commit });
  });

  it("detects origin/main, then origin/master, when origin names no default", async () => {
    const directory = temporaryDirectory();
    const origin = createRepository(join(directory, "origin"));
    git(origin, "branch", "master");
    const clone = cloneRepository(origin, join(directory, "clone"));
    git(clone, "remote", "set-head", "origin", "--delete");
    expect(await resolve(clone, "")).toMatchObject({ ref: "origin/main" });
    git(clone, "update-ref", "-d", "refs/remotes/origin/main");
    expect(await resolve(clone, "")).toMatchObject({ ref: "origin/master" });
  });

  it("skips a default of origin that is gone", async () => {
    const directory = temporaryDirectory();
    const clone = cloneRepository(
      createRepository(join(directory, "origin")),
      join(directory, "clone"),
    );
    git(clone, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/gone");
    expect(await resolve(clone, "")).toMatchObject({ ref: "origin/main" });
  });

  it("detects HEAD without an origin", async () => {
    const root = createRepository(temporaryDirectory());
    expect(await resolve(root, "")).toEqual({
      ref: "HEAD",
      commit: git(root, "rev-parse", "HEAD"),
    });
  });

  it("takes origin's branch, not a stale local one of that name", async () => {
    const directory = temporaryDirectory();
    const origin = createRepository(join(directory, "origin"));
    const clone = cloneRepository(origin, join(directory, "clone"));
    const newer = commitFile(origin, "a", "1");
    git(clone, "fetch", "--quiet");
    for (const asked of ["main", "refs/heads/main", "origin/main"]) {
      expect(await resolve(clone, asked)).toEqual({ ref: "origin/main", commit: newer });
    }
  });

  it("takes local branches, tags and commits as they are", async () => {
    const root = createRepository(temporaryDirectory());
    const commit = git(root, "rev-parse", "HEAD");
    git(root, "tag", "v1");
    for (const asked of ["main", "v1", commit, "HEAD"]) {
      expect(await resolve(root, asked)).toEqual({ ref: asked, commit });
    }
  });

  it.each(["--lock", "--force", "-b x", "nowhere", "line\nbreak", "HEAD:README.md"])(
    "refuses %j",
    async (asked) => {
      const root = createRepository(temporaryDirectory());
      await expect(resolve(root, asked)).rejects.toMatchObject({ reason: "BASE_REF_NOT_FOUND" });
    },
  );

  it("refuses a repository without a commit", async () => {
    const root = temporaryDirectory();
    git(root, "init", "--quiet");
    await expect(resolve(root, "")).rejects.toMatchObject({ reason: "BASE_REF_NOT_FOUND" });
  });
});
