import { lstat, realpath } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { RuntimeError } from "../errors.ts";

/** The directories that workspaces may lie in. */
export interface AllowedRoots {
  /** The path without symlinks. Throws PATH_NOT_ALLOWED unless that lies in an allowed root. */
  resolve(path: string): Promise<string>;
  contains(path: string): Promise<boolean>;
}

export function createAllowedRoots(roots: readonly string[]): AllowedRoots {
  const isAllowed = async (resolved: string) => {
    const allowed = await Promise.all(roots.map((root) => resolveSymlinks(root)));
    return allowed.some((root) => root !== undefined && isInside(resolved, root));
  };
  return {
    async resolve(path) {
      const resolved = await resolveSymlinks(path);
      if (resolved !== undefined && (await isAllowed(resolved))) return resolved;
      throw pathNotAllowed(path, "lies outside the directories that this server may use");
    },
    async contains(path) {
      const resolved = await resolveSymlinks(path);
      return resolved !== undefined && (await isAllowed(resolved));
    },
  };
}

/** Whether `path` is `directory` or lies below it: `/x/ab` is not in `/x/a`. Neither may hold a symlink. */
export function isInside(path: string, directory: string): boolean {
  if (path === directory) return true;
  return path.startsWith(directory.endsWith(sep) ? directory : directory + sep);
}

/**
 * Where a path leads, its end not there yet: the nearest ancestor that exists decides. Undefined for
 * a symlink that leads nowhere: nobody knows where what is made there would end up.
 */
export async function resolveSymlinks(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENOTDIR") return undefined;
  }
  const isDangling = await lstat(path).then(
    () => true,
    () => false,
  );
  if (isDangling) return undefined;
  const parent = await resolveSymlinks(dirname(path));
  return parent === undefined ? undefined : join(parent, basename(path));
}

export function pathNotAllowed(path: string, why: string): RuntimeError {
  return new RuntimeError("PATH_NOT_ALLOWED", `"${path}" ${why}`, { metadata: { path } });
}
