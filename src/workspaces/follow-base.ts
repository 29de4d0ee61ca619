import type { Base } from "../git/base-ref.ts";
import { readStatus } from "../git/status.ts";
import type { Operation } from "../model/operation.ts";
import { metadataOf, type WorktreeTools, type WorktreeWork } from "./worktree.ts";

export interface Followed {
  readonly operation?: Operation;
  readonly warning?: string;
}

/**
 * A reused worktree whose base moved on. Without work of its own it is brought along, if it may be
 * moved at all; else it stays, and that is told. Writes wait for their turn in the repository.
 */
export async function followBase(
  tools: WorktreeTools,
  work: WorktreeWork & { readonly base: Base },
  mayMove: boolean,
  inTurn: (move: () => Promise<Followed>) => Promise<Followed>,
): Promise<Followed> {
  const { base, branch, plan } = work;
  const { ahead = 0, behind = 0 } = plan.distance ?? {};
  if (behind === 0) return {};
  const warning = `${branch} is behind ${base.ref} by ${behind} commit(s)`;
  if (ahead > 0 || !mayMove) return { warning };
  return await inTurn(async () => {
    const { modifiedFiles, untrackedFiles } = await readStatus(tools.git, plan.path);
    if (modifiedFiles > 0 || untrackedFiles > 0) return { warning };
    const { operation } = await tools.gitOperation(work.context, {
      args: ["merge", "--ff-only", base.ref],
      cwd: plan.path,
      message: `Fast-forwarded branch ${branch} to ${base.ref}`,
      metadata: metadataOf(work, { created: false, reused: true, reusedExistingBranch: false }),
    });
    return operation.status === "SUCCEEDED" ? { operation } : { operation, warning };
  });
}
