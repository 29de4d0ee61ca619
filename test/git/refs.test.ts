import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  countBetween,
  isValidBranchName,
  lookUpBranch,
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

describe("lookUpBranch", () => {
  it("finds the branch, one where a directory is needed, and the reverse", async () => {
    const root = createRepository(temporaryDirectory());
    const tip = git(root, "rev-parse", "HEAD");
    git(root, "branch", "release");
    git(root, "branch", "topic/one");
    git(root, "tag", "topic/two");
    const lookUp = (branch: string) => lookUpBranch(inspector(), root, branch);
    expect(await lookUp("topic/one")).toEqual({ tip });
    expect(await lookUp("release/x")).toEqual({ conflict: "release" });
    expect(await lookUp("topic")).toEqual({ conflict: "topic/one" });
    expect(await lookUp("topic/two")).toEqual({});
    expect(await lookUp("releases")).toEqual({});
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

describe("isValidBranchName, of the usual characters", () => {
  it("says what git says", async () => {
    const root = createRepository(temporaryDirectory());
    const part = fc.constantFrom("a", "B7", ".", "..", "/", "-", "_", ".lock", "lock", "HEAD");
    const names = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join(""));
    await fc.assert(
      fc.asyncProperty(names, async (name) => {
        const git = inspector();
        const { exitCode } = await git.inspect(root, ["check-ref-format", "--branch", name]);
        const theirs = exitCode === 0 && !name.startsWith("-") && name !== "HEAD";
        expect(await isValidBranchName(git, root, name)).toBe(theirs);
      }),
      { numRuns: 200 },
    );
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
