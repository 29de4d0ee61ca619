import type {
  CleanupRequest,
  CleanupResult,
  RestoreRequest,
  RestoreResult,
} from "../../../src/workspaces/cleanup/cleanup-call.ts";
import type { Workspaces } from "../../../src/workspaces/workspaces.ts";
import { issue, startWithRepository, worktree } from "../fixture.ts";

/** A repository and a workspace with a worktree of it, made for issue 1. */
export async function startWithWorktree(
  gitWorktree: Parameters<typeof worktree>[1] = {},
  settings: Parameters<typeof startWithRepository>[0] = {},
) {
  const runtime = await startWithRepository(settings);
  const request = { ...worktree(runtime.repo, gitWorktree), issue: issue(1) };
  const { workspace } = await runtime.realize(request);
  const { workspaceId, cwd, branchName } = workspace;
  return { ...runtime, ...endings(runtime.workspaces, workspaceId), workspaceId, cwd, branchName };
}

/** Cleanup and restore of one workspace; give what the test is about. */
export function endings(workspaces: Workspaces, workspaceId: string) {
  const signal = new AbortController().signal;
  const cleanup = (request: Partial<CleanupRequest> = {}): Promise<CleanupResult> =>
    workspaces.cleanup(
      {
        workspaceId,
        force: false,
        dryRun: false,
        commandEnv: {},
        expectedRevision: 0,
        ...request,
      },
      signal,
    );
  const restore = (request: Partial<RestoreRequest> = {}): Promise<RestoreResult> =>
    workspaces.restore(
      { workspaceId, expectedRevision: 0, commandEnv: {}, noWait: false, ...request },
      signal,
    );
  return { cleanup, restore };
}
