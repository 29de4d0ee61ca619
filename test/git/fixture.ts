import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { createGit, type Git } from "../../src/git/git.ts";

/** A directory of this test alone, removed when it ends. Its path holds no symlink. */
export function temporaryDirectory(): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "wsrt-git-")));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }));
  return directory;
}

/** The environment of the tests' own git: no configuration of the machine's owner. */
export function gitTestEnvironment(): Record<string, string> {
  return {
    PATH: process.env.PATH ?? "",
    HOME: "/nonexistent",
    LC_ALL: "C",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_AUTHOR_NAME: "Author",
    GIT_AUTHOR_EMAIL: "author@example.test",
    GIT_COMMITTER_NAME: "Committer",
    GIT_COMMITTER_EMAIL: "committer@example.test",
  };
}

/** Runs git as a person would; answers its output without the last newline. */
export function git(cwd: string, ...args: string[]): string {
  const output = execFileSync("git", args, {
    cwd,
    env: gitTestEnvironment(),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  return output.replace(/\n$/, "");
}

/** A repository on branch `main` with one commit. */
export function createRepository(path: string): string {
  mkdirSync(path, { recursive: true });
  git(path, "init", "--quiet", "--initial-branch=main");
  commitFile(path, "README.md", "hello\n");
  return path;
}

/** A clone of `origin`, whose `origin/HEAD` is set. */
export function cloneRepository(origin: string, path: string): string {
  git(dirname(path), "clone", "--quiet", origin, path);
  return path;
}

/** Commits one file and answers the commit. */
export function commitFile(repository: string, name: string, content: string): string {
  mkdirSync(dirname(join(repository, name)), { recursive: true });
  writeFileSync(join(repository, name), content);
  git(repository, "add", "--", name);
  git(repository, "commit", "--quiet", "--message", `change ${name}`);
  return git(repository, "rev-parse", "HEAD");
}

/** The git under test, with the tests' environment. */
export function inspector(options: { timeoutMs?: number; maxOutputBytes?: number } = {}): Git {
  return createGit({ environment: async () => gitTestEnvironment(), ...options });
}
