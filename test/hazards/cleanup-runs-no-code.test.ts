import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { git } from "../git/fixture.ts";
import { startWithWorktree } from "../workspaces/cleanup/fixture.ts";
import { snapshot } from "../workspaces/cleanup/worktree-snapshot.ts";

const HOOKS = [
  ...["post-checkout", "reference-transaction", "post-index-change", "pre-commit", "commit-msg"],
  ...["post-commit", "prepare-commit-msg", "pre-auto-gc", "post-rewrite", "fsmonitor-watchman"],
];

describe("hazard 33: a repository that would run code when looked at", () => {
  it("runs none of it in a dry run or a cleanup, and no more than a realize in a restore", async () => {
    const { cleanup, restore, repo, cwd } = await startWithWorktree({}, { repoHooks: false });
    const trace = join(repo, ".git", "trace");
    const program = join(repo, ".git", "program");
    // Puts through what it gets, as a filter does.
    writeFileSync(program, `#!/bin/sh\necho "$0 $*" >>'${trace}'\ncat\n`, { mode: 0o755 });
    mkdirSync(join(repo, ".git/hooks"), { recursive: true });
    for (const hook of HOOKS) {
      writeFileSync(join(repo, ".git/hooks", hook), `#!/bin/sh\nexec '${program}' ${hook}\n`, {
        mode: 0o755,
      });
    }
    for (const [key, value] of [
      ["core.fsmonitor", program],
      ["core.pager", program],
      ["core.editor", program],
      ["filter.spy.clean", program],
      ["filter.spy.smudge", "cat"],
      ["filter.spy.required", "true"],
      ["diff.spy.textconv", program],
      ["diff.spy.command", program],
      ["diff.external", program],
      ["merge.spy.driver", program],
      ["log.showSignature", "true"],
      ["commit.gpgSign", "true"],
      ["gpg.program", program],
    ] as const) {
      git(repo, "config", key, value);
    }
    const attributes = "* filter=spy diff=spy merge=spy\n";
    appendFileSync(join(repo, ".git/info/attributes"), attributes);
    writeFileSync(join(cwd, ".gitattributes"), attributes);
    writeFileSync(join(cwd, "README.md"), "changed\n");
    utimesSync(join(cwd, "README.md"), 1, 1);
    writeFileSync(join(cwd, "untracked"), "1");
    git(cwd, "status", "--porcelain");
    expect(readFileSync(trace, "utf8")).not.toBe("");
    rmSync(trace);

    await cleanup({ dryRun: true });
    expect(existsSync(trace)).toBe(false);
    const { rescueRef } = await cleanup();
    expect(existsSync(cwd)).toBe(false);
    expect(existsSync(trace)).toBe(false);
    expect(git(repo, "rev-parse", "--verify", rescueRef)).not.toBe("");
    await restore();
    const ran = existsSync(trace) ? readFileSync(trace, "utf8") : "";
    expect(ran.split("\n").filter((line) => HOOKS.some((hook) => line.includes(hook)))).toEqual([]);
    git(repo, "config", "--unset", "core.fsmonitor");
    expect(Object.keys(snapshot(cwd).files)).toEqual(
      expect.arrayContaining([".gitattributes", "README.md", "untracked"]),
    );
  });
});
