import { randomUUID } from "node:crypto";
import {
  chmod,
  lstat,
  mkdir,
  open,
  readFile,
  rename,
  rmdir,
  symlink,
  unlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import type { Failpoints } from "../../failpoints.ts";
import type { Plumbing } from "../../git/plumbing.ts";
import { withoutFilters } from "../../git/status.ts";
import { readBlobs } from "./read-blobs.ts";
import { replaceIndex } from "./replace-index.ts";
import { decodePaths, type RescuedPath } from "./rescue-record.ts";
import { saveRescue } from "./save-rescue.ts";
import {
  bytesPath,
  parentsOf,
  readWorktreeState,
  type StateTools,
  textOf,
} from "./worktree-state.ts";

/** Of a rescue's commit, what restoring needs. */
export interface RescueContent {
  readonly commit: string;
  /** The commit that holds the index and the record of paths. */
  readonly kept: string;
  readonly paths: readonly RescuedPath[];
}

/** Reads a rescue. Throws COMMAND_FAILED, or Error for a commit that is no rescue. */
export async function readRescue(
  plumbing: Plumbing,
  gitCwd: string,
  commit: string,
): Promise<RescueContent> {
  const kept = (await parentsOf(plumbing, gitCwd, commit)).at(-1) ?? "";
  const record = await plumbing.read(gitCwd, ["cat-file", "blob", `${kept}:paths`]);
  return { commit, kept, paths: decodePaths(record) };
}

/**
 * Whether the worktree, at the rescue's own commit, has no changes but such as the rescue has, letter
 * by letter: those of a restore that was cut off. Nothing is overwritten that was not saved.
 */
export async function canTake(
  tools: StateTools,
  worktree: string,
  { paths }: RescueContent,
): Promise<boolean> {
  const before = await readWorktreeState(tools, worktree);
  for (const path of before.paths.filter(isScratch)) await unlink(bytesPath(worktree, path));
  const state = await readWorktreeState(tools, worktree);
  if (state.repositories.length > 0) return false;
  // Of the same work the same blobs would be saved.
  const request = { workspaceId: "", worktree, state, time: 0 };
  const now = await readRescue(tools.plumbing, worktree, await saveRescue(tools, request));
  const rescued = new Map(paths.map(({ path, kind, blob }) => [path, `${kind} ${blob}`]));
  return now.paths.every(({ path, kind, blob }) => rescued.get(path) === `${kind} ${blob}`);
}

/** Whether this rescue was applied to the worktree, whatever was done there since. */
export async function isApplied(
  plumbing: Plumbing,
  worktree: string,
  { commit }: RescueContent,
): Promise<boolean> {
  const gitDir = await textOf(plumbing, worktree, ["rev-parse", "--absolute-git-dir"]);
  return (await readFile(join(gitDir, APPLIED), "utf8").catch(() => "")) === commit;
}

/** In the worktree's own git directory: the rescue that was applied last. */
const APPLIED = "workspace-runtime-restored";

/** The name under which a file is written before it gets its own. */
const SCRATCH = ".workspace-runtime-restoring-";

function isScratch(path: string): boolean {
  return path.slice(path.lastIndexOf("/") + 1).startsWith(SCRATCH);
}

export interface ApplyTools extends StateTools {
  readonly failpoints: Failpoints;
}

/**
 * Puts the rescued state over a checkout of the rescue's commit: files as they stood, then the index.
 * Doing it again changes nothing. Nothing is written through a symlink.
 */
export async function applyRescue(
  tools: ApplyTools,
  worktree: string,
  { commit, paths, kept }: RescueContent,
): Promise<void> {
  const { plumbing } = tools;
  const gitDir = await textOf(plumbing, worktree, ["rev-parse", "--absolute-git-dir"]);
  for (const { path, kind } of paths) if (kind === "gone") await removeFile(worktree, path);
  const there = paths.filter(({ kind }) => kind !== "gone");
  for (const { path } of there) await makeParents(worktree, path);
  let at = 0;
  await readBlobs(
    plumbing,
    worktree,
    there.map(({ blob }) => blob),
    async (content) => {
      const entry = there[at];
      at += 1;
      if (entry !== undefined) await writeEntry(worktree, entry, content);
    },
  );
  await writeUnderWay(plumbing, worktree, gitDir, kept);
  await writeIndex(tools, worktree, gitDir, kept);
  await writeFile(join(gitDir, APPLIED), Buffer.from(commit));
}

async function writeEntry(
  worktree: string,
  { path, kind, permissions }: RescuedPath,
  content: AsyncIterable<Buffer>,
): Promise<void> {
  const target = bytesPath(worktree, path);
  const parent = target.subarray(0, target.lastIndexOf("/"));
  const scratch = Buffer.concat([parent, Buffer.from(`/${SCRATCH}${randomUUID()}`)]);
  if (kind === "symlink") {
    const chunks: Buffer[] = [];
    for await (const chunk of content) chunks.push(chunk);
    await symlink(Buffer.concat(chunks), scratch);
  } else {
    const file = await open(scratch, "wx", 0o600);
    try {
      for await (const chunk of content) await file.writeFile(chunk);
    } finally {
      await file.close();
    }
    await chmod(scratch, permissions);
  }
  // In place of whatever stands there, a symlink included; a directory can only be an empty one.
  await rmdir(target).catch(() => {});
  await rename(scratch, target);
}

async function removeFile(worktree: string, path: string): Promise<void> {
  if (!(await hasOwnParents(worktree, path))) return;
  const stats = await lstat(bytesPath(worktree, path)).catch(() => undefined);
  if (stats === undefined || stats.isDirectory()) return;
  await unlink(bytesPath(worktree, path));
  for (const parent of directoriesOf(path).reverse()) {
    const isRemoved = await rmdir(bytesPath(worktree, parent)).then(
      () => true,
      () => false,
    );
    if (!isRemoved) return;
  }
}

/** Directories all the way down; what stands in their way is a symlink or file that was replaced. */
async function makeParents(worktree: string, path: string): Promise<void> {
  for (const parent of directoriesOf(path)) {
    const directory = bytesPath(worktree, parent);
    const stats = await lstat(directory).catch(() => undefined);
    if (stats?.isDirectory()) continue;
    if (stats !== undefined) await unlink(directory);
    await mkdir(directory);
  }
}

async function hasOwnParents(worktree: string, path: string): Promise<boolean> {
  for (const parent of directoriesOf(path)) {
    const stats = await lstat(bytesPath(worktree, parent)).catch(() => undefined);
    if (!stats?.isDirectory()) return false;
  }
  return true;
}

/** `a/b/c` lies in `a` and `a/b`. */
function directoriesOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, at) => parts.slice(0, at + 1).join("/"));
}

async function writeUnderWay(plumbing: Plumbing, worktree: string, gitDir: string, kept: string) {
  const listed = await plumbing.read(worktree, ["ls-tree", "-r", "-z", `${kept}^{tree}`, "git/"]);
  for (const line of listed.toString().split("\0")) {
    const [, blob = "", name = ""] = /^\d+ blob ([0-9a-f]+)\tgit\/(.+)$/.exec(line) ?? [];
    if (blob === "") continue;
    const file = join(gitDir, name);
    await mkdir(join(file, ".."), { recursive: true });
    await writeFile(file, await plumbing.read(worktree, ["cat-file", "blob", blob]));
  }
}

/** Last: from here on git sees the state as it was. */
async function writeIndex(
  { git, plumbing, failpoints }: ApplyTools,
  worktree: string,
  gitDir: string,
  kept: string,
): Promise<void> {
  const filters = await withoutFilters(git, worktree);
  const content = await plumbing.read(worktree, ["cat-file", "blob", `${kept}:index`]);
  await replaceIndex(gitDir, content, failpoints);
  // What differs makes it say 1.
  const refresh = ["update-index", "-q", "--refresh", "--force-write-index"];
  await plumbing.read(worktree, [...filters, ...refresh]).catch(() => {});
}
