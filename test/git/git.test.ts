import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { gitEnvironment } from "../../src/git/environment.ts";
import { createGit } from "../../src/git/git.ts";
import { createRepository, gitTestEnvironment, inspector, temporaryDirectory } from "./fixture.ts";

describe("inspect", () => {
  it("answers the output and the exit code", async () => {
    const repository = createRepository(temporaryDirectory());
    const git = inspector();
    const branch = await git.inspect(repository, ["symbolic-ref", "--short", "HEAD"]);
    expect(branch).toMatchObject({ exitCode: 0, stdout: "main\n" });
    const missing = await git.inspect(repository, ["show-ref", "--verify", "--quiet", "refs/x"]);
    expect(missing.exitCode).toBe(1);
  });

  it("gives text to standard input", async () => {
    const repository = createRepository(temporaryDirectory());
    const answer = await inspector().inspect(repository, ["hash-object", "--stdin"], "hello\n");
    expect(answer.stdout).toBe("ce013625030ba8dba906f756967f9e9ca394464a\n");
  });

  it("is not led astray by GIT_* of the environment", async () => {
    const repository = createRepository(temporaryDirectory());
    const elsewhere = createRepository(temporaryDirectory());
    const environment = async () => ({
      ...gitTestEnvironment(),
      GIT_DIR: join(elsewhere, ".git"),
      GIT_WORK_TREE: elsewhere,
      GIT_INDEX_FILE: join(elsewhere, "index"),
    });
    const answer = await createGit({ environment }).inspect(repository, [
      "rev-parse",
      "--show-toplevel",
    ]);
    expect(answer.stdout).toBe(`${repository}\n`);
  });

  it("ends a git that takes too long, with what it started", async () => {
    const directory = temporaryDirectory();
    const git = createGit({ environment: slowGit(directory, "sleep 100"), timeoutMs: 100 });
    await expect(git.inspect(directory, ["status"])).rejects.toMatchObject({
      reason: "COMMAND_TIMED_OUT",
    });
  });

  it("ends a git that says too much", async () => {
    const directory = temporaryDirectory();
    const git = createGit({
      environment: slowGit(directory, "yes"),
      maxOutputBytes: 100_000,
    });
    await expect(git.inspect(directory, ["log"])).rejects.toMatchObject({
      reason: "COMMAND_FAILED",
    });
  });

  it("tells a directory that is not there", async () => {
    const missing = join(temporaryDirectory(), "missing");
    await expect(inspector().inspect(missing, ["status"])).rejects.toMatchObject({
      reason: "SPAWN_FAILED",
      metadata: { path: missing },
    });
  });
});

describe("gitEnvironment", () => {
  it("drops GIT_* and asks nobody", () => {
    expect(gitEnvironment({ PATH: "/bin", GIT_DIR: "/x", GIT_ASKPASS: "y", LC_ALL: "de" })).toEqual(
      {
        PATH: "/bin",
        LC_ALL: "C",
        GIT_TERMINAL_PROMPT: "0",
      },
    );
  });
});

/** An environment whose `git` is a shell script. */
function slowGit(directory: string, script: string): () => Promise<Record<string, string>> {
  writeFileSync(join(directory, "git"), `#!/bin/sh\n${script}\n`);
  chmodSync(join(directory, "git"), 0o755);
  return async () => ({ PATH: `${directory}:${process.env.PATH}` });
}
