import { basename, dirname, resolve } from "node:path";
import type { Git } from "./git.ts";

/** One repository, whichever of its checkouts it was found from. */
export interface Repository {
  /** Absolute path of the directory that all its worktrees share: the repository's identity. */
  readonly commonDir: string;
  /**
   * Top level of the main checkout; the directory that holds the git directory where that is bare
   * or lies elsewhere.
   */
  readonly root: string;
  /** Where git commands about the repository as a whole run. */
  readonly gitCwd: string;
}

/**
 * The repository that `cwd` lies in, linked worktrees leading to the main one. Not a repository, or
 * one that git refuses to open: what git said of it.
 */
export async function findRepository(
  git: Git,
  cwd: string,
): Promise<Repository | { readonly refusal: string }> {
  const answer = await git.inspect(cwd, [
    "rev-parse",
    "--path-format=absolute",
    "--git-common-dir",
  ]);
  if (answer.exitCode !== 0) return { refusal: answer.stderr.trim().split("\n")[0] ?? "" };
  const commonDir = answer.stdout.replace(/\n$/, "");
  if (basename(commonDir) === ".git") {
    const root = dirname(commonDir);
    return { commonDir, root, gitCwd: root };
  }
  const checkout = await configuredCheckout(git, commonDir);
  if (checkout !== undefined) return { commonDir, root: checkout, gitCwd: checkout };
  return { commonDir, root: dirname(commonDir), gitCwd: commonDir };
}

/** A submodule's git directory lies in its parent's and names its checkout. */
async function configuredCheckout(git: Git, commonDir: string): Promise<string | undefined> {
  const answer = await git.inspect(commonDir, [
    `--git-dir=${commonDir}`,
    "config",
    "--local",
    "--null",
    "--get",
    "core.worktree",
  ]);
  if (answer.exitCode !== 0) return undefined;
  return resolve(commonDir, answer.stdout.replace(/\0$/, ""));
}
