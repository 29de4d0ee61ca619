import { createPlumbing } from "../../git/plumbing.ts";
import type { Workspace } from "../../model/workspace.ts";
import { answer } from "../answer.ts";
import { createJoinedCalls } from "../joined-calls.ts";
import type { KeyedLock } from "../keyed-lock.ts";
import type { WorktreeDependencies } from "../realize-worktree.ts";
import { deleteRescue } from "../rescue/delete-rescue.ts";
import { listRescues } from "../rescue/list-rescues.ts";
import type { Workspaces } from "../workspaces.ts";
import { type CleanupTools, cleanUp } from "./cleanup.ts";
import type { RestoreResult, WorkspaceServices } from "./cleanup-call.ts";
import { createRunCleanupStep } from "./operation.ts";
import { restoreWorkspace } from "./restore.ts";

export interface EndingsOptions extends WorktreeDependencies {
  readonly services: WorkspaceServices;
  readonly locations: KeyedLock;
  readonly settings: WorktreeDependencies["settings"] & { readonly gitTimeoutMs: number };
}

/** How workspaces end, and come back. */
export function createEndings(
  options: EndingsOptions,
): Pick<Workspaces, "cleanup" | "restore" | "listRescues" | "deleteRescue"> {
  const { operations, baseEnv, settings } = options;
  const timeoutMs = settings.gitTimeoutMs;
  const tools: CleanupTools & WorktreeDependencies = {
    ...options,
    plumbing: createPlumbing({ environment: baseEnv, timeoutMs }),
    runStep: createRunCleanupStep({ operations, baseEnv, timeoutMs }),
  };
  const restorations = createJoinedCalls<Restoration>();
  return {
    cleanup: (request, signal) => answer(cleanUp(tools, request), signal),
    async restore(request, signal) {
      const { work, isFirst } = restorations.join(
        JSON.stringify([request.workspaceId, request.expectedRevision]),
        () => begin((begun) => restoreWorkspace(tools, request, begun)),
        ({ done }) => done,
      );
      const wait = async (): Promise<RestoreResult> => {
        const begun = request.noWait ? await work.begun : undefined;
        if (begun?.state === "PROVISIONING") {
          return { workspace: begun, created: false, operations: [], provisioned: false };
        }
        const done = await work.done;
        return { ...done, created: isFirst && done.created };
      };
      return await answer(wait(), signal);
    },
    listRescues: (filter, page) => listRescues(tools, filter, page),
    deleteRescue: (request, signal) => answer(deleteRescue(tools, request), signal),
  };
}

/** One restore under way, for all the calls that ask for it. */
interface Restoration {
  /** The row once it says what is going on. */
  readonly begun: Promise<Workspace>;
  readonly done: Promise<RestoreResult>;
}

function begin(
  work: (begun: (workspace: Workspace) => void) => Promise<RestoreResult>,
): Restoration {
  const { promise, resolve, reject } = Promise.withResolvers<Workspace>();
  const done = work(resolve);
  done.then(({ workspace }) => resolve(workspace), reject);
  // Whoever asked may not wait for it.
  promise.catch(() => {});
  return { begun: promise, done };
}
