import type { Stats } from "node:fs";
import { copyFile, lstat, mkdtemp, readdir, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withoutFilters } from "../../git/status.ts";
import { encodePaths, type RescuedPath, rescueMessage } from "./rescue-record.ts";
import { bytesPath, type StateTools, type WorktreeState } from "./worktree-state.ts";

export interface SaveRequest {
  readonly workspaceId: string;
  readonly worktree: string;
  readonly state: WorktreeState;
  /** Epoch ms. */
  readonly time: number;
}

/** What git keeps beside the index while a merge, rebase or the like goes on. */
const UNDER_WAY = [
  "MERGE_HEAD",
  "MERGE_MODE",
  "MERGE_MSG",
  "CHERRY_PICK_HEAD",
  "REVERT_HEAD",
  "SQUASH_MSG",
  "rebase-merge",
  "rebase-apply",
  "sequencer",
];

/**
 * Writes the full state of a worktree as a commit and answers it; the caller names it by a ref. Neither
 * the index nor the tree is touched, and contents are taken as they are, without filters.
 *
 * The commit's tree is the worktree (tracked and untracked, not ignored). Its first parent is HEAD.
 * Its last parent holds what a tree cannot: `index` (git's own file, with staged, conflicting and
 * flagged entries), `staged` and `conflicts` (so that git keeps the blobs that the index names), `paths`
 * (see rescue-record.ts) and `git` (a merge or rebase under way).
 */
export async function saveRescue(
  { git, plumbing }: StateTools,
  request: SaveRequest,
): Promise<string> {
  const { worktree, state, workspaceId, time } = request;
  const directory = await mkdtemp(join(tmpdir(), "workspace-runtime-"));
  const read = (args: readonly string[], options = {}) => plumbing.read(worktree, args, options);
  const index = (name: string) => ({ GIT_INDEX_FILE: join(directory, name) });
  try {
    const paths = await readPaths();
    await takeIndex();
    const staged = await writeStaged();
    const tree = await writeTree(paths, staged.staged);
    const last = await commit(await writeKeptTree(paths, staged), [], "State of the index\n");
    const message = rescueMessage({
      workspaceId,
      branch: state.branch,
      head: state.head ?? "",
      changedFiles: state.paths.length,
    });
    return await commit(tree, [...(state.head === undefined ? [] : [state.head]), last], message);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }

  async function readPaths(): Promise<RescuedPath[]> {
    const found: (Omit<RescuedPath, "blob"> & { source?: Buffer })[] = [];
    const isDirectory = createDirectoryCheck(worktree);
    for (const path of [...state.paths, ...state.absent]) {
      if (state.submodules.has(path)) continue;
      const file = bytesPath(worktree, path);
      // Behind a symlink lies another place: the tracked file itself is gone.
      const stats = (await isDirectory(parentOf(path))) ? await statsOf(file) : undefined;
      if (stats?.isFile()) {
        const permissions = stats.mode & 0o777;
        found.push({ path, kind: "file", permissions, source: Buffer.from(path, "latin1") });
      } else if (stats?.isSymbolicLink()) {
        const target = join(directory, `link-${found.length}`);
        await writeFile(target, await readlink(file, { encoding: "buffer" }));
        found.push({ path, kind: "symlink", permissions: 0, source: Buffer.from(target) });
      } else found.push({ path, kind: "gone", permissions: 0 });
    }
    const sources = found.flatMap(({ source }) => (source === undefined ? [] : [source]));
    const blobs = await writeBlobs(sources);
    return found.map(({ source, ...entry }) => ({
      ...entry,
      blob: source === undefined ? "" : (blobs.shift() ?? ""),
    }));
  }

  /** Of files, without any conversion; relative names are the worktree's. */
  async function writeBlobs(files: readonly Buffer[]): Promise<string[]> {
    if (files.length === 0) return [];
    const input = `${files.map(quotePath).join("\n")}\n`;
    const output = await read(["hash-object", "-w", "--no-filters", "--stdin-paths"], { input });
    return output.toString().trimEnd().split("\n");
  }

  /** One file of its own, whatever the repository's way to split it or to speed it up. */
  async function takeIndex(): Promise<void> {
    const isThere = await copyFile(join(state.gitDir, "index"), join(directory, "index")).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return false;
        throw error;
      },
    );
    const env = index("index");
    if (!isThere) await read(["read-tree", "--empty"], { env });
    const plain = ["--no-split-index", "--no-untracked-cache", "--no-fsmonitor"];
    const filters = await withoutFilters(git, worktree);
    await read([...filters, "update-index", ...plain, "--force-write-index"], { env });
  }

  /** Trees of what the index holds: what is staged, and the sides of each conflict. */
  async function writeStaged(): Promise<{ staged: string; conflicts?: string }> {
    // An entry that is only intended to be added names this blob, though nobody may have written it.
    await read(["hash-object", "-w", "--stdin"]);
    const entries = (await read(["ls-files", "--stage", "-z"], { env: index("index") }))
      .toString("latin1")
      .split("\0")
      .map((entry) => /^(\d+) ([0-9a-f]+) ([0-3])\t([\s\S]*)$/.exec(entry))
      .filter((match) => match !== null)
      .map(([, mode = "", blob = "", stage = "", path = ""]) => ({ mode, blob, stage, path }));
    const lines = (list: typeof entries, prefix: (stage: string) => string) =>
      list.map(({ mode, blob, stage, path }) => `${mode} ${blob} 0\t${prefix(stage)}${path}\0`);
    const isStaged = ({ stage }: { stage: string }) => stage === "0";
    const staged = await treeOf(
      "staged",
      lines(entries.filter(isStaged), () => ""),
    );
    const conflicting = entries.filter((entry) => !isStaged(entry));
    if (conflicting.length === 0) return { staged };
    return {
      staged,
      conflicts: await treeOf(
        "conflicts",
        lines(conflicting, (stage) => `${stage}/`),
      ),
    };
  }

  /** The worktree: what is staged, and over it what stands in the tree. */
  async function writeTree(paths: readonly RescuedPath[], staged: string): Promise<string> {
    // As long as the repository's hashes are.
    const nothing = "0".repeat(staged.length);
    const gone = paths.map(({ path }) => `0 ${nothing}\t${path}\0`);
    const there = paths
      .filter(({ kind }) => kind !== "gone")
      .map(({ kind, permissions, blob, path }) => {
        const fileMode = (permissions & 0o100) === 0 ? "100644" : "100755";
        return `${kind === "symlink" ? "120000" : fileMode} ${blob} 0\t${path}\0`;
      });
    return await treeOf("staged", [...gone, ...there]);
  }

  async function writeKeptTree(
    paths: readonly RescuedPath[],
    { staged, conflicts }: { staged: string; conflicts?: string },
  ): Promise<string> {
    const record = join(directory, "paths");
    await writeFile(record, encodePaths(paths));
    const underWay = await filesUnderWay();
    const files = [
      { name: "index", file: join(directory, "index") },
      { name: "paths", file: record },
      ...underWay.map((name) => ({ name: `git/${name}`, file: join(state.gitDir, name) })),
    ];
    const blobs = await writeBlobs(files.map(({ file }) => Buffer.from(file)));
    const lines = files.map(({ name }, at) => `100644 ${blobs[at]} 0\t${name}\0`);
    await treeOf("kept", lines);
    await read(["read-tree", "--prefix=staged/", staged], { env: index("kept") });
    if (conflicts !== undefined) {
      await read(["read-tree", "--prefix=conflicts/", conflicts], { env: index("kept") });
    }
    return await treeOf("kept", []);
  }

  async function filesUnderWay(): Promise<string[]> {
    const names: string[] = [];
    for (const name of UNDER_WAY) {
      const stats = await lstat(join(state.gitDir, name)).catch(() => undefined);
      if (stats?.isFile()) names.push(name);
      if (!stats?.isDirectory()) continue;
      const inner = await readdir(join(state.gitDir, name), { withFileTypes: true });
      names.push(...inner.filter((entry) => entry.isFile()).map((entry) => join(name, entry.name)));
    }
    return names;
  }

  /** Puts the entries into a scratch index and writes its tree. */
  async function treeOf(name: string, lines: readonly string[]): Promise<string> {
    const env = index(name);
    const input = Buffer.from(lines.join(""), "latin1");
    await read(["update-index", "-z", "--index-info"], { env, input });
    return (await read(["write-tree", "--missing-ok"], { env })).toString().trim();
  }

  async function commit(tree: string, parents: readonly string[], message: string) {
    const date = `@${Math.floor(time / 1000)} +0000`;
    const args = ["commit-tree", tree, ...parents.flatMap((parent) => ["-p", parent])];
    const output = await read(args, {
      input: message,
      env: {
        GIT_AUTHOR_NAME: "workspace-runtime",
        GIT_AUTHOR_EMAIL: "workspace-runtime@localhost",
        GIT_AUTHOR_DATE: date,
        GIT_COMMITTER_NAME: "workspace-runtime",
        GIT_COMMITTER_EMAIL: "workspace-runtime@localhost",
        GIT_COMMITTER_DATE: date,
      },
    });
    return output.toString().trim();
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0));
}

/** Whether a path of the worktree, given as bytes, is a directory and all above it are. */
function createDirectoryCheck(worktree: string): (path: string) => Promise<boolean> {
  const known = new Map<string, Promise<boolean>>([["", Promise.resolve(true)]]);
  const check = async (path: string): Promise<boolean> =>
    (await isDirectory(parentOf(path))) &&
    (await statsOf(bytesPath(worktree, path)))?.isDirectory() === true;
  const isDirectory = (path: string): Promise<boolean> => {
    const answer = known.get(path) ?? check(path);
    known.set(path, answer);
    return answer;
  };
  return isDirectory;
}

async function statsOf(path: Buffer): Promise<Stats | undefined> {
  return await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
}

/** A name as git reads it from a line, whatever bytes it has. */
function quotePath(path: Buffer): string {
  const quoted = [...path].map((byte) => {
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    return isPlain ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, "0")}`;
  });
  return `"${quoted.join("")}"`;
}
