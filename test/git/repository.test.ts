import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findRepository } from "../../src/git/repository.ts";
import { createRepository, git, inspector, temporaryDirectory } from "./fixture.ts";

const find = (cwd: string) => findRepository(inspector(), cwd);

describe("findRepository", () => {
  it("finds the top level from a directory below it", async () => {
    const root = createRepository(join(temporaryDirectory(), "with blank and ünicode"));
    mkdirSync(join(root, "a/b"), { recursive: true });
    expect(await find(join(root, "a/b"))).toEqual({
      commonDir: join(root, ".git"),
      root,
      gitCwd: root,
    });
  });

  it("leads from a linked worktree to the main checkout", async () => {
    const directory = temporaryDirectory();
    const root = createRepository(join(directory, "main"));
    git(root, "worktree", "add", "--quiet", "-b", "x", join(directory, "linked"));
    expect(await find(join(directory, "linked"))).toMatchObject({ root });
  });

  it("takes the directory that holds a bare repository", async () => {
    const directory = temporaryDirectory();
    createRepository(join(directory, "source"));
    git(directory, "clone", "--quiet", "--bare", "source", "project/.bare");
    const bare = join(directory, "project/.bare");
    expect(await find(bare)).toEqual({
      commonDir: bare,
      root: join(directory, "project"),
      gitCwd: bare,
    });
  });

  it("takes the directory that holds a separate git directory", async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "stores"));
    git(directory, "init", "--quiet", "--separate-git-dir=stores/a.git", "checkout");
    expect(await find(join(directory, "checkout"))).toMatchObject({
      commonDir: join(directory, "stores/a.git"),
      root: join(directory, "stores"),
    });
  });

  it("takes a submodule's own checkout", async () => {
    const directory = temporaryDirectory();
    createRepository(join(directory, "part"));
    const whole = createRepository(join(directory, "whole"));
    git(whole, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../part", "sub");
    expect(await find(join(whole, "sub"))).toMatchObject({ root: join(whole, "sub") });
  });

  it("says what git says outside any repository", async () => {
    expect(await find(temporaryDirectory())).toEqual({
      refusal: expect.stringContaining("not a git repository"),
    });
  });
});
