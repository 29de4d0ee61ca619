import { RuntimeError, type ServiceFailure } from "../../errors.ts";
import type { Workspace } from "../../model/workspace.ts";
import type { CleanupRequest } from "./cleanup-call.ts";
import type { Inspection } from "./inspect.ts";

/** Whether the work in a worktree speaks against its removal, as it was asked for. */
export function isRefusedAsDirty({ onDirty }: CleanupRequest, inspection: Inspection): boolean {
  return onDirty === "REFUSE" && inspection.holding === "worktree" && inspection.hasWork;
}

export function workspaceDirty(
  { workspaceId }: Workspace,
  { path, state }: Inspection,
): RuntimeError {
  const { modifiedFiles = 0, untrackedFiles = 0, sample = [] } = state ?? {};
  const files = `${modifiedFiles} modified and ${untrackedFiles} untracked file(s)`;
  const what =
    sample.length === 0 ? "commits that no branch has" : `${files}, such as ${sample.join(", ")}`;
  return new RuntimeError("WORKSPACE_DIRTY", `"${path}" has work that is not committed: ${what}`, {
    metadata: {
      ...{ workspace_id: workspaceId, path },
      ...{ dirty_files: modifiedFiles, untracked_files: untrackedFiles, sample: sample.join("\n") },
    },
  });
}

export function workspaceLeased(
  { workspaceId }: Workspace,
  runIds: readonly string[],
): RuntimeError {
  const holders = runIds.join(",");
  const message = `the workspace is leased by ${holders}: release that run, or clean with force`;
  return new RuntimeError("WORKSPACE_LEASED", message, {
    metadata: { workspace_id: workspaceId, holder_run_ids: holders },
  });
}

export function stopNotProven(
  { workspaceId }: Workspace,
  failures: readonly ServiceFailure[],
): RuntimeError {
  const message = failures.map((failure) => failure.message).join("; ");
  return new RuntimeError("STOP_NOT_PROVEN", message, {
    metadata: { workspace_id: workspaceId },
    failures,
  });
}
