import { enableCompileCache, flushCompileCache } from "node:module";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/**
 * Keeps compiled modules in the user's cache directory (`$XDG_CACHE_HOME`, else `~/.cache`): every start takes half the
 * processor time of the first. Not in the system's temporary directory, which is Node's default: what lies
 * there could be another user's, and it is run. Where nothing can be written, nothing is kept.
 */
export function useCompileCache(environment: NodeJS.ProcessEnv = process.env): void {
  const { XDG_CACHE_HOME, NODE_COMPILE_CACHE } = environment;
  // Node has begun already with the directory that the user names.
  if (NODE_COMPILE_CACHE) return;
  const caches = XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : homeCaches();
  if (caches !== undefined) enableCompileCache(join(caches, "workspace-runtime", "compiled"));
}

/** Undefined for a user without a home. */
function homeCaches(): string | undefined {
  try {
    return join(homedir(), ".cache");
  } catch {
    return undefined;
  }
}

/** Writes what was compiled so far: a server that is killed one day would never. */
export function keepCompiled(): void {
  flushCompileCache();
}
