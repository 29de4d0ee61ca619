import { lstat, realpath } from "node:fs/promises";
import { join } from "node:path";
import type { Git } from "./git.ts";
import { findRepository, type Repository } from "./repository.ts";

/** `findRepository` that remembers. */
export interface RepositoryFinder {
  find(cwd: string): ReturnType<typeof findRepository>;
}

/** How many checkouts are remembered. */
const MOST_KNOWN = 1_000;

/**
 * Git is asked once about a main checkout: as long as a `.git` directory stands in it, no other answer
 * is possible. One that has become unusable is told by the next question.
 */
export function createRepositoryFinder(git: Git): RepositoryFinder {
  const known = new Map<string, Repository>();
  return {
    async find(cwd) {
      const root = await realpath(cwd).catch(() => cwd);
      const remembered = known.get(root);
      if (remembered !== undefined && (await isMainCheckout(remembered))) return remembered;
      known.delete(root);
      const found = await findRepository(git, cwd);
      if ("refusal" in found || found.root !== root || !(await isMainCheckout(found))) return found;
      known.set(root, found);
      const [oldest = root] = known.keys();
      if (known.size > MOST_KNOWN) known.delete(oldest);
      return found;
    },
  };
}

async function isMainCheckout({ root, commonDir }: Repository): Promise<boolean> {
  if (commonDir !== join(root, ".git")) return false;
  return await lstat(commonDir).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}
