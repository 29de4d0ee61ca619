import type { Workspace } from "../model/workspace.ts";
import type { Store } from "../store/store.ts";
import { inUse } from "./place.ts";
import type { Wanted } from "./wanted.ts";

/** What realize finds out and writes, beyond what the request wants. */
export type Outcome = Pick<Workspace, "state" | "cwd"> &
  Partial<
    Pick<
      Workspace,
      | "stateMessage"
      | "repoRoot"
      | "gitCommonDir"
      | "worktreePath"
      | "branchName"
      | "baseRef"
      | "baseCommit"
      | "directoryCreated"
      | "branchCreated"
      | "warnings"
      | "provisionPending"
      | "provisionFingerprint"
    >
  >;

/** Makes the row of a workspace, or brings it up to date: used just now. Throws WORKTREE_IN_USE. */
export async function saveWorkspace(
  store: Store,
  now: number,
  workspaceId: string,
  wanted: Wanted,
  outcome: Outcome,
): Promise<Workspace> {
  return await store.transaction(async (tx) => {
    const { companyId, ...changeable } = wanted;
    const patch = { ...changeable, stateMessage: "", ...outcome, lastUsedTime: now };
    const updated = await tx.workspaces.update(workspaceId, patch);
    if (updated !== undefined) return updated;
    const { record, inserted } = await tx.workspaces.insert({
      ...EMPTY,
      ...wanted,
      ...outcome,
      workspaceId,
    });
    if (!inserted) throw inUse(record, companyId);
    return record;
  });
}

const EMPTY = {
  stateMessage: "",
  repoRoot: "",
  gitCommonDir: "",
  worktreePath: "",
  branchName: "",
  baseRef: "",
  baseCommit: "",
  directoryCreated: false,
  branchCreated: false,
  warnings: [],
  serviceStates: {},
  rescueRef: "",
  provisionPending: false,
  provisionFingerprint: "",
} as const;
