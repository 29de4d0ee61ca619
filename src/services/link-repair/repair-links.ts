import { randomUUID } from "node:crypto";
import { appendFile, realpath, rename, rm, stat, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { RuntimeError } from "../../errors.ts";
import { type LinkRepair, planLinks } from "./plan-links.ts";
import { readLinks } from "./read-links.ts";
import {
  findOwner,
  findWorkspaceTree,
  readPackages,
  type WorkspaceTree,
} from "./workspace-tree.ts";

/**
 * Before a start in a linked worktree: makes the links between the packages of its pnpm workspace
 * lead into this tree, where an install in another checkout left them leading there. What was done,
 * and what could not be, goes to `logFile` (made 0600), a line each. Throws LINK_REPAIR_FAILED only
 * where that cannot be told.
 */
export async function repairWorkspaceLinks(cwd: string, logFile: string): Promise<void> {
  const lines = await repair(cwd).catch((error: Error) => [
    `warning: links not looked at: ${error.message.split("\n")[0]}`,
  ]);
  if (lines.length === 0) return;
  const text = lines.map((line) => `[runtime] ${line.replace(/\p{Cc}+/gu, " ")}\n`).join("");
  try {
    await appendFile(logFile, text, { mode: 0o600 });
  } catch (cause) {
    const message = `workspace links were repaired, but this could not be logged: ${(cause as Error).message}`;
    throw new RuntimeError("LINK_REPAIR_FAILED", message, { metadata: { path: logFile }, cause });
  }
}

async function repair(cwd: string): Promise<string[]> {
  const tree = await findWorkspaceTree(cwd);
  if (tree === undefined) return [];
  const packages = await readPackages(tree);
  const lines: string[] = [];
  for (const owner of await findOwners(tree, cwd)) {
    const links = await readLinks(tree, packages, owner).catch((error: Error) => {
      lines.push(`warning: ${join(owner, "package.json")}: ${error.message}`);
      return [];
    });
    const { repairs, warnings } = planLinks(links);
    lines.push(...warnings.map((warning) => `warning: ${warning}`));
    for (const one of repairs) lines.push(await apply(one));
  }
  return lines;
}

/** The package that is started, and `server/`, which applications start from elsewhere. */
async function findOwners(tree: WorkspaceTree, cwd: string): Promise<string[]> {
  const owner = await findOwner(tree, cwd);
  const server = join(tree.root, "server");
  const hasServer = await stat(join(server, "package.json")).then(
    (stats) => stats.isFile(),
    () => false,
  );
  const owners = new Set(owner === undefined ? [] : [owner]);
  return [...(hasServer ? owners.add(server) : owners)];
}

/** In one step: whoever looks finds the old link or the new one, and a directory stays one. */
async function apply({ name, path, was, is }: LinkRepair): Promise<string> {
  const made = join(dirname(path), `.${randomUUID()}`);
  try {
    await symlink(relative(await realpath(dirname(path)), is), made, "dir");
    await rename(made, path);
    return `${name}: ${was} -> ${is}`;
  } catch (error) {
    await rm(made, { force: true }).catch(() => {});
    return `warning: ${name}: ${was} stays: ${(error as Error).message}`;
  }
}
