import { lstat, readlink, realpath } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { isInside } from "../../workspaces/allowed-roots.ts";
import type { PackageLink } from "./plan-links.ts";
import { readPackage, type WorkspaceTree } from "./workspace-tree.ts";

/** The links of a package to the workspace packages that it depends on. Throws for a bad manifest. */
export async function readLinks(
  { worktree }: WorkspaceTree,
  packages: ReadonlyMap<string, string>,
  owner: string,
): Promise<PackageLink[]> {
  const modules = join(owner, "node_modules");
  // Nothing is installed: the start itself will say so better.
  if ((await lstatOf(modules)) === undefined) return [];
  const links: PackageLink[] = [];
  for (const { name, wanted } of workspaceDependencies(await readPackage(owner), packages, owner)) {
    const path = join(modules, name);
    const actual = wanted && (await realpath(wanted).catch(() => undefined));
    links.push({
      name,
      path,
      wanted: actual && isInside(actual, worktree) ? actual : undefined,
      ...(await lookAt(path, worktree)),
    });
  }
  return links;
}

async function lookAt(
  path: string,
  worktree: string,
): Promise<Pick<PackageLink, "kind" | "leadsTo">> {
  // A node_modules that is itself a link to another checkout's: what is in it is not this tree's.
  const parent = await realpath(dirname(path)).catch(() => undefined);
  if (parent === undefined) return { kind: "missing", leadsTo: "" };
  if (!isInside(parent, worktree)) return { kind: "foreign", leadsTo: parent };
  const stats = await lstatOf(path);
  if (stats === undefined) return { kind: "missing", leadsTo: "" };
  if (!stats.isSymbolicLink()) return { kind: "other", leadsTo: "" };
  const actual = await realpath(path).catch(() => undefined);
  return { kind: "link", leadsTo: actual ?? resolve(dirname(path), await readlink(path)) };
}

const GROUPS = ["dependencies", "devDependencies", "optionalDependencies"];

function workspaceDependencies(
  manifest: Readonly<Record<string, unknown>>,
  packages: ReadonlyMap<string, string>,
  owner: string,
): { readonly name: string; readonly wanted: string | undefined }[] {
  const entries = GROUPS.flatMap((group) => Object.entries(Object(manifest[group])));
  const found = new Map<string, string | undefined>();
  for (const [name, range] of entries) {
    // A name is a path below node_modules, and must stay there.
    if (typeof range !== "string" || !/^(@[^/@]+\/)?[^/@.][^/@]*$/.test(name)) continue;
    if (range.startsWith("workspace:")) {
      found.set(name, targetOf(name, range.slice("workspace:".length), packages, owner));
    }
  }
  return [...found].map(([name, wanted]) => ({ name, wanted }));
}

/** `workspace:^1`, `workspace:../path` or `workspace:other-name@^1`. */
function targetOf(
  name: string,
  range: string,
  packages: ReadonlyMap<string, string>,
  owner: string,
): string | undefined {
  if (range.startsWith(".")) return resolve(owner, range);
  const alias = /^(@[^/@]+\/[^/@]+|[^/@]+)@/.exec(range)?.[1];
  return packages.get(alias ?? name);
}

function lstatOf(path: string) {
  return lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
}
