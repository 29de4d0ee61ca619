import { appendFileSync, chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readStatus } from "../../src/git/status.ts";
import { commitFile, createRepository, git, inspector, temporaryDirectory } from "./fixture.ts";

const read = (worktree: string) => readStatus(inspector(), worktree);

describe("readStatus", () => {
  it("counts nothing in a clean checkout", async () => {
    const root = createRepository(temporaryDirectory());
    expect(await read(root)).toEqual({ modifiedFiles: 0, untrackedFiles: 0, sample: [] });
  });

  it("counts modified, staged, deleted and untracked files, not ignored ones", async () => {
    const root = createRepository(temporaryDirectory());
    commitFile(root, ".gitignore", "ignored\n");
    commitFile(root, "name with blank", "1");
    commitFile(root, "gone", "1");
    writeFileSync(join(root, "name with blank"), "2");
    git(root, "rm", "--quiet", "gone");
    writeFileSync(join(root, "new\nfile"), "1");
    writeFileSync(join(root, "ignored"), "1");
    const status = await read(root);
    expect(status).toMatchObject({ modifiedFiles: 2, untrackedFiles: 1 });
    expect([...status.sample].sort()).toEqual(["gone", "name with blank", "new\nfile"]);
  });

  it("runs nothing that the repository names: no monitor, hook or filter", async () => {
    const root = createRepository(temporaryDirectory());
    const trace = join(root, ".git", "ran");
    const program = join(root, ".git", "program");
    writeFileSync(program, `#!/bin/sh\necho "$0" >>'${trace}'\ncat\n`);
    chmodSync(program, 0o755);
    git(root, "config", "core.fsmonitor", program);
    git(root, "config", "core.hooksPath", join(root, ".git"));
    git(root, "config", "filter.evil.clean", program);
    git(root, "config", "filter.evil.required", "true");
    writeFileSync(join(root, ".git", "info", "attributes"), "* filter=evil\n");
    appendFileSync(join(root, "README.md"), "more\n");
    expect(await read(root)).toMatchObject({ modifiedFiles: 1 });
    expect(existsSync(trace)).toBe(false);
  });
});
