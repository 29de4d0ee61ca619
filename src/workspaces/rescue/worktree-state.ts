import { createHash } from "node:crypto";
import { copyFile, lstat, mkdtemp, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RuntimeError } from "../../errors.ts";
import type { Git } from "../../git/git.ts";
import type { Plumbing } from "../../git/plumbing.ts";
import { withoutFilters } from "../../git/status.ts";

export interface StateTools {
  readonly git: Git;
  readonly plumbing: Plumbing;
}

/** What a worktree holds beyond its commit: all that would be lost with its directory. */
export interface WorktreeState {
  /** Absent for a branch without a commit. */
  readonly head?: string;
  /** "" for a detached HEAD. */
  readonly branch: string;
  /** The worktree's own git directory. */
  readonly gitDir: string;
  /**
   * Each path that differs from the commit, in the index or in the tree, as bytes (one character
   * each); a file that is gone or stands in the index only counts too.
   */
  readonly paths: readonly string[];
  /** Tracked files that were told to stay out of the tree (skip-worktree), and do: no change. */
  readonly absent: readonly string[];
  /** Those of them that are submodules. */
  readonly submodules: ReadonlySet<string>;
  /** Tracked files that differ from the commit, staged or not, conflicts included. */
  readonly modifiedFiles: number;
  readonly untrackedFiles: number;
  /** The first ten paths, for people. */
  readonly sample: readonly string[];
  /** Repositories within that nobody committed as submodules. */
  readonly repositories: readonly string[];
  /** Equal as long as nobody changed anything. */
  readonly fingerprint: string;
}

/**
 * Looks at a worktree, with no filter, hook or monitor of the repository's. Changes that were told to
 * hide (assume-unchanged, skip-worktree) are seen too. Throws COMMAND_FAILED where git cannot tell.
 */
export async function readWorktreeState(
  tools: StateTools,
  worktree: string,
): Promise<WorktreeState> {
  const { plumbing, git } = tools;
  await refuseStranger(worktree);
  const gitDir = await textOf(plumbing, worktree, ["rev-parse", "--absolute-git-dir"]);
  const filters = await withoutFilters(git, worktree);
  const { output, skipped } = await withPlainIndex(
    plumbing,
    filters,
    worktree,
    gitDir,
    async (env) => {
      const args = ["--porcelain=v2", "-z", "--branch", "--untracked-files=all", "--no-renames"];
      return await plumbing.read(
        worktree,
        [...filters, "status", ...args, "--ignore-submodules=none"],
        { env },
      );
    },
  );
  const parsed = parseState(output.toString("latin1"), skipped);
  const hash = createHash("sha256").update(output);
  for (const path of parsed.paths) hash.update(await timesOf(worktree, path));
  const { tracked, untracked, ...rest } = parsed;
  return {
    ...rest,
    gitDir,
    modifiedFiles: tracked,
    untrackedFiles: untracked,
    sample: parsed.paths.slice(0, 10).map((path) => Buffer.from(path, "latin1").toString()),
    fingerprint: hash.digest("hex"),
  };
}

/** Where a path of a worktree, given as bytes, lies. */
export function bytesPath(worktree: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${worktree}/`), Buffer.from(path, "latin1")]);
}

/** A worktree has a `.git` of its own; without one, git would speak of whatever lies around it. */
async function refuseStranger(worktree: string): Promise<void> {
  const found = await lstat(join(worktree, ".git")).catch(() => undefined);
  if (found !== undefined && !found.isSymbolicLink()) return;
  const message = `"${worktree}" is no worktree: it has no .git of its own`;
  throw new RuntimeError("COMMAND_FAILED", message, { metadata: { path: worktree } });
}

/**
 * Works on a copy of the index in which no entry hides its changes. `skipped`: entries that were told
 * to stay out of the tree, so that their absence is no deletion.
 */
async function withPlainIndex(
  plumbing: Plumbing,
  filters: readonly string[],
  worktree: string,
  gitDir: string,
  look: (env: Readonly<Record<string, string>>) => Promise<Buffer>,
): Promise<{ output: Buffer; skipped: ReadonlySet<string> }> {
  const listed = await plumbing.read(worktree, ["ls-files", "-v", "-z"]);
  const entries = listed.toString("latin1").split("\0");
  const assumed = entries.filter((entry) => /^[a-z] /.test(entry)).map(pathAfterTag);
  const skipped = entries.filter((entry) => /^[Ss] /.test(entry)).map(pathAfterTag);
  if (assumed.length + skipped.length === 0) return { output: await look({}), skipped: new Set() };
  const directory = await mkdtemp(join(tmpdir(), "workspace-runtime-"));
  try {
    const env = { GIT_INDEX_FILE: join(directory, "index") };
    await copyFile(join(gitDir, "index"), env.GIT_INDEX_FILE);
    for (const [option, paths] of [
      ["--no-assume-unchanged", assumed],
      ["--no-skip-worktree", skipped],
    ] as const) {
      if (paths.length === 0) continue;
      // A change of the very second in which an entry was written shows in no time, and of a hidden
      // entry git never looks for it: an old index makes it read all files again.
      await utimes(env.GIT_INDEX_FILE, 1, 1);
      const input = Buffer.from(paths.map((path) => `${path}\0`).join(""), "latin1");
      const args = [...filters, "update-index", option, "-z", "--stdin"];
      await plumbing.read(worktree, args, { env, input });
    }
    await utimes(env.GIT_INDEX_FILE, 1, 1);
    return { output: await look(env), skipped: new Set(skipped) };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function pathAfterTag(entry: string): string {
  return entry.slice(2);
}

/** Blank-separated fields before the path, by kind of entry. */
const FIELDS_BEFORE_PATH: Readonly<Record<string, number>> = { "1": 8, u: 10, "?": 1 };

/** Reads `git status --porcelain=v2 -z --branch --no-renames`, one character a byte. */
export function parseState(output: string, skipped: ReadonlySet<string> = new Set()) {
  const absent: string[] = [];
  const paths = new Set<string>();
  const submodules = new Set<string>();
  const repositories = new Set<string>();
  let head: string | undefined;
  let branch = "";
  let tracked = 0;
  let untracked = 0;
  for (const entry of output.split("\0")) {
    const fields = entry.split(" ");
    const kind = fields[0] ?? "";
    if (kind === "#") {
      const value = fields.slice(2).join(" ");
      if (fields[1] === "branch.oid" && value !== "(initial)") head = value;
      if (fields[1] === "branch.head" && value !== "(detached)") branch = value;
      continue;
    }
    const before = FIELDS_BEFORE_PATH[kind];
    if (before === undefined) continue;
    const path = fields.slice(before).join(" ");
    const [, changes = "", submodule = ""] = fields;
    if (kind === "1" && changes === ".D" && skipped.has(path)) {
      absent.push(path);
      continue;
    }
    if (kind === "?") untracked += 1;
    else tracked += 1;
    // A repository that nobody committed is told as a directory.
    if (kind === "?" && path.endsWith("/")) repositories.add(path.slice(0, -1));
    else paths.add(path);
    if (kind !== "?" && submodule.startsWith("S")) submodules.add(path);
  }
  return {
    ...(head === undefined ? {} : { head }),
    branch: Buffer.from(branch, "latin1").toString(),
    paths: [...paths],
    absent,
    submodules,
    repositories: [...repositories].map((path) => Buffer.from(path, "latin1").toString()),
    tracked,
    untracked,
  };
}

async function timesOf(worktree: string, path: string): Promise<string> {
  try {
    const { mode, size, mtimeNs, ctimeNs } = await lstat(bytesPath(worktree, path), {
      bigint: true,
    });
    return `${path}\0${mode} ${size} ${mtimeNs} ${ctimeNs}\0`;
  } catch {
    return `${path}\0\0`;
  }
}

export async function textOf(
  plumbing: Plumbing,
  cwd: string,
  args: readonly string[],
): Promise<string> {
  return (await plumbing.read(cwd, args)).toString().replace(/\n$/, "");
}

/** The commits that a commit stands on, in their order. */
export async function parentsOf(
  plumbing: Plumbing,
  cwd: string,
  revision: string,
): Promise<string[]> {
  const args = ["rev-list", "--parents", "--max-count=1", "--end-of-options", revision];
  return (await textOf(plumbing, cwd, args)).split(" ").slice(1);
}
