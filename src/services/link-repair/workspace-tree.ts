import { glob, readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parse } from "yaml";

/** A pnpm workspace inside a linked git worktree: one of several checkouts of the same packages. */
export interface WorkspaceTree {
  /** Of the git worktree; without symlinks. */
  readonly worktree: string;
  /** Where `pnpm-workspace.yaml` stands. */
  readonly root: string;
}

/** The tree that a directory lies in; undefined outside of a linked worktree or a pnpm workspace. */
export async function findWorkspaceTree(cwd: string): Promise<WorkspaceTree | undefined> {
  const start = await realpath(cwd).catch(() => undefined);
  if (start === undefined) return undefined;
  const above = ancestors(start);
  const at = await firstIndex(above, (directory) => exists(join(directory, ".git")));
  const worktree = above[at];
  if (worktree === undefined || !(await isLinkedWorktree(worktree))) return undefined;
  const inside = above.slice(0, at + 1);
  const root = inside[await firstIndex(inside, (directory) => exists(join(directory, MANIFEST)))];
  return root === undefined ? undefined : { worktree, root };
}

/** This tree's packages: their directories by name. Throws for a manifest that cannot be read. */
export async function readPackages({ root }: WorkspaceTree): Promise<Map<string, string>> {
  const globs = packageGlobs(await readFile(join(root, MANIFEST), "utf8"));
  const wanted = globs.filter((pattern) => !pattern.startsWith("!"));
  const unwanted = globs.filter((pattern) => pattern.startsWith("!")).map((p) => p.slice(1));
  const directories = new Set(["."]);
  for (const pattern of wanted) for (const found of await expand(pattern)) directories.add(found);
  for (const pattern of unwanted)
    for (const found of await expand(pattern)) directories.delete(found);
  const packages = new Map<string, string>();
  for (const directory of directories) {
    const manifest = await readPackage(join(root, directory)).catch(() => undefined);
    if (typeof manifest?.name === "string") packages.set(manifest.name, join(root, directory));
  }
  return packages;

  async function expand(pattern: string): Promise<string[]> {
    const found: string[] = [];
    const manifests = glob(join(pattern, "package.json"), {
      cwd: root,
      exclude: (name) => LEFT_OUT.includes(basename(name)),
    });
    for await (const manifest of manifests) found.push(dirname(manifest));
    return found;
  }
}

/** What stands under `packages:`; all packages where nothing does, as pnpm has it. */
export function packageGlobs(yaml: string): string[] {
  const { packages } = (parse(yaml, { logLevel: "error" }) ?? {}) as { packages?: unknown };
  if (!Array.isArray(packages)) return ["**"];
  const patterns = packages.filter((pattern) => typeof pattern === "string" && pattern !== "");
  // Only below the root: a repository must not have us walk the disk.
  return patterns.filter((pattern) => !/^!?\/|(^!?|\/)\.\.(\/|$)/.test(pattern));
}

/** The nearest directory with a `package.json`, up to the workspace's root. */
export async function findOwner({ root }: WorkspaceTree, cwd: string): Promise<string | undefined> {
  const above = ancestors(await realpath(cwd));
  const inside = above.slice(0, above.indexOf(root) + 1);
  return inside[await firstIndex(inside, (directory) => exists(join(directory, "package.json")))];
}

/** A `package.json`, nothing of it believed. Throws for what is no JSON object. */
export async function readPackage(directory: string): Promise<Readonly<Record<string, unknown>>> {
  const text = await readFile(join(directory, "package.json"), "utf8");
  const manifest: unknown = JSON.parse(text);
  if (typeof manifest !== "object" || manifest === null) throw new Error("it is no object");
  return manifest as Readonly<Record<string, unknown>>;
}

const MANIFEST = "pnpm-workspace.yaml";
const LEFT_OUT = ["node_modules", "bower_components", ".git", ".paperclip"];

/** A linked worktree has a file for `.git`; so has a submodule, which lies under `modules`. */
async function isLinkedWorktree(directory: string): Promise<boolean> {
  const text = await readFile(join(directory, ".git"), "utf8").catch(() => "");
  return /^gitdir: .*\/worktrees\/[^/]+\s*$/.test(text);
}

/** The directory itself, then its parents. */
function ancestors(directory: string): string[] {
  const parent = dirname(directory);
  return parent === directory ? [directory] : [directory, ...ancestors(parent)];
}

async function firstIndex(
  directories: readonly string[],
  has: (directory: string) => Promise<boolean>,
): Promise<number> {
  for (const [index, directory] of directories.entries()) if (await has(directory)) return index;
  return -1;
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
