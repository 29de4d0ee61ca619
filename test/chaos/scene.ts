import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPostgresCluster } from "../support/postgres-cluster.ts";
import type { ChaosOptions } from "./options.ts";

/** Where it plays: a repository with an origin, a plain directory, a data directory, a database. */
export interface Scene {
  readonly directory: string;
  readonly dataDir: string;
  /** A clone of `origin`, in which worktrees are made. */
  readonly repository: string;
  /** For what lives through everything: no worktree. */
  readonly plain: string;
  /** Further arguments of each server. */
  readonly args: readonly string[];
  /** Removes it all, or everything but the directory, to be looked at. */
  close(keep: boolean): Promise<void>;
}

export async function createScene({ database }: Pick<ChaosOptions, "database">): Promise<Scene> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "wsrt-chaos-")));
  const place = (name: string) => join(directory, name);
  const origin = place("origin");
  mkdirSync(origin);
  git(origin, "init", "--quiet", "--initial-branch=main");
  for (let i = 0; i < 20; i += 1) writeFileSync(join(origin, `file-${i}.txt`), `line ${i}\n`);
  git(origin, "add", ".");
  git(origin, "commit", "--quiet", "--message", "begin");
  git(directory, "clone", "--quiet", origin, place("repository"));
  mkdirSync(place("plain"));
  const cluster = database === "postgres" ? await createPostgresCluster() : undefined;
  return {
    directory,
    dataDir: place("data"),
    repository: place("repository"),
    plain: place("plain"),
    args: [
      ...["--allow-root", directory],
      ...(cluster === undefined ? [] : ["--database-url", cluster.url]),
    ],
    async close(keep) {
      await cluster?.remove();
      if (!keep) rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Runs git with no one's configuration; answers what it prints. */
export function git(cwd: string, ...args: string[]): string {
  return execFileSync("git", args, {
    cwd,
    env: {
      PATH: process.env.PATH ?? "",
      HOME: "/nonexistent",
      GIT_CONFIG_NOSYSTEM: "1",
      ...{ GIT_AUTHOR_NAME: "Author", GIT_AUTHOR_EMAIL: "author@example.test" },
      ...{ GIT_COMMITTER_NAME: "Committer", GIT_COMMITTER_EMAIL: "committer@example.test" },
    },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}
