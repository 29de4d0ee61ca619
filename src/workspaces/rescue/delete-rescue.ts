import { invalidField, RuntimeError } from "../../errors.ts";
import type { Git } from "../../git/git.ts";
import type { Actor } from "../../model/workspace.ts";
import type { Store } from "../../store/store.ts";
import type { RunCleanupStep } from "../cleanup/operation.ts";
import { succeeded } from "../git-operation.ts";
import type { KeyedLock } from "../keyed-lock.ts";
import { workspaceNotFound } from "../update-workspace.ts";
import { readRescues } from "./list-rescues.ts";
import type { Rescue } from "./rescue.ts";

export interface DeleteRescueRequest {
  readonly ref: string;
  readonly workspaceId: string;
  /** "": any. */
  readonly expectedCommit: string;
  readonly actor?: Actor;
}

export interface DeleteRescueTools {
  readonly store: Store;
  readonly git: Git;
  readonly runStep: RunCleanupStep;
  readonly repositories: KeyedLock;
}

/** Gives up saved work. Throws WORKSPACE_NOT_FOUND, INVALID_FIELD for no such ref, STALE_REVISION. */
export async function deleteRescue(
  { store, git, runStep, repositories }: DeleteRescueTools,
  { ref, workspaceId, expectedCommit, actor }: DeleteRescueRequest,
): Promise<Rescue> {
  const workspace = await store.workspaces.get(workspaceId);
  if (workspace === undefined) throw workspaceNotFound(workspaceId);
  const { gitCommonDir, companyId, projectWorkspaceId, issue } = workspace;
  return await repositories.run(gitCommonDir, async () => {
    const rescues = gitCommonDir === "" ? [] : await readRescues(git, gitCommonDir, [workspace]);
    const rescue = rescues.find((candidate) => candidate.ref === ref);
    if (rescue === undefined) {
      throw invalidField("ref", `there is no rescue "${ref}" of workspace "${workspaceId}"`);
    }
    if (expectedCommit !== "" && expectedCommit !== rescue.commit) {
      const message = `the rescue is at ${rescue.commit} now, not at ${expectedCommit}`;
      throw new RuntimeError("STALE_REVISION", message, { metadata: { commit: rescue.commit } });
    }
    const context = {
      ...{ companyId, workspaceId, projectWorkspaceId, issueId: issue?.issueId ?? "" },
      ...(actor === undefined ? {} : { actor }),
    };
    const outcome = await runStep(context, workspace, {
      action: "rescue",
      shown: ["git", "update-ref", "-d", ref, rescue.commit],
      cwd: gitCommonDir,
      message: `Deleted rescue ${ref}`,
      metadata: { rescueRef: ref },
    });
    succeeded(outcome);
    if (workspace.rescueRef === ref) {
      await store.workspaces.update(workspaceId, { rescueRef: "" });
    }
    return rescue;
  });
}
