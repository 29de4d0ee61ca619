import { originBranch, resolveBase } from "../git/base-ref.ts";
import type { Git } from "../git/git.ts";
import { isValidBranchName } from "../git/refs.ts";
import type { Repository } from "../git/repository.ts";
import type { Operation } from "../model/operation.ts";
import type { GitOperation, OperationContext } from "./git-operation.ts";

export interface FetchRequest {
  readonly repository: Repository;
  /** "": whatever origin's default branch is. */
  readonly askedBase: string;
  readonly context: OperationContext;
  readonly env: Readonly<Record<string, string>>;
}

export interface Fetched {
  readonly operation?: Operation;
  readonly warning?: string;
}

/** Brings the base of origin up to date. A fetch that fails is a warning: the last known one is used. */
export async function fetchBase(
  git: Git,
  gitOperation: GitOperation,
  { repository, askedBase, context, env }: FetchRequest,
): Promise<Fetched> {
  const remote = await git.inspect(repository.gitCwd, ["remote", "get-url", "origin"]);
  if (remote.exitCode !== 0) return { warning: 'Did not fetch: there is no remote "origin"' };
  const branch = originBranch(askedBase || (await defaultBranch(git, repository.gitCwd)));
  // Only a branch's name is no refspec: anything else could write where nobody asked.
  const isNamed = branch !== "" && (await isValidBranchName(git, repository.gitCwd, branch));
  if (branch !== "" && branch !== "HEAD" && !isNamed) return {};
  const { operation } = await gitOperation(context, {
    args: ["fetch", "origin", ...(isNamed ? [refspec(branch)] : [])],
    cwd: repository.gitCwd,
    env,
    message: `Fetched ${isNamed ? branch : "all branches"} from origin`,
    metadata: { repoRoot: repository.root, baseRef: branch },
  });
  if (operation.status === "SUCCEEDED") return { operation };
  const what = isNamed ? `"${branch}"` : "the base";
  return { operation, warning: `Could not fetch ${what} from origin: the last known one is used` };
}

/** "" when origin's default branch is not known here: then everything is fetched. */
async function defaultBranch(git: Git, gitCwd: string): Promise<string> {
  const { ref } = await resolveBase(git, gitCwd, "").catch(() => ({ ref: "" }));
  return ref.startsWith("origin/") ? ref : "";
}

/**
 * Named in full: bare clones and those of a single branch have no rule that would keep what a fetch
 * of the branch's name alone brings.
 */
function refspec(branch: string): string {
  if (/^[0-9a-f]{40,64}$/.test(branch)) return branch;
  if (branch.startsWith("refs/tags/")) return `${branch}:${branch}`;
  return `+refs/heads/${branch}:refs/remotes/origin/${branch}`;
}
