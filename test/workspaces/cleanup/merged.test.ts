import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createPlumbing } from "../../../src/git/plumbing.ts";
import { compareWithBase } from "../../../src/workspaces/cleanup/merged.ts";
import {
  commitFile,
  createRepository,
  git,
  gitTestEnvironment,
  inspector,
  temporaryDirectory,
} from "../../git/fixture.ts";

/** A repository whose branch `work` left main at a file of twenty lines. */
function startBranch() {
  const repo = createRepository(join(temporaryDirectory(), "repo"));
  commitFile(repo, "file", lines());
  git(repo, "switch", "--quiet", "--create", "work");
  return repo;
}

function lines(change: Readonly<Record<number, string>> = {}): string {
  return Array.from({ length: 20 }, (_, at) => `${change[at] ?? `line ${at}`}\n`).join("");
}

async function isMerged(repo: string): Promise<boolean> {
  const plumbing = createPlumbing({
    environment: async () => gitTestEnvironment(),
    timeoutMs: 60_000,
  });
  const tools = { git: inspector(), plumbing };
  const [tip, base] = ["work", "main"].map((branch) => git(repo, "rev-parse", branch));
  return (await compareWithBase(tools, repo, tip ?? "", base ?? "")).merged;
}

describe("a branch is merged when its base has", () => {
  it("its tip", async () => {
    const repo = startBranch();
    commitFile(repo, "new", "1");
    expect(await isMerged(repo)).toBe(false);
    git(repo, "switch", "--quiet", "main");
    git(repo, "merge", "--quiet", "--no-ff", "work");
    expect(await isMerged(repo)).toBe(true);
  });

  it("its changes squashed into one commit", async () => {
    const repo = startBranch();
    commitFile(repo, "file", lines({ 2: "changed" }));
    commitFile(repo, "new", "1");
    git(repo, "switch", "--quiet", "main");
    git(repo, "merge", "--quiet", "--squash", "work");
    git(repo, "commit", "--quiet", "--message", "squashed");
    expect(await isMerged(repo)).toBe(true);
  });

  it("them squashed, and the same files changed before and after", async () => {
    const repo = startBranch();
    commitFile(repo, "file", lines({ 2: "changed" }));
    commitFile(repo, "new", "1");
    git(repo, "switch", "--quiet", "main");
    commitFile(repo, "file", lines({ 15: "before" }));
    git(repo, "merge", "--quiet", "--squash", "work");
    git(repo, "commit", "--quiet", "--message", "squashed");
    commitFile(repo, "file", lines({ 2: "changed", 15: "after" }));
    expect(await isMerged(repo)).toBe(true);
  });

  it("its commits rebased, one by one", async () => {
    const repo = startBranch();
    commitFile(repo, "file", lines({ 2: "changed" }));
    commitFile(repo, "new", "1");
    git(repo, "switch", "--quiet", "main");
    commitFile(repo, "file", lines({ 15: "before" }));
    git(repo, "cherry-pick", "main..work");
    commitFile(repo, "new", "2");
    expect(await isMerged(repo)).toBe(true);
  });

  it("binary files as they are there", async () => {
    const repo = startBranch();
    writeFileSync(join(repo, "binary"), Buffer.from([0, 1, 2]));
    git(repo, "add", "binary");
    git(repo, "commit", "--quiet", "--message", "binary");
    commitFile(repo, "file", lines({ 2: "changed" }));
    git(repo, "switch", "--quiet", "main");
    commitFile(repo, "file", lines({ 15: "before" }));
    git(repo, "merge", "--quiet", "--squash", "work");
    git(repo, "commit", "--quiet", "--message", "squashed");
    expect(await isMerged(repo)).toBe(true);
  });
});

describe("a branch is not merged when its base", () => {
  it("has only some of it", async () => {
    const repo = startBranch();
    commitFile(repo, "file", lines({ 2: "changed" }));
    commitFile(repo, "new", "1");
    git(repo, "switch", "--quiet", "main");
    git(repo, "cherry-pick", "work~1");
    expect(await isMerged(repo)).toBe(false);
  });

  it("has the same but for blanks, or another binary file", async () => {
    const repo = startBranch();
    commitFile(repo, "file", lines({ 2: "    indented" }));
    git(repo, "switch", "--quiet", "main");
    commitFile(repo, "file", lines({ 2: "  indented" }));
    expect(await isMerged(repo)).toBe(false);

    const other = startBranch();
    for (const [branch, byte] of [
      ["work", 1],
      ["main", 2],
    ] as const) {
      git(other, "switch", "--quiet", branch);
      writeFileSync(join(other, "binary"), Buffer.from([0, byte]));
      git(other, "add", "binary");
      git(other, "commit", "--quiet", "--message", "binary");
    }
    expect(await isMerged(other)).toBe(false);
  });

  it("went another way", async () => {
    const repo = startBranch();
    commitFile(repo, "new", "1");
    git(repo, "switch", "--quiet", "main");
    commitFile(repo, "other", "1");
    expect(await isMerged(repo)).toBe(false);
  });

  it("has nothing in common with it", async () => {
    const repo = startBranch();
    git(repo, "switch", "--quiet", "--orphan", "stranger");
    commitFile(repo, "own", "1");
    git(repo, "branch", "--force", "work", "stranger");
    expect(await isMerged(repo)).toBe(false);
  });
});
