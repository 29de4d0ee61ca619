import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  countBetween,
  findBranchConflict,
  isValidBranchName,
  resolveCommits,
} from "../../src/git/refs.ts";
import { commitFile, createRepository, git, inspector, temporaryDirectory } from "./fixture.ts";

describe("resolveCommits", () => {
  it("resolves what names a commit and leaves out the rest", async () => {
    const root = createRepository(temporaryDirectory());
    const head = git(root, "rev-parse", "HEAD");
    git(root, "tag", "--annotate", "--message", "one", "v1");
    const blob = git(root, "rev-parse", "HEAD:README.md");
    const commits = await resolveCommits(inspector(), root, [
      "missing",
      "v1",
      "refs/heads/main",
      blob,
      "--lock",
      "line\nbreak",
      "",
      head.slice(0, 12),
    ]);
    expect(Object.fromEntries(commits)).toEqual({
      v1: head,
      "refs/heads/main": head,
      [head.slice(0, 12)]: head,
    });
  });
});

describe("findBranchConflict", () => {
  it("finds a branch where a directory is needed, and the reverse", async () => {
    const root = createRepository(temporaryDirectory());
    git(root, "branch", "release");
    git(root, "branch", "topic/one");
    const conflict = (branch: string) => findBranchConflict(inspector(), root, branch);
    expect(await conflict("release/x")).toBe("release");
    expect(await conflict("topic")).toBe("topic/one");
    expect(await conflict("topic/two")).toBeUndefined();
    expect(await conflict("releases")).toBeUndefined();
  });
});

describe("isValidBranchName", () => {
  it.each([
    ["feature/a.b-c_1", true],
    ["HEAD", false],
    ["", false],
    ["-x", false],
    ["a..b", false],
    ["a.lock", false],
    ["a.lock/b", false],
    ["a//b", false],
    ["a/.b", false],
  ])("says of %j %s", async (name, expected) => {
    const root = createRepository(temporaryDirectory());
    expect(await isValidBranchName(inspector(), root, name)).toBe(expected);
  });
});

describe("countBetween", () => {
  it("counts both ways", async () => {
    const directory = temporaryDirectory();
    const root = createRepository(join(directory, "main"));
    git(root, "checkout", "--quiet", "-b", "topic");
    const topic = commitFile(root, "a", "1");
    git(root, "checkout", "--quiet", "main");
    commitFile(root, "b", "1");
    const main = commitFile(root, "b", "2");
    expect(await countBetween(inspector(), root, topic, main)).toEqual({ ahead: 1, behind: 2 });
  });
});
