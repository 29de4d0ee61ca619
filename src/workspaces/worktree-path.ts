import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { type AllowedRoots, isInside, pathNotAllowed, resolveSymlinks } from "./allowed-roots.ts";

/** So that an existing Paperclip installation finds its worktrees again. */
const DEFAULT_PARENT = ".paperclip/worktrees";

export interface WorktreeParent {
  readonly path: string;
  /** Nobody chose it for this workspace: it is kept out of `git status`. */
  readonly isDefault: boolean;
}

/**
 * Where a workspace's worktrees go: what the request names, else the server's setting, else
 * `<repo root>/.paperclip/worktrees`. Absolute, `~`-relative, or relative to the repo root.
 */
export function worktreeParent(
  repoRoot: string,
  requested: string,
  serverSetting: string,
): WorktreeParent {
  const chosen = requested || serverSetting || DEFAULT_PARENT;
  const expanded =
    chosen === "~" || chosen.startsWith("~/") ? join(homedir(), chosen.slice(1)) : chosen;
  return { path: resolve(repoRoot, expanded), isDefault: requested === "" };
}

/**
 * The directory of a branch's worktree, without symlinks. Throws PATH_NOT_ALLOWED where it would
 * leave its parent or the allowed roots.
 */
export async function worktreePath(
  parent: string,
  branch: string,
  roots: AllowedRoots,
): Promise<string> {
  const resolvedParent = await roots.resolve(parent);
  const path = join(resolvedParent, branch);
  const resolved = await resolveSymlinks(path);
  if (
    resolved === undefined ||
    resolved === resolvedParent ||
    !isInside(resolved, resolvedParent)
  ) {
    throw pathNotAllowed(path, `leads out of the worktrees' directory "${resolvedParent}"`);
  }
  return await roots.resolve(resolved);
}
